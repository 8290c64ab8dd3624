//! `cargo xtask fuzz`: arbitrary bytes as pictures, for half a minute.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{shell, workspace};

/// Where the target and its committed corpus are.
const FOLDER: &str = "apps/image-pipeline/fuzz";
const TARGET: &str = "picture";

/// Coverage for libFuzzer, as cargo-fuzz asks the compiler for it, and the address sanitizer: the one
/// codec that is in C, the encoder of WebP, runs here too.
const FLAGS: &str = "-Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Whatever the fuzzer does, it is over after this.
const LIMIT: Duration = Duration::from_secs(300);

/// Feeds image-pipeline's decoders from a committed corpus, which needs a nightly toolchain.
///
/// What it finds lies in target/fuzz/artifacts, and the corpus that it grows in target/fuzz/corpus.
#[derive(Debug, clap::Args)]
#[command(after_help = "Without a nightly toolchain it says so and succeeds.")]
pub(crate) struct Fuzz {
    /// How long, without the time to build.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

// === impl Fuzz ===

impl Fuzz {
    /// As ci runs it.
    pub(crate) fn short() -> Self {
        Self { seconds: 30 }
    }

    pub(crate) fn run(self) -> Result<()> {
        // Through rustup, as in `sanitize`.
        if !shell::answers(shell::program("rustup").args(["run", "nightly", "cargo", "--version"])) {
            println!(
                "NOTICE: not run, no nightly toolchain; `rustup toolchain install nightly` would bring it"
            );
            return Ok(());
        }
        let folder = workspace::root().join(FOLDER);
        let target = workspace::target("fuzz")?;
        let host = shell::capture(shell::program("rustc").args(["--print", "host-tuple"]))?;
        let host = host.trim();
        let mut build = shell::program("rustup");
        build
            .current_dir(&folder)
            .args(["run", "nightly", "cargo", "build", "--release", "--locked", "--target", host])
            .env("RUSTFLAGS", FLAGS)
            .env("CARGO_TARGET_DIR", &target);
        // These point at the stable toolchain that runs us.
        for variable in ["CARGO", "RUSTC", "RUSTDOC", "LD_LIBRARY_PATH"] {
            build.env_remove(variable);
        }
        shell::run(&mut build)?;

        let (grown, artifacts) = (target.join("corpus"), target.join("artifacts"));
        for folder in [&grown, &artifacts] {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let mut fuzz = shell::program(target.join(host).join("release").join(TARGET));
        fuzz.arg(format!("-max_total_time={}", self.seconds))
            // For one input, in seconds and megabytes: the limits it runs with are far below.
            .args(["-timeout=10", "-rss_limit_mb=1024", "-max_len=16384", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg(&grown)
            .arg(folder.join("corpus").join(TARGET));
        shell::run_within(LIMIT + Duration::from_secs(self.seconds), &mut fuzz)
    }
}
