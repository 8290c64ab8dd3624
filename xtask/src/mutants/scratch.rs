//! A copy of the tree to break, kept between runs so that little is built again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::patch::{Patch, TestCommand};
use crate::shell::{self, Ended};
use crate::workspace;

/// A build of one crate and its dependencies, cold.
const BUILD_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The copy, its builds and its logs.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    tree: PathBuf,
    logs: PathBuf,
}

// === impl Scratch ===

impl Scratch {
    /// Brings the copy in line with the work tree as it is now, with what is not committed yet.
    pub(super) fn create() -> Result<Self> {
        let folder = workspace::target("mutants")?;
        let (tree, logs) = (folder.join("tree"), folder.join("logs"));
        for needed in [&tree, &logs] {
            fs::create_dir_all(needed).with_context(|| format!("cannot create {}", needed.display()))?;
        }
        mirror(workspace::root(), &tree)?;
        Ok(Self { folder, tree, logs })
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    pub(super) fn apply(&self, patch: &Patch) -> Result<bool> {
        Ok(shell::answers(self.git_apply(patch).arg("--check")) && shell::answers(&mut self.git_apply(patch)))
    }

    pub(super) fn revert(&self, patch: &Patch) -> Result<()> {
        if !shell::answers(self.git_apply(patch).arg("--reverse")) {
            bail!("cannot take {} back; remove {} and start again", patch.name, self.tree.display());
        }
        Ok(())
    }

    /// Builds the test without running it.
    pub(super) fn build(&self, test: &TestCommand, log: &str) -> Result<Ended> {
        let mut command = self.cargo(test, log)?;
        shell::wait_within(BUILD_LIMIT, shell::start_group(command.arg("--no-run"))?)
    }

    /// Runs the test, built before.
    pub(super) fn run(&self, test: &TestCommand, log: &str, limit: Duration) -> Result<Ended> {
        let mut command = self.cargo(test, log)?;
        command.arg("--").args(&test.binary);
        shell::wait_within(limit, shell::start_group(&mut command)?)
    }

    pub(super) fn read_log(&self, log: &str) -> Result<String> {
        let path = self.logs.join(log);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn cargo(&self, test: &TestCommand, log: &str) -> Result<Command> {
        let path = self.logs.join(log);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("cannot write {}", path.display()))?;
        // Builds with other flags share nothing, and would push each other out of one folder.
        let flags: String = test.variable("RUSTFLAGS").chars().filter(char::is_ascii_alphanumeric).collect();
        let mut command = shell::cargo();
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", self.folder.join(format!("build-{flags}")))
            // The counterexample of a fault on purpose is neither kept nor worth the time to shrink.
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("INSTA_UPDATE", "no")
            .envs(test.variables.iter().map(|(key, value)| (key, value)))
            .args(&test.cargo)
            .stdout(log.try_clone()?)
            .stderr(log);
        if test.variable("RUSTFLAGS").contains("loom") && test.variable("LOOM_MAX_PREEMPTIONS").is_empty() {
            command.env("LOOM_MAX_PREEMPTIONS", "2");
        }
        Ok(command)
    }

    fn git_apply(&self, patch: &Patch) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(&self.tree)
            // The copy lies inside the repository. Did git notice, it would take the paths for ones
            // outside of the current folder, skip them all, and succeed.
            .env("GIT_CEILING_DIRECTORIES", &self.folder)
            .arg("apply")
            .arg(&patch.path);
        command
    }
}

/// Copies what git knows or would add; files that are equal stay untouched, so cargo sees no change.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    let wanted = listed(from)?;
    for path in &wanted {
        let source = from.join(path);
        let content = match fs::read(&source) {
            Ok(content) => content,
            // Deleted in the work tree and still in git's index.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", source.display())),
        };
        let target = to.join(path);
        if fs::read(&target).ok().as_ref() != Some(&content) {
            let parent = target.parent().expect("a file lies in a folder");
            fs::create_dir_all(parent)?;
            fs::write(&target, content).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    remove_others(to, Path::new(""), &wanted)
}

fn remove_others(root: &Path, folder: &Path, wanted: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(root, &path, wanted)?;
        } else if !wanted.contains(&path) {
            fs::remove_file(root.join(&path))?;
        }
    }
    Ok(())
}

fn listed(root: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut list = Command::new("git");
    list.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = shell::capture(&mut list)?;
    // A file deleted from the work tree is still in the index.
    let paths = names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(paths.filter(|path| root.join(path).exists()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_follows_the_tree_and_leaves_equal_files_alone() {
        let folder = workspace::target("tmp/xtask-mirror").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let (from, to) = (folder.join("from"), folder.join("to"));
        fs::create_dir_all(from.join("src")).unwrap();
        fs::create_dir_all(&to).unwrap();
        assert!(shell::answers(Command::new("git").current_dir(&from).arg("init")));
        fs::write(from.join("src/same.rs"), "same").unwrap();
        fs::write(from.join("src/gone.rs"), "gone").unwrap();
        mirror(&from, &to).unwrap();
        let before = fs::metadata(to.join("src/same.rs")).unwrap().modified().unwrap();

        fs::remove_file(from.join("src/gone.rs")).unwrap();
        fs::write(from.join("new.rs"), "new").unwrap();
        mirror(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("new.rs")).unwrap(), "new");
        assert!(!to.join("src/gone.rs").exists());
        assert_eq!(fs::metadata(to.join("src/same.rs")).unwrap().modified().unwrap(), before);
    }
}
