//! `cargo xtask sheet`: the contact sheet of image-pipeline.

use anyhow::Result;

use crate::shell;

/// Makes apps/image-pipeline/docs/sheet.jpg anew, for a person to look at.
///
/// A test compares each of its cells with a reference.
#[derive(Debug, clap::Args)]
pub(crate) struct Sheet {}

// === impl Sheet ===

impl Sheet {
    pub(crate) fn run(self) -> Result<()> {
        let sheet = ["run", "--quiet", "--package", "image-pipeline", "--example", "sheet", "--"];
        shell::run(shell::cargo().args(sheet).arg("apps/image-pipeline/docs/sheet.jpg"))
    }
}
