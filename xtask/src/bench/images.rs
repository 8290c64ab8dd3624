//! `bench images`: photographs to thumbnails, beside the programs that people use for it.
//!
//! Time and memory of a run over all of them; then, once, how large and how good the results are.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::{Measurements, machine, statistics::Spread};
use crate::{demo, shell, tools, workspace};

const OURS: &str = "image-pipeline";
const SHARP: &str = "sharp";
/// Boxes to fit into, in pixels.
const SIZES: [u32; 2] = [400, 1600];
const ROUNDS: usize = 5;
const QUICK_ROUNDS: usize = 2;

const POLL: Duration = Duration::from_millis(1);
/// No contender needs a tenth of it.
const LIMIT: Duration = Duration::from_secs(300);

/// At most these many times what sharp takes.
const WALL_GOAL: f64 = 1.15;
const MEMORY_GOAL: f64 = 0.75;
/// At most this far below sharp.
const SIMILARITY_GOAL: f64 = 0.002;
/// At most this many times as large as sharp's.
const BYTES_GOAL: f64 = 1.05;

/// One program that makes thumbnails.
struct Contender {
    name: &'static str,
    /// How it is started for photographs, a size and a folder.
    command: Start,
    version: String,
}

type Start = Box<dyn Fn(&[PathBuf], u32, &Path) -> Result<Command>>;

/// All runs of one contender at one size.
#[derive(Default)]
struct Outcome {
    seconds: Vec<f64>,
    peak_bytes: Vec<u64>,
    /// Of all results together.
    bytes: u64,
    /// Mean of all results; none without sharp, which computes it.
    similarity: Option<f64>,
}

pub(super) fn measure(quick: bool) -> Result<Measurements> {
    let rounds = if quick { QUICK_ROUNDS } else { ROUNDS };
    let photos = photos()?;
    let folder = workspace::target("bench/images")?;
    let contenders = contenders()?;
    let (mut body, mut raw) = (introduction(&photos, rounds), Vec::new());
    for size in SIZES {
        let mut outcomes: Vec<Outcome> = contenders.iter().map(|_| Outcome::default()).collect();
        for _ in 0..rounds {
            for (contender, outcome) in contenders.iter().zip(&mut outcomes) {
                contender.run(&photos, size, &folder, outcome)?;
            }
        }
        for (contender, outcome) in contenders.iter().zip(&mut outcomes) {
            outcome.look(&photos, &contender.output(&folder))?;
        }
        body += &section(size, &contenders, &outcomes);
        raw.extend(contenders.iter().zip(&outcomes).map(|(contender, outcome)| {
            json!({
                "size": size,
                "name": contender.name,
                "seconds": outcome.seconds,
                "peak_bytes": outcome.peak_bytes,
                "bytes": outcome.bytes,
                "similarity": outcome.similarity,
            })
        }));
    }
    Ok(Measurements {
        title: "images: photographs to thumbnails",
        body,
        versions: contenders.iter().map(|contender| contender.version.clone()).collect(),
        raw: raw.into(),
    })
}

/// The wallpapers, and the larger ones of the photographs that the repository has.
fn photos() -> Result<Vec<PathBuf>> {
    let mut photos = tools::wallpapers()?;
    let shipped = workspace::root().join("apps/image-pipeline/tests/data/photos");
    // One is among the wallpapers already.
    photos.extend(["retina.jpg", "grace_hopper.jpg", "rocket.jpg"].map(|name| shipped.join(name)));
    Ok(photos)
}

/// Ours, and those peers that are there.
fn contenders() -> Result<Vec<Contender>> {
    let program = demo::build(OURS)?;
    let mut contenders = vec![Contender {
        name: OURS,
        version: machine::version(Command::new(&program).arg("--version"))?,
        command: Box::new(move |photos, size, output| {
            let mut command = Command::new(&program);
            command.arg("run").args(photos).arg("--output").arg(output);
            command.arg("--fit").arg(format!("{size}x{size}")).args(["--quality", "80", "--workers", "2"]);
            Ok(command)
        }),
    }];
    for peer in [sharp(), vips()] {
        match peer {
            Ok(peer) => contenders.push(peer),
            Err(error) => println!("NOTICE: {error:#}"),
        }
    }
    Ok(contenders)
}

fn sharp() -> Result<Contender> {
    tools::node("sharp.mjs", "sharp")?;
    Ok(Contender {
        name: SHARP,
        version: tools::library_version("sharp"),
        command: Box::new(|photos, size, output| {
            let mut command = tools::node("sharp.mjs", "sharp")?;
            command.arg(size.to_string()).arg(output).args(photos);
            Ok(command)
        }),
    })
}

fn vips() -> Result<Contender> {
    let version = machine::version(tools::vipsthumbnail()?.arg("--vips-version"))?;
    Ok(Contender {
        name: "vipsthumbnail",
        version: version.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        command: Box::new(|photos, size, output| {
            let mut command = tools::vipsthumbnail()?;
            let target = output.join("%s.jpg[Q=80,optimize_coding,strip]");
            command.env("VIPS_CONCURRENCY", "2").args(["--size", &format!("{size}x{size}>"), "--rotate"]);
            command.arg("--output").arg(target).args(photos);
            Ok(command)
        }),
    })
}

// === impl Contender ===

impl Contender {
    fn output(&self, folder: &Path) -> PathBuf {
        folder.join(self.name)
    }

