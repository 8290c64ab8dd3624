//! One deliberate fault: what it is, which test must see it, and the change itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::hunk::Hunk;

/// A patch file, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Patch {
    pub(super) path: PathBuf,
    /// The file's name without its ending.
    pub(super) name: String,
    /// One sentence.
    pub(super) fault: String,
    pub(super) test: TestCommand,
    /// The change.
    pub(super) hunks: Vec<Hunk>,
}

/// `[VARIABLE=value …] cargo test [selection …] [-- filter …]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestCommand {
    pub(super) variables: Vec<(String, String)>,
    /// What follows `cargo`, up to `--`.
    pub(super) cargo: Vec<String>,
    /// What follows `--`, for the test binary.
    pub(super) binary: Vec<String>,
}

// === impl Patch ===

impl Patch {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(path, &text).with_context(|| format!("in {}", path.display()))
    }

    pub(super) fn parse(path: &Path, text: &str) -> Result<Self> {
        let header = text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let (tests, faults): (Vec<_>, Vec<_>) = header.partition(|line| line.starts_with("test:"));
        let fault = faults.join(" ");
        if fault.is_empty() {
            bail!("the first line must say what the fault is: `# <one sentence>`");
        }
        let [test] = tests.as_slice() else {
            bail!("there must be one line `# test: cargo test …`, there are {}", tests.len());
        };
        Ok(Self {
            path: path.to_owned(),
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            fault,
            test: TestCommand::parse(test.trim_start_matches("test:"))?,
            hunks: Hunk::all(text)?,
        })
    }
}

// === impl TestCommand ===

impl TestCommand {
    fn parse(line: &str) -> Result<Self> {
        let mut words = split(line)?.into_iter().peekable();
        let mut variables = Vec::new();
        while let Some((key, value)) = words.peek().and_then(|word| word.split_once('=')) {
            variables.push((key.to_owned(), value.to_owned()));
            words.next();
        }
        if words.next().as_deref() != Some("cargo") || words.peek().map(String::as_str) != Some("test") {
            bail!("the test command must be `cargo test …`, with variables before it at most");
        }
        let mut cargo: Vec<_> = words.collect();
        let binary = match cargo.iter().position(|word| word == "--") {
            Some(at) => cargo.split_off(at).split_off(1),
            None => Vec::new(),
        };
        Ok(Self { variables, cargo, binary })
    }

    /// The value a variable is set to; empty when it is not.
    pub(super) fn variable(&self, name: &str) -> &str {
        self.variables.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Words as a shell splits them, with single and double quotes and nothing else.
fn split(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        bail!("a quote is not closed");
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Patch> {
        Patch::parse(Path::new("mutants/queue-drops.patch"), text)
    }

    #[test]
    fn the_header_names_the_fault_and_the_test() {
        let patch = parse(
            "# The grant is not passed on.\n# test: RUSTFLAGS=\"--cfg loom\" cargo test -p a --lib loom -- x --exact\n\
             diff --git a/a b/a\n# not a header\n",
        )
        .unwrap();
        assert_eq!(patch.name, "queue-drops");
        assert_eq!(patch.fault, "The grant is not passed on.");
        assert_eq!(patch.test.variable("RUSTFLAGS"), "--cfg loom");
        assert_eq!(patch.test.cargo, ["test", "-p", "a", "--lib", "loom"]);
        assert_eq!(patch.test.binary, ["x", "--exact"]);
    }

    #[test]
    fn a_header_without_a_fault_or_a_test_is_refused() {
        for (text, complaint) in [
            ("# test: cargo test\n", "what the fault is"),
            ("# A fault.\ndiff --git\n", "there are 0"),
            ("# A fault.\n# test: cargo run\n", "must be `cargo test"),
            ("# A fault.\n# test: cargo test 'a\n", "quote is not closed"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(complaint), "{text:?}: {error}");
        }
    }
}
