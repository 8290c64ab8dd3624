//! `bench api`: many requests to a server with a limit, beside what people use for it.
//!
//! The server is nginx, and what it refused is counted from its log, not from what a client says of itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;

use super::{Measurements, machine, statistics::Spread};
use crate::nginx::{Limit, Nginx};
use crate::{demo, shell, tools, workspace};

const OURS: &str = "api-client";
const CURL: &str = "curl -Z";
const ROUNDS: usize = 3;
/// Where there is no limit a run takes less than a second, and three of them say little.
const SHORT_ROUNDS: usize = 9;
/// Each contender is looked at so often; a run takes at least a hundred times as long.
const POLL: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(120);

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "known",
        title: "the limit is known",
        requests: 600,
        limit: Some(Limit { rate: 50, burst: 10 }),
        cut: None,
        is_known: true,
        most_of_ideal: 1.02,
        most_refused: 0,
    },
    Scenario {
        name: "unknown",
        title: "the limit is not known",
        requests: 600,
        limit: Some(Limit { rate: 50, burst: 10 }),
        cut: None,
        is_known: false,
        most_of_ideal: 1.15,
        most_refused: 3,
    },
    Scenario {
        name: "cut",
        title: "the limit is not known, and is cut",
        requests: 500,
        limit: Some(Limit { rate: 60, burst: 10 }),
        cut: Some((Duration::from_secs(5), Limit { rate: 20, burst: 10 })),
        is_known: false,
        most_of_ideal: 1.25,
        most_refused: 10,
    },
    Scenario {
        name: "none",
        title: "there is no limit, which is not known",
        requests: 20_000,
        limit: None,
        cut: None,
        is_known: false,
        most_of_ideal: f64::INFINITY,
        most_refused: 0,
    },
];
const SCRIPTED: &[Scripted] = &[
    Scripted {
        package: "p-queue",
        script: "api-p-queue.mjs",
        interpreter: tools::node,
        takes_part: |scenario| scenario.limit.is_some(),
    },
    Scripted {
        package: "bottleneck",
        script: "api-bottleneck.mjs",
        interpreter: tools::node,
        takes_part: |scenario| scenario.is_known,
    },
    Scripted {
        package: "aiolimiter",
        script: "api-aiolimiter.py",
        interpreter: tools::python,
        takes_part: |scenario| scenario.is_known,
    },
];
/// At least so much of curl's rate where there is no limit.
const CURL_GOAL: f64 = 0.9;

struct Scenario {
    name: &'static str,
    title: &'static str,
    requests: u64,
    limit: Option<Limit>,
    /// After so long there is another limit.
    cut: Option<(Duration, Limit)>,
    /// Whether clients are told the limit.
    is_known: bool,
    most_of_ideal: f64,
    most_refused: u64,
}

/// What a run is about.
struct Job<'a> {
    scenario: &'a Scenario,
    url: &'a str,
    folder: &'a Path,
}

