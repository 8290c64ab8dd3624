//! A plan's weight against what is measured: it is never less, and not much more.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use image_pipeline::picture::{Filter, Limits, Settings, Size, Target, plan, probe, render};

use crate::forge;
use crate::look::{photo, rendered};

/// Says to the child which settings these are,
const CASE: &str = "FOREBAY_PICTURE_CASE";
/// and where the picture is.
const FILE: &str = "FOREBAY_PICTURE_FILE";

/// The most memory that this process has held at once, in bytes.
pub(crate) fn peak() -> u64 {
    memory("VmHWM:")
}

fn memory(of: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(of)).expect("Linux tells");
    let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes << 10
}

type Input = (&'static str, fn() -> Vec<u8>);

fn noise(x: usize, y: usize) -> u8 {
    (x * 7 + y * 13 + x * y) as u8
}

const INPUTS: [Input; 14] = [
    ("profile", || photo("icc_profile_big.jpg")),
    ("profile of a table that is shared", || {
        forge::tiff(100, 100, &[9; 30_000], &forge::profile_of_one_table(120))
    }),
    ("progressive", || photo("friends_by_Aitzol_Berasategi.jpg")),
    ("baseline", || photo("retina.jpg")),
    // As ours are.
    ("channels one after the other", || encoded(&photo("friends_by_Aitzol_Berasategi.jpg"), Target::Jpeg)),
    ("rgba", || forge::png(2000, 1500, 8, 6, |x, y| vec![noise(x, y), noise(y, x), 9, noise(x, x)])),
    ("rgb16", || forge::png(2000, 1500, 16, 2, |x, y| vec![noise(x, y), 0, noise(y, x), 0, 9, 9])),
    ("gray", || forge::png(2000, 1500, 8, 0, |x, y| vec![noise(x, y)])),
    ("wide", || forge::empty_png(20_000_000, 1, 8, 0, 20_000_000)),
    ("gif", forge::frames_gif),
    ("gif in its place", || photo("hopper.gif")),
    ("lossy webp", || encoded(&photo("retina.jpg"), Target::WebP)),
    ("lossy webp with alpha", || {
        encoded(
            &forge::png(1000, 800, 8, 6, |x, y| vec![noise(x, y), noise(y, x), 9, noise(x, x)]),
            Target::WebP,
        )
    }),
    ("palette", || photo("pil123p.png")),
];

fn encoded(bytes: &[u8], format: Target) -> Vec<u8> {
    let settings = Settings { format, ..Settings::default() };
    rendered(bytes, &settings).expect("a good file").bytes
}

fn settings() -> Vec<Settings> {
    let of = |size, format, filters| Settings { size, format, filters, ..Settings::default() };
    vec![
        of(Size::Fit(400, 400), Target::Jpeg, vec![]),
        of(Size::Fit(1400, 1400), Target::Jpeg, vec![Filter::Blur(2.0), Filter::Sharpen]),
        of(Size::Fit(1400, 1400), Target::Png, vec![]),
        of(Size::Fit(1400, 1400), Target::WebP, vec![]),
        Settings { quality: 100, ..of(Size::Fit(1900, 1900), Target::Jpeg, vec![]) },
        Settings { quality: 89, ..of(Size::Fit(1900, 1900), Target::Jpeg, vec![]) },
    ]
}

#[test]
fn what_is_measured_is_within_the_weight() {
    if let (Ok(case), Some(file)) = (env::var(CASE), env::var_os(FILE)) {
        return measure(case.parse().expect("the parent wrote a number"), Path::new(&file));
    }
    let place = tempfile::tempdir().expect("a temporary folder can be made");
    // Forging takes longer than most that is measured, so it is done once for all settings.
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some((name, input)) = INPUTS.get(next.fetch_add(1, Relaxed)) {
            let file = place.path().join(format!("{:?}", thread::current().id()));
            fs::write(&file, input()).expect("there is room for it");
            (0..settings().len()).for_each(|case| measured_apart(name, case, &file));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}

/// In a process of its own: the peak of one never goes down again.
fn measured_apart(name: &str, case: usize, file: &Path) {
    let output = Command::new(env::current_exe().expect("we are running"))
        .args(["--exact", "weight::what_is_measured_is_within_the_weight", "--nocapture"])
        .env(CASE, case.to_string())
        .env(FILE, file)
        .output()
        .expect("the test runs itself");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let ran = String::from_utf8_lossy(&output.stdout);
    assert!(ran.contains("1 passed"), "{name}: {ran}");
}

fn measure(case: usize, file: &Path) {
    let settings = settings().swap_remove(case);
    let bytes = fs::read(file).expect("the parent wrote it");
    let limits = Limits::default();
    let Ok(plan) = plan(&probe(&bytes).expect("a good file"), &settings, &limits) else {
        // Too wide for what was asked.
        return;
    };
    // The peak begins where we stand.
    fs::write("/proc/self/clear_refs", "5").expect("Linux lets a process do that to itself");
    let (before, code) = (peak(), memory("RssFile:"));
    render(&bytes, &plan, &settings, &limits).expect("a good file");
    // The code that ran for the first time is the program's and not the picture's: how much of the file comes with it is
    // up to the system.
    let code = memory("RssFile:").saturating_sub(code);
    let used = peak().saturating_sub(before).saturating_sub(code);
    let weight = plan.weight();
    assert!(
        used <= weight,
        "{settings:?} of {:?}: {used} bytes, of {weight} that were planned",
        plan.header()
    );
}
