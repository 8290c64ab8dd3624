use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::writing::AT_ONCE;
use super::{Logger, LoggerOptions, Writing};
use crate::level::Level;
use crate::parse::{ParseMode, parse};
use crate::record::Record;

/// An output that says when it is asked to write, and then waits until it is allowed to.
struct Gate {
    asked: Sender<()>,
    allowed: Receiver<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

/// The other side of a gate.
struct Slow {
    asked: Receiver<()>,
    allow: Sender<()>,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Write for Gate {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let _ = self.asked.send(());
        // Nobody holds it up any more once the other side is gone.
        let _ = self.allowed.recv();
        self.text.lock().expect("nobody panics").extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Slow {
    /// A logger whose output has a first line in hand, and does not go on.
    fn logger(lines: usize) -> (Logger, Writing, Self) {
        let ((asked, was_asked), (allow, allowed)) = (channel(), channel());
        let text = Arc::new(Mutex::new(Vec::new()));
        let gate = Gate { asked, allowed, text: text.clone() };
        let options = LoggerOptions { lines, ..LoggerOptions::default() };
        let (logger, writing) = Logger::start(gate, options).expect("a thread can be started");
        logger.log(Level::Info, "first");
        was_asked.recv().expect("the writer lives");
        (logger, writing, Self { asked: was_asked, allow, text })
    }

    /// What was written once it is not slow any more.
    fn text(self, writing: Writing) -> (Vec<String>, super::LoggerReport) {
        let Self { asked, allow, text } = self;
        drop((asked, allow));
        let report = writing.finish();
        let text = String::from_utf8(text.lock().expect("nobody panics").clone()).expect("it is text");
        (text.lines().map(str::to_owned).collect(), report)
    }
}

#[test]
fn error_waits_for_no_more_lines_than_are_on_their_way() {
    let (logger, writing, slow) = Slow::logger(100_000);
    (0..50_000).for_each(|n| logger.log(Level::Debug, format!("step {n}")));
    // The one write that is on its way ends, and the next begins.
    slow.allow.send(()).expect("the writer lives");
    slow.asked.recv().expect("the writer lives");
    logger.log(Level::Error, "disk full");
    let (lines, report) = slow.text(writing);
    let at = lines.iter().position(|line| line.contains("disk full")).expect("it was written");
    assert!(at <= 1 + AT_ONCE, "{at} lines before it");
    assert_eq!((report.written, report.shed_in_all()), (50_002, 0));
}

#[test]
fn levels_are_written_by_urgency_and_each_in_its_order() {
    let (logger, writing, slow) = Slow::logger(100);
    for (n, level) in [Level::Debug, Level::Error, Level::Trace, Level::Fatal, Level::Error, Level::Warn]
        .into_iter()
        .enumerate()
    {
        logger.log(level, format!("{n}"));
    }
    assert_eq!(logger.waiting().map(|(_, lines)| lines), [1, 2, 1, 0, 0, 1, 1]);
    let (lines, _) = slow.text(writing);
    let messages: Vec<_> = lines.iter().map(|line| line.rsplit('=').next().expect("a field")).collect();
    assert_eq!(messages, ["first", "3", "1", "4", "5", "0", "2"]);
}

#[test]
fn least_urgent_lines_are_shed_first_and_the_output_says_how_many() {
    let (logger, writing, slow) = Slow::logger(10);
    (0..8).for_each(|n| logger.log(Level::Debug, format!("debug {n}")));
    (0..6).for_each(|n| logger.log(Level::Error, format!("error {n}")));
    (0..20).for_each(|n| logger.log(Level::Debug, format!("late {n}")));
    (0..2).for_each(|n| logger.log(Level::Info, format!("info {n}")));
    let (lines, report) = slow.text(writing);
    let written = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        (written("\"error "), written("\"info "), written("\"debug "), written("\"late ")),
        (6, 2, 2, 0)
    );
    assert!(lines.iter().any(|line| line.ends_with("message=\"debug 1\"")), "the older ones stay");
    let shed: Vec<_> = lines.iter().filter(|line| line.contains("lines shed")).collect();
    assert_eq!(shed.len(), 1, "{lines:?}");
    assert!(shed[0].ends_with(" level=warn message=\"lines shed\" debug=26"), "{}", shed[0]);
    assert_eq!(report.shed[5], (Level::Debug, 26));
    assert_eq!((report.written, report.shed_in_all(), report.lost), (11, 26, 0));
}

#[test]
fn what_is_logged_is_read_as_it_was_meant() {
    let (logger, writing, slow) = Slow::logger(10);
    logger.log(Level::Warn, "a \"quoted\" path=C:\\x\nand a second line");
    let (lines, _) = slow.text(writing);
    let mut record = Record::default();
    parse(ParseMode::Auto, &lines[1], &mut record);
    let field = |name: &str| record.get(name).and_then(|value| value.text().map(|text| text.into_owned()));
    assert_eq!(field("level").as_deref(), Some("warn"));
    assert_eq!(field("message").as_deref(), Some("a \"quoted\" path=C:\\x\nand a second line"));
    assert!(field("time").is_some_and(|time| time.starts_with("20") && time.ends_with('Z')));
}

/// Takes a few bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(text.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_line_is_written_shed_or_lost_also_when_the_output_fails() {
    // Less than the lines that wait at the end, however slow the thread that writes.
    let (logger, writing) =
        Logger::start(Full(500), LoggerOptions { lines: 50, bytes: 1000 }).expect("a thread can be started");
    (0..5000).for_each(|n| logger.log(if n % 10 == 0 { Level::Error } else { Level::Debug }, format!("{n}")));
    logger.log(Level::Error, "x".repeat(1001));
    let report = writing.finish();
    logger.log(Level::Fatal, "nobody writes this");
    assert_eq!(report.written + report.shed_in_all() + report.lost, 5001, "{report:?}");
    assert!(report.lost > 0);
    assert_eq!(report.error.map(|error| error.kind()), Some(io::ErrorKind::StorageFull));
}
