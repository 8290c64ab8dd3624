//! `cargo xtask bench`: comparisons with peers, and the only place that published numbers come from.
//!
//! Contenders run interleaved (A B C A B C …): a machine that slows down for a minute slows all of
//! them. Each run does a fixed amount of work, in a process of its own.

mod api;
mod flow;
mod images;
mod logs;
mod machine;
mod pool;
mod pool_keys;
mod priority;
mod program;
mod queue;
mod section;
mod statistics;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::workspace;

/// Compares Forebay with its peers and writes the result to docs/benchmarks.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask bench queue              some minutes on a machine that does nothing else\n  \
    cargo xtask bench logs --quick       a first look; docs/benchmarks.md stays as it is\n\n\
    A peer that is not there leaves its goal `not measured`; `cargo xtask tools` fetches peers.")]
pub(crate) struct Bench {
    #[arg(value_enum)]
    name: Name,
    /// Less work and fewer rounds, and only print.
    #[arg(long)]
    quick: bool,
    /// Write every single measurement here, as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What can be compared.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Name {
    /// forebay-queue, tokio mpsc, async-channel, crossfire and kanal.
    Queue,
    /// forebay-pool, loops of one's own, tasks for each item, ractor and rayon.
    Pool,
    /// forebay-priority, its queue without an order, async-priority-channel, ractor and what one writes by hand.
    Priority,
    /// forebay-flow's limits and rates, tower::limit, tokio's semaphore, governor and tower-resilience.
    Flow,
    /// log-processor, rsyslog, grep and cat on 330 MB of real lines.
    Logs,
    /// image-pipeline, sharp and vipsthumbnail on photographs.
    Images,
    /// api-client, p-queue, bottleneck, aiolimiter and curl, against a server with a limit.
    Api,
}

/// The outcome of one comparison.
#[derive(Debug)]
struct Measurements {
    title: &'static str,
    /// What was measured on what, then tables and goals, in Markdown.
    body: String,
    /// Peers and tools with their versions.
    versions: Vec<String>,
    /// Every single measurement.
    raw: serde_json::Value,
}

// === impl Bench ===

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        let measurements = match self.name {
            Name::Queue => queue::measure(self.quick)?,
            Name::Pool => pool::measure(self.quick)?,
            Name::Priority => priority::measure(self.quick)?,
            Name::Flow => flow::measure(self.quick)?,
            Name::Logs => logs::measure(self.quick)?,
            Name::Images => images::measure(self.quick)?,
            Name::Api => api::measure(self.quick)?,
        };
        let command =
            format!("cargo xtask bench {}{}", self.name.word(), if self.quick { " --quick" } else { "" });
        let text = section::text(&measurements, &command)?;
        println!("\n{text}");
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(&measurements.raw)?;
            fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if !self.quick {
            let path = workspace::root().join("docs/benchmarks.md");
            section::write(&path, self.name.word(), &text)?;
            println!("written to {}", workspace::shown(&path));
        }
        Ok(())
    }
}

// === impl Name ===

impl Name {
    /// As a person types it.
    fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Pool => "pool",
            Self::Priority => "priority",
            Self::Flow => "flow",
            Self::Logs => "logs",
            Self::Images => "images",
            Self::Api => "api",
        }
    }
}
