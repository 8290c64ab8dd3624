//! Runs faults of a small package, from the healthy code to the outcomes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::outcome::{Outcome, Stale};
use super::outcomes;
use super::patch::Patch;
use super::scratch::Scratch;
use crate::{shell, workspace};

const TEST_NOT_GREEN: Outcome = Outcome::Stale(Stale::TestNotGreen);

/// `two` and `too` have the same lines.
const CODE: &str = "\
pub fn one() -> u32 {
    1
}

pub fn two() -> u32 {
    2
}

pub fn too() -> u32 {
    2
}

#[cfg(test)]
mod tests {
    #[test]
    fn one_is_one() {
        assert_eq!(super::one(), 1);
    }

    #[test]
    fn too_is_two() {
        assert_eq!(super::too(), 2);
    }

    #[test]
    fn two_is_three() {
        assert_eq!(super::two(), 3);
    }
}
";

#[test]
fn each_fault_has_its_outcome_and_healthy_code_is_built_once() {
    let folder = workspace::target("tmp/xtask-mutants").unwrap();
    let scratch = scratch(&folder);
    let fault = |name, test, change| fault(&folder, name, test, change);
    let cases = [
        (fault("red", "one_is_one", (2, "1", "3")), Outcome::Red),
        (fault("survives", "too_is_two", (2, "1", "3")), Outcome::Survived),
        (fault("red-before", "two_is_three", (2, "1", "3")), TEST_NOT_GREEN),
        (fault("red-before-too", "two_is_three", (2, "1", "3")), TEST_NOT_GREEN),
        (fault("no-test", "none", (2, "1", "3")), TEST_NOT_GREEN),
        // Taken back in reverse, it would change the lines that it is like.
        (fault("like-its-neighbours", "one_is_one", (9, "1", "2")), Outcome::Red),
        (fault("in-place", "too_is_two", (10, "2", "3")), Outcome::Red),
        (fault("in-place-elsewhere", "too_is_two", (6, "2", "3")), Outcome::Survived),
        (fault("astray", "too_is_two", (7, "2", "3")), Outcome::Stale(Stale::Ambiguous)),
        (fault("gone", "one_is_one", (2, "7", "3")), Outcome::Stale(Stale::DoesNotApply)),
        (fault("no-build", "one_is_one", (2, "1", "no")), Outcome::Stale(Stale::DoesNotBuild)),
        (fault("red-again", "one_is_one", (2, "1", "3")), Outcome::Red),
    ];
    let (patches, expected): (Vec<_>, Vec<_>) = cases.into_iter().unzip();
    assert_eq!(outcomes(&patches, &scratch).unwrap(), expected);
    assert_eq!(fs::read_to_string(folder.join("tree/src/lib.rs")).unwrap(), CODE);
    let logs =
        patches.iter().filter_map(|patch| scratch.read_log(&format!("{}.healthy.log", patch.name)).ok());
    let builds: usize = logs.map(|log| log.matches("Compiling small").count()).sum();
    assert_eq!(builds, 1);
}

/// A copy of the small package, in a new folder.
fn scratch(folder: &Path) -> Scratch {
    fs::remove_dir_all(folder).unwrap();
    let root = folder.join("root");
    fs::create_dir_all(root.join("src")).unwrap();
    assert!(shell::answers(Command::new("git").current_dir(&root).arg("init")));
    let manifest = "[package]\nname = \"small\"\nedition = \"2024\"\n[lib]\ndoctest = false\n[workspace]\n";
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::write(root.join("src/lib.rs"), CODE).unwrap();
    Scratch::of(&root, folder.to_owned()).unwrap()
}

/// A fault in one of the lines that are followed by a brace, and the line where it says it is.
fn fault(folder: &Path, name: &str, test: &str, (line, old, new): (usize, &str, &str)) -> Patch {
    let path = folder.join(format!("{name}.patch"));
    let text = format!(
        "# A fault.\n# test: cargo test --offline --lib -- tests::{test} --exact\n\
         --- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -{line},2 +{line},2 @@\n-    {old}\n+    {new}\n }}\n"
    );
    fs::write(&path, &text).unwrap();
    Patch::parse(&path, &text).unwrap()
}
