//! Each crate alone, without features, and with each of its features alone.
//!
//! In a build of the whole workspace one crate's features switch on code that another forgot to ask
//! for; a user who takes a single crate from the registry is the first to notice.
//!
//! Each combination is tried twice: the library by itself, as that user builds it, and with its tests and examples, whose
//! dependencies may switch on what the library forgot. The programs have nothing but a feature for their own tests, and
//! what these need is built for minutes: there the first is enough.

use crate::workspace::Metadata;

/// The arguments of one cargo call for each combination, crates in the order of the metadata.
pub(super) fn alone(metadata: &Metadata) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for package in &metadata.packages {
        let call = |more: &[&str]| {
            ["--package", &package.name].iter().chain(more).map(|&argument| argument.to_owned()).collect()
        };
        let is_library = package.folder().parent().is_some_and(|parent| parent.ends_with("crates"));
        calls.push(call(&[]));
        let mut call_both = |features: &[&str]| {
            calls.push(call(features));
            if is_library {
                calls.push(call(&[features, &["--all-targets"]].concat()));
            }
        };
        if !package.features.is_empty() {
            call_both(&["--no-default-features"]);
        }
        for feature in package.features.keys().filter(|&feature| feature != "default") {
            call_both(&["--no-default-features", "--features", feature]);
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_each_feature_are_tried_alone() {
        let metadata = Metadata::parse(
            r#"{ "target_directory": "/w/target", "packages": [
                { "name": "plain", "manifest_path": "/w/plain/Cargo.toml", "features": {}, "dependencies": [] },
                { "name": "rich", "manifest_path": "/w/crates/rich/Cargo.toml", "dependencies": [],
                  "features": { "default": ["a"], "a": [], "b": [] } },
                { "name": "program", "manifest_path": "/w/apps/program/Cargo.toml", "dependencies": [],
                  "features": { "faults": [] } } ] }"#,
        )
        .unwrap();
        let calls: Vec<_> = alone(&metadata).iter().map(|call| call.join(" ")).collect();
        assert_eq!(
            calls,
            [
                "--package plain",
                "--package rich",
                "--package rich --no-default-features",
                "--package rich --no-default-features --all-targets",
                "--package rich --no-default-features --features a",
                "--package rich --no-default-features --features a --all-targets",
                "--package rich --no-default-features --features b",
                "--package rich --no-default-features --features b --all-targets",
                "--package program",
                "--package program --no-default-features",
                "--package program --no-default-features --features faults",
            ]
        );
    }
}
