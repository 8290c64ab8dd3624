//! A copy of the tree to break, kept between runs so that little is built again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

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

/// What came of a patch.
#[derive(Debug)]
pub(super) enum Applied {
    /// It is in its place; [`Scratch::revert`] takes it back.
    There(Healthy),
    /// Its lines are in the file more than once, and not where it says: nobody knows which are meant.
    Ambiguous,
    /// Its lines are not there.
    No,
}

/// What the files of a patch were before it. None: there was no such file.
///
/// They are written back, and the patch is not applied in reverse: the lines that it made may stand
/// elsewhere in the file, too, and would be taken for its own.
#[derive(Debug)]
pub(super) struct Healthy(BTreeMap<PathBuf, Option<String>>);

// === impl Scratch ===

impl Scratch {
    /// Brings the copy in line with the work tree as it is now, with what is not committed yet.
    pub(super) fn create() -> Result<Self> {
        Self::of(workspace::root(), workspace::target("mutants")?)
    }

    /// A copy of the tree at `root`, in `folder`.
    pub(super) fn of(root: &Path, folder: PathBuf) -> Result<Self> {
        let (tree, logs) = (folder.join("tree"), folder.join("logs"));
        for needed in [&tree, &logs] {
            fs::create_dir_all(needed).with_context(|| format!("cannot create {}", needed.display()))?;
        }
        mirror(root, &tree)?;
        Ok(Self { folder, tree, logs })
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    /// Applies the patch, if git can, and if it can be meant for one place only.
    pub(super) fn apply(&self, patch: &Patch) -> Result<Applied> {
        let healthy = self.files_of(patch)?;
        if !shell::answers(self.git_apply(patch).arg("--check"))
            || !shell::answers(&mut self.git_apply(patch))
        {
            return Ok(Applied::No);
        }
        let broken = self.files_of(patch)?;
        let is_astray = patch.hunks.iter().any(|hunk| {
            hunk.is_ambiguous(healthy.text(&hunk.file)) && !hunk.is_in_place(broken.text(&hunk.file))
        });
        if is_astray {
            self.revert(&healthy)?;
            return Ok(Applied::Ambiguous);
        }
        Ok(Applied::There(healthy))
    }

    pub(super) fn revert(&self, healthy: &Healthy) -> Result<()> {
        for (file, content) in &healthy.0 {
            let path = self.tree.join(file);
            let done = match content {
                Some(content) => fs::write(&path, content),
                None => fs::remove_file(&path),
            };
            done.with_context(|| format!("cannot make {} healthy again", path.display()))?;
        }
        Ok(())
    }

    fn files_of(&self, patch: &Patch) -> Result<Healthy> {
        let files = patch.hunks.iter().map(|hunk| {
            let path = self.tree.join(&hunk.file);
            let content = match fs::read_to_string(&path) {
                Ok(content) => Some(content),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            };
            Ok((hunk.file.clone(), content))
        });
        Ok(Healthy(files.collect::<Result<_>>()?))
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

// === impl Healthy ===

impl Healthy {
    /// Nothing, where there was no such file.
    fn text(&self, file: &Path) -> &str {
        self.0.get(file).and_then(Option::as_deref).unwrap_or_default()
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
