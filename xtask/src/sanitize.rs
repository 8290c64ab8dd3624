//! `cargo xtask sanitize`: the address sanitizer over the queue's tests.

use anyhow::Result;

use crate::{shell, workspace};

/// Runs the tests of forebay-queue under the address sanitizer, which needs a nightly toolchain.
///
/// The queue has no `unsafe` today: this keeps the way ready for the day a benchmark asks for it,
/// and finds what the crates below it do wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without a nightly toolchain it says so and succeeds.")]
pub(crate) struct Sanitize {}

// === impl Sanitize ===

impl Sanitize {
    pub(crate) fn run(self) -> Result<()> {
        // Through rustup rather than `cargo +nightly`: the cargo that started us is no proxy and knows no `+`.
        if !shell::answers(shell::program("rustup").args(["run", "nightly", "cargo", "--version"])) {
            println!(
                "NOTICE: not run, no nightly toolchain; `rustup toolchain install nightly` would bring it"
            );
            return Ok(());
        }
        let host = host()?;
        let mut tests = shell::program("rustup");
        tests
            .args([
                "run",
                "nightly",
                "cargo",
                "test",
                "-p",
                "forebay-queue",
                "--all-features",
                "--lib",
                "--tests",
            ])
            // Naming the target keeps the flag away from build scripts and derive macros.
            .args(["--target", &host])
            .env("RUSTFLAGS", "-Zsanitizer=address")
            .env("CARGO_TARGET_DIR", workspace::target("sanitize")?);
        // These point at the stable toolchain that runs us.
        for variable in ["CARGO", "RUSTC", "RUSTDOC", "LD_LIBRARY_PATH"] {
            tests.env_remove(variable);
        }
        shell::run(&mut tests)
    }
}

/// The target this machine's own programs are built for.
fn host() -> Result<String> {
    Ok(shell::capture(shell::program("rustc").args(["--print", "host-tuple"]))?.trim().to_owned())
}
