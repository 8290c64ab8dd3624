use std::{
    fs::File,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread::{scope, yield_now},
    time::{Duration, Instant},
};

use super::*;

const ROTATIONS: u32 = 25;

/// Logs that are rotated, compressed and written to, as fast as that goes.
struct Writer<'a> {
    logs: &'a Logs,
    /// A file is compressed when it gets that number.
    compressed_at: u32,
    /// Those that were compressed: so that no other file gets the place on disk of one, several times within a look.
    held: Vec<File>,
    next_line: u32,
}

impl Writer<'_> {
    fn write(&mut self, lines: u32) {
        for _ in 0..lines {
            self.logs.append("app.log", &format!("{}\n", self.next_line));
            self.next_line += 1;
        }
    }

    fn rotate(&mut self, last: u32) {
        for number in (self.compressed_at..=last).rev() {
            if self.logs.path(&format!("app.log.{number}.gz")).exists() {
                self.logs.rename(&format!("app.log.{number}.gz"), &format!("app.log.{}.gz", number + 1));
            }
        }
        self.logs.rotate(last);
        let plain = format!("app.log.{}", self.compressed_at);
        if let Ok(content) = fs::read_to_string(self.logs.path(&plain)) {
            self.held.extend(File::open(self.logs.path(&plain)));
            let changed = fs::metadata(self.logs.path(&plain)).and_then(|metadata| metadata.modified());
            let packed = format!("{plain}.gz");
            self.logs.write(&packed, gzip(&content));
            let packed = File::options().write(true).open(self.logs.path(&packed));
            changed.and_then(|changed| packed?.set_modified(changed)).expect("the folder is ours");
            self.logs.remove(&plain);
        }
    }
}

/// The lines that runs settle which go on from `checkpoint`, each killed after some steps, until `is_over`.
fn settled(
    logs: &Logs,
    pattern: &str,
    mut checkpoint: Checkpoint,
    is_over: &AtomicBool,
    runs: &AtomicU32,
) -> Vec<u32> {
    let options = || Options { follow: true, ..Options::default() };
    let mut settled = Vec::new();
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let mut run = logs.resume(&[pattern], options(), Some(&checkpoint));
        checkpoint = run.checkpoint();
        let mut since = String::new();
        let steps = if was_over { u32::MAX } else { runs.fetch_add(1, Ordering::Relaxed) * 7 % 60 };
        for step in 0..steps {
            match run.inputs.next(Vec::new()) {
                Step::Batch(batch) => since += &run.take(&batch),
                Step::Idle if was_over => break,
                _ => {}
            }
            if step % 11 == 10 {
                settled.extend(since.lines().map(|line| line.parse::<u32>().expect("all lines are numbers")));
                since.clear();
                checkpoint = run.checkpoint();
            }
        }
        if was_over {
            settled.extend(since.lines().map(|line| line.parse::<u32>().expect("all lines are numbers")));
            return settled;
        }
    }
}

/// They lost lines, doubled them and brought them in another order, and some did not start.
#[test]
fn runs_that_are_killed_while_a_log_is_rotated_and_compressed_bring_its_lines_once_and_in_order() {
    // A run that does not go on must not hang the test.
    let end = Instant::now() + Duration::from_secs(60);
    for (pattern, compressed_at) in [("app.log", 1), ("app.log", 2), ("app.log*", 1), ("app.log*", 2)] {
        let logs = Logs::new();
        let mut writer = Writer { logs: &logs, compressed_at, held: Vec::new(), next_line: 0 };
        writer.write(1);
        let checkpoint = logs.follow(&[pattern]).checkpoint();
        let (is_over, runs) = (AtomicBool::new(false), AtomicU32::new(0));
        let settled = scope(|scope| {
            let reading = scope.spawn(|| settled(&logs, pattern, checkpoint, &is_over, &runs));
            for rotation in 0..ROTATIONS {
                // Every third time it goes on at once.
                while rotation % 3 > 0 && runs.load(Ordering::Relaxed) < rotation && Instant::now() < end {
                    yield_now();
                }
                writer.rotate(rotation);
                writer.write(1 + rotation % 4);
            }
            is_over.store(true, Ordering::Release);
            reading.join().expect("it does not panic")
        });
        let written: Vec<u32> = (0..writer.next_line).collect();
        assert_eq!(settled, written, "{pattern}, compressed at {compressed_at}");
    }
}
