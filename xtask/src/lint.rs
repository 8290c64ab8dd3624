//! `cargo xtask lint`: everything that can be said about the code without running it.

mod direction;
mod features;
mod house;
mod names;

use anyhow::{Context as _, Result, bail};

use crate::{
    shell,
    workspace::{self, Metadata},
};

/// Checks format, lints, docs, dependency direction, house rules, each crate and feature alone, licences.
#[derive(Debug, clap::Args)]
pub(crate) struct Lint {}

// === impl Lint ===

impl Lint {
    /// The cheap checks come first, so that a typo is answered in seconds.
    pub(crate) fn run(self) -> Result<()> {
        let metadata = Metadata::load()?;
        refuse("dependency direction", &direction::problems(&metadata))?;
        refuse("house rules", &house::problems(&metadata)?)?;
        refuse("disciplines named by none but their crate", &names::problems(&metadata)?)?;
        shell::run(shell::cargo().args(["fmt", "--all", "--check"])).context("`cargo fmt --all` mends it")?;
        let mut clippy = shell::cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]);
        shell::run(&mut clippy)?;
        let mut docs = shell::cargo();
        // Broken links are warnings of rustdoc, so denying warnings denies them.
        docs.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings");
        shell::run(&mut docs)?;
        for arguments in features::alone(&metadata) {
            let mut alone = shell::cargo();
            shell::run(alone.arg("clippy").args(arguments).args(["--", "-D", "warnings"]))?;
        }
        deny()
    }
}

/// Licences, sources and doubled versions; advisories where their database can be had.
fn deny() -> Result<()> {
    if !shell::answers(shell::cargo().args(["deny", "--version"])) {
        println!(
            "NOTICE: licences and advisories not checked; `cargo install cargo-deny` would bring the check"
        );
        return Ok(());
    }
    shell::run(shell::cargo().args(["deny", "--all-features", "check", "licenses", "bans", "sources"]))?;
    // The first run fetches the database; a machine that cannot reach it must not fail for that.
    if shell::answers(shell::cargo().args(["deny", "fetch", "db"])) {
        shell::run(shell::cargo().args(["deny", "--all-features", "--offline", "check", "advisories"]))
    } else {
        println!("NOTICE: advisories not checked, their database cannot be fetched from here");
        Ok(())
    }
}

/// Prints what a check of ours found, and fails if that is anything.
fn refuse(check: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("{check}: {} found in {}", problems.len(), workspace::root().display());
    }
    println!("{check}: kept");
    Ok(())
}
