//! The sections of docs/benchmarks.md, each between two markers and owned by one bench.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::{Measurements, machine};

/// The section with all that a reader needs to judge the numbers, or to take them again.
pub(super) fn text(measurements: &Measurements, command: &str) -> Result<String> {
    let Measurements { title, body, versions, .. } = measurements;
    Ok(format!(
        "## {title}\n\n{body}\n\nTaken on {date} with `{command}`.\nMachine: {machine}.\nVersions: {compiler}, {versions}.\n",
        body = body.trim(),
        date = machine::today()?,
        machine = machine::description()?,
        compiler = machine::compiler()?,
        versions = versions.join(", "),
    ))
}

/// Puts the section in its place in the document.
pub(super) fn write(path: &Path, name: &str, text: &str) -> Result<()> {
    let document = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let document = replace(&document, name, text).with_context(|| format!("in {}", path.display()))?;
    fs::write(path, document).with_context(|| format!("cannot write {}", path.display()))
}

fn replace(document: &str, name: &str, text: &str) -> Result<String> {
    let (start, end) = (format!("<!-- bench:{name} -->"), format!("<!-- /bench:{name} -->"));
    let Some((before, rest)) = document.split_once(&start) else {
        return Ok(format!("{}\n\n{start}\n{text}{end}\n", document.trim_end()));
    };
    let Some((_, after)) = rest.split_once(&end) else {
        bail!("{start} has no {end}");
    };
    Ok(format!("{before}{start}\n{text}{end}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_where_it_stands() {
        let document = "# Numbers\n\n<!-- bench:a -->\nold\n<!-- /bench:a -->\n\n<!-- bench:b -->\nb\n<!-- /bench:b -->\n";
        assert_eq!(
            replace(document, "a", "new\n").unwrap(),
            "# Numbers\n\n<!-- bench:a -->\nnew\n<!-- /bench:a -->\n\n<!-- bench:b -->\nb\n<!-- /bench:b -->\n"
        );
    }

    #[test]
    fn a_new_section_comes_last() {
        assert_eq!(
            replace("# Numbers\n", "a", "new\n").unwrap(),
            "# Numbers\n\n<!-- bench:a -->\nnew\n<!-- /bench:a -->\n"
        );
    }

    #[test]
    fn half_a_section_is_refused() {
        assert!(replace("<!-- bench:a -->\nold\n", "a", "new\n").is_err());
    }
}
