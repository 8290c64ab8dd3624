//! `cargo xtask test`: every test of the workspace.

use anyhow::Result;

use crate::shell;

/// Runs all tests: nextest where it is installed, `cargo test` otherwise; doc tests always.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask test                     everything\n  \
    cargo xtask test -p forebay-queue    one crate\n  \
    cargo xtask test dropped_send        tests whose name contains dropped_send")]
pub(crate) struct Test {
    /// One crate instead of the whole workspace.
    #[arg(short, long, value_name = "CRATE")]
    package: Option<String>,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

// === impl Test ===

impl Test {
    /// Every test of every crate.
    pub(crate) fn all() -> Self {
        Self { package: None, filter: None }
    }

    pub(crate) fn run(self) -> Result<()> {
        let mut selection: Vec<&str> = match &self.package {
            Some(package) => vec!["--package", package],
            None => vec!["--workspace"],
        };
        selection.push("--all-features");

        if shell::answers(shell::cargo().args(["nextest", "--version"])) {
            let mut tests = shell::cargo();
            tests.args(["nextest", "run", "--no-fail-fast"]).args(&selection);
            // A filter that matches doc tests only is no mistake.
            tests.args(self.filter.as_ref().map(|_| "--no-tests=pass")).args(&self.filter);
            shell::run(&mut tests)?;
        } else {
            println!("cargo-nextest is not installed: cargo test runs the tests, more slowly");
            // `--tests` takes the libraries' and programs' own tests too; doc tests come below in both cases.
            let mut tests = shell::cargo();
            tests.args(["test", "--no-fail-fast", "--tests", "--examples"]).args(&selection);
            shell::run(tests.args(&self.filter))?;
        }
        let mut doc_tests = shell::cargo();
        shell::run(doc_tests.args(["test", "--doc"]).args(&selection).args(&self.filter))
    }
}
