//! A transcript in a document stands between two markers, with the command in the first:
//!
//! ````text
//! <!-- transcript: log-processor --version -->
//! ```console
//! $ log-processor --version
//! log-processor 0.1.0
//! ```
//! <!-- /transcript -->
//! ````
//!
//! `<!-- measured transcript: … -->` is for outputs that name times and rates: digits may differ there.
//! `UPDATE_TRANSCRIPTS=1 cargo test -p forebay-tests` writes what the programs print today.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const OPEN: &str = "transcript: ";
const CLOSE: &str = "<!-- /transcript -->";

#[test]
fn documents_show_what_programs_print() {
    let update = env::var_os("UPDATE_TRANSCRIPTS").is_some();
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        let refreshed = refresh(&document, output);
        if update {
            fs::write(&path, refreshed).unwrap();
        } else if document != refreshed {
            let difference =
                document.lines().zip(refreshed.lines()).find(|(shown, printed)| shown != printed);
            panic!(
                "{} differs from what its programs print, first here: {difference:#?}\n\
                 `UPDATE_TRANSCRIPTS=1 cargo test -p forebay-tests` mends it",
                path.display()
            );
        }
    }
}

#[test]
fn a_transcript_is_replaced_and_the_rest_stays() {
    let document =
        "before\n<!-- transcript: say 'a b' -->\n```console\n$ old\n```\n<!-- /transcript -->\nafter\n";
    let refreshed = refresh(document, |command| format!("printed by {command}\n"));
    assert_eq!(
        refreshed,
        "before\n<!-- transcript: say 'a b' -->\n```console\n$ say 'a b'\nprinted by say 'a b'\n```\n\
         <!-- /transcript -->\nafter\n"
    );
}

#[test]
fn only_a_measured_transcript_may_differ_in_its_digits() {
    let document = |kind| {
        format!(
            "<!-- {kind}transcript: t -->\n```console\n$ t\nlines  9 in 1.5 s\n```\n<!-- /transcript -->\n"
        )
    };
    let faster = |_: &str| "lines 10 in 0.25 s\n".to_owned();
    assert_eq!(refresh(&document("measured "), faster), document("measured "));
    assert_ne!(refresh(&document(""), faster), document(""));
    let other = |_: &str| "bytes 10 in 0.25 s\n".to_owned();
    assert_ne!(refresh(&document("measured "), other), document("measured "));
}

/// The document with each transcript as `output` has it now.
fn refresh(document: &str, output: impl Fn(&str) -> String) -> String {
    let mut refreshed = String::new();
    let mut lines = document.split_inclusive('\n');
    while let Some(line) = lines.next() {
        refreshed += line;
        let Some((command, measured)) = opens(line) else { continue };
        let shown: String = lines.by_ref().take_while(|line| line.trim_end() != CLOSE).collect();
        let printed = format!("```console\n$ {command}\n{}```\n", output(command));
        let same = measured && without_digits(&shown) == without_digits(&printed);
        refreshed += if same { &shown } else { &printed };
        refreshed += CLOSE;
        refreshed += "\n";
    }
    refreshed
}

/// The command of a line that opens a transcript, and whether its digits are measured.
fn opens(line: &str) -> Option<(&str, bool)> {
    let marker = line.trim_end().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    let (marker, measured) = match marker.strip_prefix("measured ") {
        Some(rest) => (rest, true),
        None => (marker, false),
    };
    Some((marker.strip_prefix(OPEN)?, measured))
}

/// Each number as one `#`, and columns that numbers push apart closed up.
fn without_digits(text: &str) -> String {
    let mut masked = String::new();
    for c in text.chars() {
        let c = if c.is_ascii_digit() || c == '.' { '#' } else { c };
        if !(matches!(c, '#' | ' ') && masked.ends_with(c)) {
            masked.push(c);
        }
    }
    masked
}

/// What the command prints on stdout, run in the root with our own programs in reach.
///
/// The release build, as the demo has it: the debug build is in use by other tests at this moment, with features
/// that a reader does not have.
fn output(command: &str) -> String {
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--package", "log-processor"])
        .current_dir(root())
        .status()
        .unwrap();
    assert!(build.success(), "log-processor must build");
    let target = target();
    let path = format!("{}:{}", target.join("release").display(), env::var("PATH").unwrap_or_default());
    let output =
        Command::new("sh").args(["-c", command]).current_dir(root()).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "`{command}` ended with {}", output.status);
    // A reader has the default folder; whoever runs this may have another.
    String::from_utf8(output.stdout).unwrap().replace(&target.display().to_string(), "target")
}

/// Where cargo builds: this program lies in `<target>/debug/deps`.
fn target() -> PathBuf {
    env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every document that a person reads first.
fn documents() -> Vec<PathBuf> {
    let folders =
        |parent: &str| fs::read_dir(root().join(parent)).unwrap().map(|entry| entry.unwrap().path());
    let mut candidates: Vec<PathBuf> = folders(".").chain(folders("docs")).collect();
    candidates.extend(folders("crates").chain(folders("apps")).map(|folder| folder.join("README.md")));
    candidates.retain(|path| path.extension().is_some_and(|extension| extension == "md") && path.exists());
    candidates
}