/// How a contender is started for a run.
type Start = Box<dyn Fn(&Job<'_>) -> Result<Command>>;

/// A peer that is used by a script of crates/forebay-bench/peers.
struct Scripted {
    package: &'static str,
    script: &'static str,
    interpreter: fn(&str, &str) -> Result<Command>,
    takes_part: fn(&Scenario) -> bool,
}

struct Contender {
    name: &'static str,
    version: String,
    /// In which scenarios.
    takes_part: fn(&Scenario) -> bool,
    start: Start,
    /// How many requests were answered, from what it printed.
    answered: fn(&str) -> Result<u64>,
}

#[derive(Debug)]
struct Run {
    seconds: f64,
    answered: u64,
    refused: u64,
}

/// What the scripts of the peers print.
#[derive(Deserialize)]
struct Printed {
    answered: u64,
}

/// The part of api-client's report that is read.
#[derive(Deserialize)]
struct Report {
    by_status: BTreeMap<String, u64>,
}

fn rounds(is_limited: bool, quick: bool) -> usize {
    match (quick, is_limited) {
        (true, _) => 1,
        (false, true) => ROUNDS,
        (false, false) => SHORT_ROUNDS,
    }
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let folder = workspace::target("bench/api")?;
    let contenders = contenders()?;
    let mut raw = Vec::new();
    let mut body = format!(
        "GETs of one small file from nginx on the same machine, which refuses with 429 what is too fast (`limit_req`). \
         Refusals are counted from its log.\n\
         {} rounds, and {} where there is no limit, contenders interleaved; median (min-max). *Ideal* is the least time in which the server \
         answers so many.\n",
        rounds(true, quick),
        rounds(false, quick),
    );
    for scenario in SCENARIOS {
        let taking_part: Vec<_> =
            contenders.iter().filter(|contender| (contender.takes_part)(scenario)).collect();
        let mut runs: Vec<Vec<Run>> = taking_part.iter().map(|_| Vec::new()).collect();
        let rounds = rounds(scenario.limit.is_some(), quick);
        println!("{}: {} requests, {rounds} rounds", scenario.title, scenario.requests);
        for _ in 0..rounds {
            for (contender, runs) in taking_part.iter().zip(&mut runs) {
                let run = contender.run(scenario, &folder)?;
                println!(
                    "{:<12} {:>7.2} s, {:>5} answered, {:>5} refused",
                    contender.name, run.seconds, run.answered, run.refused
                );
                runs.push(run);
            }
        }
        body += &scenario.section(&taking_part, &runs);
        raw.push(scenario.raw(&taking_part, &runs));
    }
    let nginx = shell::capture(
        Command::new("sh").arg("-c").arg("exec \"$0\" -v 2>&1").arg(tools::nginx()?.get_program()),
    )?;
    Ok(Measurements {
        title: "api: many requests to a server with a limit",
        body,
        versions: contenders
            .into_iter()
            .map(|contender| contender.version)
            .chain([nginx.trim().trim_start_matches("nginx version: ").to_owned()])
            .collect(),
        raw: json!(raw),
    })
}

/// Ours, and those peers that are there.
fn contenders() -> Result<Vec<Contender>> {
    let program = demo::build(OURS)?;
    let mut contenders = vec![Contender {
        name: OURS,
        version: machine::version(Command::new(&program).arg("--version"))?,
        takes_part: |_| true,
        start: Box::new(move |job| {
            let mut command = Command::new(&program);
            command.args(["fetch", "--report", "json", "--urls"]).arg(job.list()?);
            command.arg("--jsonl").arg(job.fresh("results.jsonl")?);
            match job.known() {
                Some(Limit { rate, burst }) => {
                    command.arg("--rate").arg(format!("{rate}/s")).arg("--burst").arg(burst.to_string())
                }
                None => command.args(["--rate", "auto"]),
            };
            Ok(command)
        }),
        answered: |printed| {
            let report: Report = serde_json::from_str(printed)?;
            Ok(report.by_status.get("200").copied().unwrap_or_default())
        },
    }];
    contenders.push(Contender {
        name: CURL,
        version: machine::version(Command::new("curl").arg("--version"))?
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
        takes_part: |scenario| !scenario.is_known && scenario.cut.is_none(),
        start: Box::new(|job| {
            let list = job.fresh("curl.txt")?;
            let one = format!("url = {}\noutput = /dev/null\n", job.url);
            fs::write(&list, one.repeat(job.scenario.requests as usize))?;
            let mut command = Command::new("curl");
            command.args([
                "--silent",
                "--parallel",
                "--retry",
                "10",
                "--write-out",
                "%{http_code}\\n",
                "--config",
            ]);
            command.arg(list);
            Ok(command)
        }),
        answered: |printed| Ok(printed.lines().filter(|status| *status == "200").count() as u64),
    });
    for peer in SCRIPTED {
        match peer.contender() {
            Ok(peer) => contenders.push(peer),
            Err(error) => println!("NOTICE: {error:#}"),
        }
    }
    Ok(contenders)
}

// === impl Scripted ===

impl Scripted {
    fn contender(&'static self) -> Result<Contender> {
        let Self { package, script, interpreter, takes_part } = *self;
        interpreter(script, package)?;
        Ok(Contender {
            name: package,
            version: tools::library_version(package),
            takes_part,
            start: Box::new(move |job| {
                // Who is not told of the cut keeps to the limit from before.
                let rate = job.scenario.cut.and(job.scenario.limit).or(job.known());
                let Limit { rate, burst } = rate.unwrap_or(Limit { rate: 0, burst: 0 });
                let numbers = [job.scenario.requests, rate.into(), burst.into()];
                let mut command = interpreter(script, package)?;
                command.arg(job.url).args(numbers.map(|number| number.to_string()));
                Ok(command)
            }),
            answered: |printed| Ok(serde_json::from_str::<Printed>(printed)?.answered),
        })
    }
}

// === impl Job ===

impl Job<'_> {
    /// The limit, where clients are told.
    fn known(&self) -> Option<Limit> {
        self.scenario.limit.filter(|_| self.scenario.is_known)
    }

    fn list(&self) -> Result<PathBuf> {
        let list = self.folder.join("urls.txt");
        fs::write(&list, format!("{}\n", self.url).repeat(self.scenario.requests as usize))?;
        Ok(list)
    }

    /// A file that is not there.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::remove_file(&path).ok();
        Ok(path)
    }
}

// === impl Contender ===

impl Contender {
    /// One run against a server of its own, of which nothing was spent.
    fn run(&self, scenario: &Scenario, folder: &Path) -> Result<Run> {
        let server = Nginx::start(&folder.join("nginx"), scenario.limit)?;
        let url = server.url();
        let mut command = (self.start)(&Job { scenario, url: &url, folder })?;
        let printed = folder.join("printed");
        command.stdout(File::create(&printed)?);
        let start = Instant::now();
        let mut cut = scenario.cut;
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let seconds = loop {
            if child.try_wait()?.is_some() {
                break start.elapsed().as_secs_f64();
            }
            if let Some((_, limit)) = cut.take_if(|(after, _)| start.elapsed() >= *after) {
                server.set_limit(limit)?;
            }
            if start.elapsed() > PATIENCE {
                child.kill()?;
                child.wait()?;
                bail!("{} was not done after {} s", self.name, PATIENCE.as_secs());
            }
            thread::sleep(POLL);
        };
        let printed = fs::read_to_string(&printed)?;
        let answered =
            (self.answered)(&printed).with_context(|| format!("{} printed {}", self.name, printed.trim()))?;
        Ok(Run { seconds, answered, refused: server.answers()?.refused })
    }
}