    fn run(&self, photos: &[PathBuf], size: u32, folder: &Path, outcome: &mut Outcome) -> Result<()> {
        let output = self.output(folder);
        fs::remove_dir_all(&output).ok();
        fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
        // What the run before left to be written to the disk must not slow this one.
        shell::capture(&mut Command::new("sync"))?;
        let mut command = (self.command)(photos, size, &output)?;
        let log = folder.join("said");
        command.stdout(File::create(&log)?);
        command.stderr(File::create(folder.join("complained"))?);
        let start = Instant::now();
        let mut child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let peak = watch(&mut child, start).with_context(|| format!("{} failed", self.name))?;
        let seconds = start.elapsed().as_secs_f64();
        println!("{:<14} {size:>5} {seconds:>6.3} s {:>5.0} MB", self.name, peak as f64 / 1e6);
        outcome.seconds.push(seconds);
        outcome.peak_bytes.push(peak);
        Ok(())
    }
}

/// Waits for the end, and tells the most memory it held.
fn watch(child: &mut Child, start: Instant) -> Result<u64> {
    let mut most = 0;
    loop {
        most = most.max(peak(child.id()));
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("ended with {status}");
            }
            return Ok(most);
        }
        if start.elapsed() > LIMIT {
            child.kill()?;
            child.wait()?;
            bail!("not done after {} s", LIMIT.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// The most memory the process has held so far, in bytes; 0 when the system does not say.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes * 1024)
}

// === impl Outcome ===

impl Outcome {
    /// Measures what the last run left.
    fn look(&mut self, photos: &[PathBuf], output: &Path) -> Result<()> {
        for photo in photos {
            let name = photo.file_name().context("a photograph has a name")?;
            let result = output.join(name);
            let metadata = fs::metadata(&result).with_context(|| format!("no {}", result.display()))?;
            self.bytes += metadata.len();
        }
        if let Ok(mut ssim) = tools::node("ssim.mjs", "sharp") {
            let said = shell::capture(ssim.arg(output).args(photos))?;
            self.similarity = Some(said.trim().parse().context("ssim.mjs prints a number")?);
        }
        Ok(())
    }

    fn peak(&self) -> f64 {
        self.peak_bytes.iter().copied().max().unwrap_or_default() as f64
    }
}

fn introduction(photos: &[PathBuf], rounds: usize) -> String {
    format!(
        "{} JPEG photographs (Debian's lomiri-wallpapers, which crates/forebay-bench/peers/wallpapers.sha256 lists, \
         and three of apps/image-pipeline/tests/data), made to fit into a square, JPEG quality 80, colours at half \
         the size, two threads.\n\
         {rounds} rounds, contenders interleaved; median (min-max); memory is the highest of all rounds.\n\
         Similarity is the mean structural similarity of luminance to a Lanczos reduction of the whole photograph; \
         sharp computes it, for all contenders.\n\
         sharp runs as in crates/forebay-bench/peers/sharp.mjs, two pictures at a time; vipsthumbnail takes one \
         picture after the other, with two threads.\n",
        photos.len(),
    )
}

fn section(size: u32, contenders: &[Contender], outcomes: &[Outcome]) -> String {
    let named = |name: &str| {
        contenders.iter().position(|contender| contender.name == name).map(|index| &outcomes[index])
    };
    let mut text = format!(
        "\n### Fit into {size}x{size}\n\n\
         | program | wall, s | wall relative to sharp | peak memory, MB | results, KB | similarity |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    for (contender, outcome) in contenders.iter().zip(outcomes) {
        let ratio = named(SHARP).map(|sharp| Spread::of_ratios(&outcome.seconds, &sharp.seconds));
        text += &format!(
            "| {} | {} | {} | {:.0} | {:.0} | {} |\n",
            contender.name,
            Spread::of(outcome.seconds.iter().copied()),
            ratio.map_or("-".to_owned(), |ratio| ratio.to_string()),
            outcome.peak() / 1e6,
            outcome.bytes as f64 / 1e3,
            outcome.similarity.map_or("-".to_owned(), |similarity| format!("{similarity:.4}")),
        );
    }
    let (ours, sharp) = (named(OURS), named(SHARP));
    let compared = |measure: &dyn Fn(&Outcome, &Outcome) -> Option<f64>| measure(ours?, sharp?);
    let wall = compared(&|ours, sharp| Some(Spread::of_ratios(&ours.seconds, &sharp.seconds).median));
    let memory = compared(&|ours, sharp| Some(ours.peak() / sharp.peak()));
    let loss = compared(&|ours, sharp| Some(sharp.similarity? - ours.similarity?));
    let bytes = compared(&|ours, sharp| Some(ours.bytes as f64 / sharp.bytes as f64));
    text += &format!(
        "\n- Goal: at most {WALL_GOAL} times sharp's wall time: {}.\n\
         - Goal: at most {MEMORY_GOAL} times sharp's peak memory: {}.\n\
         - Goal: similarity at most {SIMILARITY_GOAL} below sharp's: {}.\n\
         - Goal: at most {BYTES_GOAL} times sharp's bytes: {}.\n",
        verdict(wall, WALL_GOAL, 2),
        verdict(memory, MEMORY_GOAL, 2),
        verdict(loss, SIMILARITY_GOAL, 4),
        verdict(bytes, BYTES_GOAL, 2),
    );
    text
}

/// Without the peer a goal is not measured, and never met.
fn verdict(measured: Option<f64>, most: f64, places: usize) -> String {
    match measured {
        None => "not measured, the peer is not there".to_owned(),
        Some(measured) if measured <= most => format!("met, {measured:.places$}"),
        Some(measured) => format!("MISSED, {measured:.places$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_missed_or_not_measured() {
        assert!(verdict(None, 1.15, 2).starts_with("not measured"));
        assert_eq!(verdict(Some(1.15), 1.15, 2), "met, 1.15");
        assert_eq!(verdict(Some(1.16), 1.15, 2), "MISSED, 1.16");
    }
}
