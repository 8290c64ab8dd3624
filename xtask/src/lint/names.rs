//! forebay-queue and forebay-flow meet disciplines through their trait, and name none of those that forebay-priority has.
//!
//! The direction of dependencies cannot hold that: a name in a comment, or a special case for one order, needs no dependency.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::house::rust_files;
use crate::workspace::{Metadata, shown};

/// Who must not name one.
const STRANGERS: [&str; 2] = ["forebay-queue", "forebay-flow"];

/// Every place where one of them does, as `path:line: what`.
pub(super) fn problems(metadata: &Metadata) -> Result<Vec<String>> {
    let folder_of = |name: &str| {
        let package = metadata.packages.iter().find(|package| package.name == name);
        package
            .with_context(|| format!("{name} is not in the workspace"))
            .map(|package| package.folder().join("src"))
    };
    let mut disciplines = Vec::new();
    for path in rust_files(&folder_of("forebay-priority")?)? {
        disciplines.extend(disciplines_of(&read(&path)?));
    }
    let mut problems = Vec::new();
    for stranger in STRANGERS {
        for path in rust_files(&folder_of(stranger)?)? {
            let named = names(&read(&path)?, &disciplines);
            problems.extend(named.into_iter().map(|(line, what)| format!("{}:{line}: {what}", shown(&path))));
        }
    }
    Ok(problems)
}

/// The types for which a source implements the trait.
fn disciplines_of(source: &str) -> Vec<String> {
    let implementations = source.lines().filter(|line| line.starts_with("impl"));
    let types = implementations.filter_map(|line| line.split_once(" Discipline for ").map(|(_, rest)| rest));
    types.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect()).collect()
}

/// Lines that have one of these as a word.
fn names(source: &str, disciplines: &[String]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, line) in source.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| disciplines.iter().any(|discipline| discipline == word)) {
            found.push((
                at + 1,
                format!("{word} is forebay-priority's, and this crate knows no discipline but `Fifo`"),
            ));
        }
    }
    found
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", shown(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disciplines_are_found_where_the_trait_is_implemented() {
        let source = "impl Discipline for Strict {\n    // impl\n}\nimpl<I: Discipline + Clone> Discipline for Nested<I> {\n}\n\
                      impl<I: Discipline> Nested<I> {}\n";
        assert_eq!(disciplines_of(source), ["Strict", "Nested"]);
    }

    #[test]
    fn a_discipline_is_found_by_its_whole_name() {
        let disciplines = ["Strict".to_owned()];
        let source = "// Stricter\nlet strict = 1;\n/// As `Strict` does.\n";
        assert_eq!(names(source, &disciplines).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3]);
    }
}
