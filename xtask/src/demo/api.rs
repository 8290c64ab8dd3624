//! `cargo xtask demo api`: api-client finds the limit of a server that does not tell it.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::nginx::{Limit, Nginx};
use crate::{shell, tools, workspace};

/// Builds api-client and lets it find the limit of an nginx that was started for it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask demo api                  600 requests, at 50 a second and a burst of 10\n  \
    cargo xtask demo api --limit 200      another limit")]
pub(crate) struct Api {
    /// How many requests a second nginx allows.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(5..=1000))]
    limit: u32,
    /// How many requests are sent in all.
    #[arg(long, default_value_t = 600, value_name = "N")]
    requests: u32,
}

/// How far the limit that is found may be from the one that is set, as a part of it.
const FAR: f64 = 0.1;
/// How many nginx takes at once.
const BURST: u32 = 10;

/// The part of api-client's report that is shown.
#[derive(Debug, Deserialize)]
struct Report {
    answered: u64,
    refused: u64,
    seconds: f64,
    hosts: Vec<Host>,
}

#[derive(Debug, Deserialize)]
struct Host {
    limit: Option<f64>,
}

// === impl Api ===

impl Api {
    pub(crate) fn run(self) -> Result<()> {
        tools::fetch_nginx()?;
        let program = super::build("api-client")?;
        let folder = workspace::target("demo/api")?;
        let nginx = Nginx::start(&folder, Some(Limit { rate: self.limit, burst: BURST }))?;
        let urls: String = (0..self.requests).map(|n| format!("{}?n={n}\n", nginx.url())).collect();
        fs::write(folder.join("urls"), urls)?;
        // What an earlier demo got is not to be taken for this one's, and api-client would not write over it.
        let _ = fs::remove_file(folder.join("results.jsonl"));

        let mut run = shell::program("api-client");
        run.args([
            "fetch",
            "--urls",
            "urls",
            "--jsonl",
            "results.jsonl",
            "--rate",
            "auto",
            "--report",
            "json",
        ]);
        println!("$ {}", shell::describe(&run));
        let output = Command::new(&program)
            .current_dir(&folder)
            .args(run.get_args())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let report: Report = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("no report of api-client, which ended with {}", output.status))?;
        let answers = nginx.answers()?;

        let found = report.hosts.first().and_then(|host| host.limit);
        print!("{}", self.shown(&report, found));
        println!("results: {}", workspace::shown(&folder.join("results.jsonl")));
        ensure!(output.status.success(), "api-client ended with {}", output.status);
        ensure!(
            report.answered == u64::from(self.requests) && answers.answered == report.answered,
            "{} of {} requests were answered, and nginx says {}",
            report.answered,
            self.requests,
            answers.answered
        );
        ensure!(
            answers.refused == report.refused,
            "api-client counts {} refusals, and nginx says {}",
            report.refused,
            answers.refused
        );
        let found = found.context("no limit was found: more requests are needed to meet it")?;
        ensure!(self.part_off(found) <= FAR, "what was found is more than {:.0} % off", 100.0 * FAR);
        Ok(())
    }

    fn part_off(&self, found: f64) -> f64 {
        (found / f64::from(self.limit) - 1.0).abs()
    }

    fn shown(&self, report: &Report, found: Option<f64>) -> String {
        let Self { limit, requests } = *self;
        let found = found.map_or_else(
            || "none".to_owned(),
            |found| format!("{found:.1} a second, {:.1} % off", 100.0 * self.part_off(found)),
        );
        // What comes first is taken from the burst.
        let ideal = f64::from(requests.saturating_sub(BURST)) / f64::from(limit);
        format!(
            "\nlimit set    {limit} a second, with a burst of {BURST}\nlimit found  {found}\nanswered     {} of {requests} in {:.1} s; ideal is {ideal:.1} s\nrefused      {}, each sent again\n",
            report.answered, report.seconds, report.refused,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_shown_beside_what_was_set() {
        let api = Api { limit: 50, requests: 600 };
        let report = Report { answered: 600, refused: 2, seconds: 12.5, hosts: Vec::new() };
        let expected = "
limit set    50 a second, with a burst of 10
limit found  47.5 a second, 5.0 % off
answered     600 of 600 in 12.5 s; ideal is 11.8 s
refused      2, each sent again
";
        assert_eq!(api.shown(&report, Some(47.5)), expected);
        assert!(api.part_off(55.1) > FAR && api.part_off(45.5) < FAR);
    }
}
