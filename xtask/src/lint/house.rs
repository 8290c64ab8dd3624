//! House rules that a few lines can check; CONTRIBUTING.md has their reasons.
//!
//! - Each dependency says in a comment above it why it is there.
//! - No test is ignored: it holds, or it is not there.
//! - No drawer for everything (`util`, `common`): a file owns one idea.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::workspace::{Metadata, shown};

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 5] = ["util", "utils", "common", "misc", "helpers"];

/// Every breach of a house rule in the members, as `path:line: what`.
pub(super) fn problems(metadata: &Metadata) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let manifest = read(&package.manifest_path)?;
        problems.extend(located(&package.manifest_path, uncommented_dependencies(&manifest)));
        for path in rust_files(package.folder())? {
            problems.extend(drawer(&path));
            problems.extend(located(&path, ignored_tests(&read(&path)?)));
        }
    }
    Ok(problems)
}

/// Lines of a manifest that name a dependency without a comment above it.
fn uncommented_dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut in_dependencies, mut previous) = (false, "");
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            in_dependencies = line.trim_end().ends_with("dependencies]");
        } else if in_dependencies && !previous.starts_with('#') {
            // Continued lists are indented, so only the first line of an entry begins with its name.
            let name: String =
                line.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
            if !name.is_empty() {
                found.push((number + 1, format!("{name} needs a comment above it: why is it there?")));
            }
        }
        previous = line;
    }
    found
}

/// Lines with an attribute that keeps a test from running.
fn ignored_tests(source: &str) -> Vec<(usize, String)> {
    let is_ignore = |line: &str| {
        let attribute = line.trim_start().strip_prefix("#[").unwrap_or_default();
        attribute.starts_with("ignore]") || attribute.starts_with("ignore =")
    };
    let lines = source.lines().enumerate().filter(|(_, line)| is_ignore(line));
    lines.map(|(number, _)| (number + 1, "an ignored test: mend it or remove it".to_owned())).collect()
}

fn drawer(path: &Path) -> Option<String> {
    let names = [path.file_stem(), path.parent().and_then(Path::file_name)];
    let name = names.into_iter().flatten().find(|name| DRAWERS.iter().any(|drawer| name == drawer))?;
    Some(format!("{}: `{}` is a drawer for everything: name the idea", shown(path), name.display()))
}

/// The Rust files below `folder`, in order, without those of other packages inside it.
pub(super) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder_now) = folders.pop() {
        if folder_now != folder && folder_now.join("Cargo.toml").exists() {
            continue;
        }
        let entries =
            fs::read_dir(&folder_now).with_context(|| format!("cannot list {}", shown(&folder_now)))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn located(path: &Path, found: Vec<(usize, String)>) -> impl Iterator<Item = String> {
    found.into_iter().map(move |(line, what)| format!("{}:{line}: {what}", shown(path)))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dependency_needs_a_comment_of_its_own() {
        let manifest = "[package]\nname = \"a\"\n\n[dependencies]\n# Why.\ngood = \"1\"\nbad = { version = \"1\", \
                        features = [\n    \"x\",\n] }\n\n[target.\"cfg(loom)\".dev-dependencies]\nworse.workspace = true\n\
                        \n[features]\nfree = []\n";
        let found = uncommented_dependencies(manifest);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [7, 12]);
        assert!(found[1].1.starts_with("worse needs a comment"));
    }

    #[test]
    fn an_ignored_test_is_found_with_and_without_a_reason() {
        let source =
            "#[test]\n#[ignore]\nfn a() {}\n    #[ignore = \"slow\"]\n// #[ignore] in a comment is none\n";
        assert_eq!(ignored_tests(source).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn a_drawer_is_found_as_a_file_and_as_a_folder() {
        assert!(drawer(Path::new("crates/a/src/util.rs")).is_some());
        assert!(drawer(Path::new("crates/a/tests/common/mod.rs")).is_some());
        assert!(drawer(Path::new("crates/a/src/common_prefix.rs")).is_none());
    }
}
