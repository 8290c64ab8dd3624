//! crates/forebay-bench: the program that holds the contenders.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;

use crate::{shell, workspace};

/// Builds crates/forebay-bench, which is no member of the workspace.
pub(super) fn build() -> Result<PathBuf> {
    let target = workspace::target("bench")?;
    let mut build = shell::cargo();
    build.current_dir(folder()).args(["build", "--release", "--locked"]).env("CARGO_TARGET_DIR", &target);
    shell::run(&mut build)?;
    Ok(target.join("release/forebay-bench"))
}

fn folder() -> PathBuf {
    workspace::root().join("crates/forebay-bench")
}

/// One run of the program, in a process of its own.
pub(super) fn ask<T: DeserializeOwned>(program: &Path, arguments: &[&str]) -> Result<T> {
    let answer = shell::capture(Command::new(program).args(arguments))?;
    serde_json::from_str(&answer).with_context(|| format!("forebay-bench {}: {answer}", arguments.join(" ")))
}

/// The versions of these packages that the lock file of forebay-bench holds, so those that were built.
pub(super) fn versions<'a>(packages: impl Iterator<Item = &'a str>) -> Result<Vec<String>> {
    let path = folder().join("Cargo.lock");
    let lock = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut versions: Vec<String> = packages.filter_map(|package| locked(&lock, package)).collect();
    let mut seen = std::collections::BTreeSet::new();
    versions.retain(|version| seen.insert(version.clone()));
    Ok(versions)
}

/// `name version` of a package in a lock file.
fn locked(lock: &str, package: &str) -> Option<String> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(format!("{package} {}", rest.split_once('"')?.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"tokio\"\nversion = \"1.54.1\"\n\n[[package]]\nname = \"kanal\"\nversion = \"0.1.1\"\n";
        assert_eq!(locked(lock, "kanal").as_deref(), Some("kanal 0.1.1"));
        assert_eq!(locked(lock, "kana"), None);
    }
}
