//! One piece of a patch: the lines that it takes for others, and where it says they are.

use std::path::PathBuf;
use std::str::Lines;

use anyhow::{Context as _, Result, bail};

/// Lines that stand together, before the fault and with it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    /// From the root of the workspace.
    pub(super) file: PathBuf,
    before: Vec<String>,
    after: Vec<String>,
    /// Where `after` begins in the file when all of the patch is in place, from 1.
    line: usize,
}

// === impl Hunk ===

impl Hunk {
    /// All of a patch, as `git diff` writes it.
    pub(super) fn all(patch: &str) -> Result<Vec<Self>> {
        let mut hunks = Vec::new();
        let mut file = PathBuf::new();
        let mut lines = patch.lines();
        while let Some(line) = lines.next() {
            if let Some(path) = line.strip_prefix("--- a/").or_else(|| line.strip_prefix("+++ b/")) {
                file = PathBuf::from(path.trim_end());
            } else if let Some(header) = line.strip_prefix("@@ ") {
                hunks.push(
                    Self::read(file.clone(), header, &mut lines).with_context(|| format!("at {line}"))?,
                );
            }
        }
        Ok(hunks)
    }

    fn read(file: PathBuf, header: &str, lines: &mut Lines<'_>) -> Result<Self> {
        let [(_, old), (line, new)] = spans(header).context("not the header of a hunk")?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        while before.len() < old || after.len() < new {
            let line = lines.next().context("the hunk ends too early")?;
            let text = || line[1..].to_owned();
            match line.as_bytes().first() {
                Some(b' ') => {
                    before.push(text());
                    after.push(text());
                }
                Some(b'-') => before.push(text()),
                Some(b'+') => after.push(text()),
                // "No newline at end of file" is said of the line before.
                Some(b'\\') => {}
                _ => bail!("a line of the hunk begins with none of ' ', '-' and '+'"),
            }
        }
        Ok(Self { file, before, after, line })
    }

    /// Whether the healthy file has the lines more than once, so that git may take one place for another.
    pub(super) fn is_ambiguous(&self, text: &str) -> bool {
        let lines: Vec<_> = text.lines().collect();
        // A file that the patch creates has no lines before.
        let width = self.before.len().max(1);
        lines.windows(width).filter(|window| **window == self.before[..]).count() > 1
    }

    /// Whether the file with the fault has it exactly where the hunk says.
    pub(super) fn is_in_place(&self, text: &str) -> bool {
        let mut lines = text.lines().skip(self.line.saturating_sub(1));
        self.after.iter().all(|line| lines.next() == Some(line))
    }
}

/// Where the lines begin and how many there are, before the fault and with it: `-12,3 +12,4 @@ …`.
fn spans(header: &str) -> Option<[(usize, usize); 2]> {
    let mut words = header.split(' ');
    let old = span(words.next()?.strip_prefix('-')?)?;
    let new = span(words.next()?.strip_prefix('+')?)?;
    Some([old, new])
}

fn span(word: &str) -> Option<(usize, usize)> {
    let (line, count) = word.split_once(',').unwrap_or((word, "1"));
    Some((line.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWINS: &str = "fn a() {\n    x();\n}\n\nfn b() {\n    x();\n}\n";

    fn hunk(header: &str) -> Hunk {
        let patch =
            format!("# A fault.\n--- a/src/lib.rs\n+++ b/src/lib.rs\n{header}\n-    x();\n+    y();\n }}\n");
        Hunk::all(&patch).unwrap().pop().unwrap()
    }

    #[test]
    fn lines_that_are_there_twice_are_ambiguous() {
        let hunk = hunk("@@ -6,2 +6,2 @@");
        assert_eq!(hunk.file, PathBuf::from("src/lib.rs"));
        assert!(hunk.is_ambiguous(TWINS));
        assert!(!hunk.is_ambiguous("fn a() {\n    x();\n}\n\nfn b() {\n    y();\n}\n"));
        assert!(!hunk.is_ambiguous(""));
    }

    #[test]
    fn only_the_line_that_is_named_is_the_place() {
        let (first, second) =
            (TWINS.replacen("x", "y", 1), "fn a() {\n    x();\n}\n\nfn b() {\n    y();\n}\n");
        assert!(hunk("@@ -2,2 +2,2 @@ fn a() {").is_in_place(&first));
        assert!(!hunk("@@ -2,2 +2,2 @@ fn a() {").is_in_place(second));
        assert!(hunk("@@ -6,2 +6,2 @@ fn b() {").is_in_place(second));
        assert!(!hunk("@@ -7,2 +7,2 @@ fn b() {").is_in_place(second));
    }

    #[test]
    fn each_hunk_of_each_file_is_read() {
        let hunks = Hunk::all(
            "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1 +1,2 @@\n a\n+--- a/none\n@@ -5,2 +6 @@ fn f()\n--- x\n b\n\
             --- a/b\n+++ b/b\n@@ -2 +2 @@\n-x\n\\ No newline at end of file\n+y\n\\ No newline at end of file\n",
        )
        .unwrap();
        let told: Vec<_> = hunks
            .iter()
            .map(|hunk| (hunk.file.to_str().unwrap(), hunk.line, hunk.before.join("|"), hunk.after.join("|")))
            .collect();
        let told: Vec<_> = told.iter().map(|(f, line, b, a)| (*f, *line, b.as_str(), a.as_str())).collect();
        assert_eq!(told, [("a", 1, "a", "a|--- a/none"), ("a", 6, "-- x|b", "b"), ("b", 2, "x", "y")]);
    }

    #[test]
    fn what_is_no_hunk_is_refused() {
        for (text, complaint) in [
            ("@@ what @@\n", "not the header"),
            ("@@ -1,2 +1,2 @@\n a\n", "ends too early"),
            ("@@ -1,2 +1,2 @@\n a\nb\n", "begins with none"),
        ] {
            let error = format!("{:#}", Hunk::all(text).unwrap_err());
            assert!(error.contains(complaint), "{text:?}: {error}");
        }
    }
}
