//! `cargo xtask loom`: the model checker over the queue's core, also under each discipline, and over the permits of a limit.

use std::time::Duration;

use anyhow::Result;

use crate::{shell, workspace};

/// With three threads, two preemptions each still end within minutes; without a bound some models take hours.
const MAX_PREEMPTIONS: &str = "2";

/// All models together; one that explodes must not hold CI for ever.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Where the models are: the package, and the test target that has them.
const MODELS: [(&str, &[&str]); 3] = [
    ("forebay-queue", &["--lib"]),
    ("forebay-flow", &["--test", "loom"]),
    ("forebay-priority", &["--test", "loom"]),
];

/// Runs the loom models of forebay-queue, forebay-flow and forebay-priority: every interleaving of small programs of two or
/// three threads.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "LOOM_MAX_PREEMPTIONS is 2 unless it is set; LOOM_LOG=1 prints what each thread does."
)]
pub(crate) struct Loom {
    /// Only models whose name contains this.
    filter: Option<String>,
}

// === impl Loom ===

impl Loom {
    /// Every model.
    pub(crate) fn all() -> Self {
        Self { filter: None }
    }

    pub(crate) fn run(self) -> Result<()> {
        for (package, target) in MODELS {
            let mut models = shell::cargo();
            models
                .env("RUSTFLAGS", "--cfg loom")
                // Other flags rebuild everything, so these builds keep a folder of their own.
                .env("CARGO_TARGET_DIR", workspace::target("loom")?)
                // Without tokio, which would have to be built for the model checker too.
                .args(["test", "-p", package, "--no-default-features", "--release"])
                .args(target);
            if std::env::var_os("LOOM_MAX_PREEMPTIONS").is_none() {
                models.env("LOOM_MAX_PREEMPTIONS", MAX_PREEMPTIONS);
            }
            models.args(["--", self.filter.as_deref().unwrap_or("loom")]);
            shell::run_within(LIMIT, &mut models)?;
        }
        Ok(())
    }
}
