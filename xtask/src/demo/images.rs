//! `cargo xtask demo images`: image-pipeline on the photographs in the repository.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{shell, workspace};

/// Builds image-pipeline and runs it over real photographs; prints its report.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask demo images              the photographs in apps/image-pipeline/tests/data\n  \
    cargo xtask demo images ~/Pictures   your own; they are only read")]
pub(crate) struct Images {
    /// Files or folders; without any, the shipped photographs.
    pictures: Vec<PathBuf>,
    /// Inside of which width and height the results fit.
    #[arg(long, default_value = "400x400", value_name = "WxH")]
    fit: String,
}

/// The shipped photographs that differ from one another by more than how they are stored.
const PHOTOS: [&str; 8] = [
    "camera.png",
    "flower2.webp",
    "friends_by_Aitzol_Berasategi.jpg",
    "frozenpond.mpo",
    "grace_hopper.jpg",
    "hopper_orientation_6.jpg",
    "retina.jpg",
    "rocket.jpg",
];

// === impl Images ===

impl Images {
    pub(crate) fn run(self) -> Result<()> {
        let program = super::build("image-pipeline")?;
        let output = workspace::target("demo")?.join("small");
        // What an earlier demo made must not be taken for this one's.
        if output.exists() {
            fs::remove_dir_all(&output).with_context(|| format!("cannot remove {}", output.display()))?;
        }
        let pictures = if self.pictures.is_empty() {
            let folder = PathBuf::from("apps/image-pipeline/tests/data/photos");
            PHOTOS.map(|photo| folder.join(photo)).into()
        } else {
            self.pictures
        };
        let mut run = shell::program("image-pipeline");
        run.arg("run").args(&pictures).arg("--output").arg(&output);
        run.args(["--fit", &self.fit, "--memory", "256MB"]);
        println!("$ {}", shell::describe(&run));
        let status = Command::new(&program)
            .current_dir(workspace::root())
            .args(run.get_args())
            .status()
            .with_context(|| format!("cannot start {}", program.display()))?;
        println!("results: {}", workspace::shown(&output));
        anyhow::ensure!(status.success(), "image-pipeline ended with {status}");
        Ok(())
    }
}