// === impl Scenario ===

impl Scenario {
    /// The least time in which the server answers all, in seconds; none where it has no limit.
    fn ideal(&self) -> Option<f64> {
        let Limit { rate, burst } = self.limit?;
        let left = self.requests as f64 - f64::from(burst) - 1.0;
        Some(match self.cut {
            None => left / f64::from(rate),
            Some((after, later)) => {
                let after = after.as_secs_f64();
                after + (left - after * f64::from(rate)) / f64::from(later.rate)
            }
        })
    }

    fn section(&self, contenders: &[&Contender], runs: &[Vec<Run>]) -> String {
        let Self { title, requests, .. } = self;
        let limit = |limit: Limit| format!("{} a second, burst {}", limit.rate, limit.burst);
        let limits = match (self.limit, self.cut) {
            (None, _) => "no limit".to_owned(),
            (Some(first), None) => limit(first),
            (Some(first), Some((after, second))) => {
                format!("{}; after {} s {}", limit(first), after.as_secs(), limit(second))
            }
        };
        let ideal = self.ideal().map_or(String::new(), |ideal| format!("; ideal {ideal:.1} s"));
        let mut text = format!(
            "\n### {title}\n\n{requests} requests, {limits}{ideal}.\n\n\
             | client | wall, s | {} | refused | lost |\n| --- | --- | --- | --- | --- |",
            if self.ideal().is_some() { "relative to ideal" } else { "relative to api-client" }
        );
        let ours = seconds(&runs[0]);
        for (contender, runs) in contenders.iter().zip(runs) {
            let wall = seconds(runs);
            let ratio = match self.ideal() {
                Some(ideal) => Spread::of(wall.iter().map(|seconds| seconds / ideal)),
                None => Spread::of_ratios(&wall, &ours),
            };
            text += &format!(
                "\n| {} | {:.1} | {ratio} | {:.0} | {:.0} |",
                contender.name,
                Spread::of(wall),
                Spread::of(runs.iter().map(|run| run.refused as f64)),
                Spread::of(runs.iter().map(|run| (requests - run.answered.min(*requests)) as f64)),
            );
        }
        text + "\n\n" + &self.goals(contenders, runs)
    }

    fn goals(&self, contenders: &[&Contender], runs: &[Vec<Run>]) -> String {
        let ours = &runs[0];
        let wall = seconds(ours);
        let lost = ours.iter().map(|run| self.requests - run.answered.min(self.requests)).max().unwrap_or(0);
        let mut goals = format!("- Goal: nothing lost: {}.\n", verdict(lost == 0, &lost.to_string()));
        match self.ideal() {
            Some(ideal) => {
                let ratio = Spread::of(wall.iter().map(|seconds| seconds / ideal));
                let refused = Spread::of(ours.iter().map(|run| run.refused as f64));
                goals += &format!(
                    "- Goal: at most {} of ideal: {}.\n- Goal: at most {} refusals: {}.\n",
                    self.most_of_ideal,
                    verdict(ratio.median <= self.most_of_ideal, &ratio.to_string()),
                    self.most_refused,
                    verdict(refused.median <= self.most_refused as f64, &format!("{refused:.0}")),
                );
            }
            None => {
                let curl = contenders.iter().position(|contender| contender.name == CURL);
                let ratio = curl.map(|curl| Spread::of_ratios(&seconds(&runs[curl]), &wall));
                let verdict = ratio.map_or("not measured, the peer is not there".to_owned(), |ratio| {
                    verdict(ratio.median >= CURL_GOAL, &ratio.to_string())
                });
                goals += &format!("- Goal: at least {CURL_GOAL} of curl's rate: {verdict}.\n");
            }
        }
        goals
    }

    fn raw(&self, contenders: &[&Contender], runs: &[Vec<Run>]) -> serde_json::Value {
        let contenders = contenders.iter().zip(runs).map(|(contender, runs)| {
            json!({
                "name": contender.name,
                "seconds": seconds(runs),
                "answered": runs.iter().map(|run| run.answered).collect::<Vec<_>>(),
                "refused": runs.iter().map(|run| run.refused).collect::<Vec<_>>(),
            })
        });
        json!({ "scenario": self.name, "ideal": self.ideal(), "contenders": contenders.collect::<Vec<_>>() })
    }
}

fn seconds(runs: &[Run]) -> Vec<f64> {
    runs.iter().map(|run| run.seconds).collect()
}

fn verdict(is_met: bool, measured: &str) -> String {
    format!("{}, {measured}", if is_met { "met" } else { "MISSED" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ideal_is_what_the_server_allows() {
        let ideals: Vec<_> = SCENARIOS.iter().map(Scenario::ideal).collect();
        assert_eq!(ideals, [Some(11.78), Some(11.78), Some(14.45), None]);
    }
}
