//! A picture of what was seen.
//!
//! Written by hand: it is four frames and some polylines, less than what a crate for plots would need to be told, and
//! each digit of it is ours, so that a test can compare it with the one in the docs.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::{Record, Slice};

/// Limit, calls in flight, latency and goodput over time, one line for each record, as an SVG.
///
/// Records beyond the seventh have the colours of the first again.
///
/// ```
/// use std::time::Duration;
/// use forebay_testkit::simulator::{Client, Server, Simulation, Takes, plot};
///
/// let server = Server::new(Takes::Exponential(Duration::from_millis(10))).slots(4);
/// let record = Simulation::new(server, 1).client(Client::open(300.0)).run(Duration::from_secs(20));
/// let svg = plot("An open loop", &[("without a limit", &record)]);
/// assert!(svg.starts_with("<svg") && svg.contains("polyline"));
/// ```
pub fn plot(title: &str, records: &[(&str, &Record)]) -> String {
    let mut svg = String::new();
    // Writing into a string cannot fail.
    let _ = draw(&mut svg, title, records);
    svg
}

/// Those of Okabe and Ito, which people who see fewer colours tell apart.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

const WIDTH: f64 = 760.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 56.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 28.0;

/// One of the four: a name, and a value for each slice that has one.
struct Panel {
    name: &'static str,
    value: fn(&Record, usize) -> Option<f64>,
}

const PANELS: [Panel; 4] = [
    Panel { name: "limit", value: |record, at| Some(record.slices[at].limit).filter(|&limit| limit < 1e9) },
    Panel { name: "in flight", value: |record, at| Some(record.slices[at].in_flight as f64) },
    Panel { name: "latency, ms", value: latency },
    Panel {
        name: "goodput, calls a second",
        value: |record, at| Some(succeeded(record, at) as f64 / record.every.as_secs_f64()),
    },
];

fn succeeded(record: &Record, at: usize) -> usize {
    let before = at.checked_sub(1).map_or(0, |before| record.slices[before].all_succeeded());
    record.slices[at].all_succeeded() - before
}

fn latency(record: &Record, at: usize) -> Option<f64> {
    let Slice { rtts, .. } = record.slices[at];
    let succeeded = succeeded(record, at);
    (succeeded > 0).then(|| rtts.as_secs_f64() * 1e3 / succeeded as f64)
}

fn draw(svg: &mut String, title: &str, records: &[(&str, &Record)]) -> fmt::Result {
    let height = TOP + PANELS.len() as f64 * (PANEL + GAP) + 12.0;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(svg, r##"<rect width="100%" height="100%" fill="#fff"/>"##)?;
    writeln!(svg, r#"<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{}</text>"#, escaped(title))?;
    for (number, (label, _)) in records.iter().enumerate() {
        let x = LEFT + number as f64 * 120.0;
        let colour = COLOURS[number % COLOURS.len()];
        writeln!(svg, r#"<path d="M{x} 36h18" stroke="{colour}" stroke-width="3"/>"#)?;
        writeln!(svg, r#"<text x="{}" y="40">{}</text>"#, x + 24.0, escaped(label))?;
    }
    let end = records.iter().map(|(_, record)| record.every * record.slices.len() as u32).max();
    let end = end.unwrap_or_default().max(Duration::from_millis(1)).as_secs_f64();
    for (number, panel) in PANELS.iter().enumerate() {
        let top = TOP + number as f64 * (PANEL + GAP);
        draw_panel(svg, panel, top, end, records)?;
    }
    writeln!(svg, "</svg>")
}

fn draw_panel(
    svg: &mut String,
    panel: &Panel,
    top: f64,
    end: f64,
    records: &[(&str, &Record)],
) -> fmt::Result {
    let values = |record: &Record| -> Vec<(f64, f64)> {
        let value = |at| Some(((at + 1) as f64 * record.every.as_secs_f64(), (panel.value)(record, at)?));
        (0..record.slices.len()).filter_map(value).collect()
    };
    let most = records.iter().flat_map(|(_, record)| values(record)).map(|(_, y)| y).fold(1.0, f64::max);
    let most = round_above(most);
    let (width, bottom) = (WIDTH - LEFT - RIGHT, top + PANEL);
    writeln!(
        svg,
        r##"<rect x="{LEFT}" y="{top}" width="{width}" height="{PANEL}" fill="none" stroke="#999"/>"##
    )?;
    writeln!(svg, r#"<text x="{}" y="{}">{}</text>"#, LEFT + 6.0, top + 14.0, panel.name)?;
    for share in [0.0, 0.5, 1.0] {
        let y = bottom - share * PANEL;
        writeln!(svg, r##"<path d="M{LEFT} {y}h{width}" stroke="#ddd"/>"##)?;
        writeln!(
            svg,
            r#"<text x="{}" y="{}" text-anchor="end">{}</text>"#,
            LEFT - 6.0,
            y + 4.0,
            most * share
        )?;
    }
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let unit = if quarter == 4 { " s" } else { "" };
        let (x, y) = (LEFT + share * width, bottom + 14.0);
        writeln!(svg, r#"<text x="{x}" y="{y}" text-anchor="middle">{}{unit}</text>"#, end * share)?;
    }
    for (number, (_, record)) in records.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        write!(svg, r#"<polyline fill="none" stroke="{colour}" stroke-width="1.3" points=""#)?;
        for (x, y) in values(record) {
            let (x, y) = (LEFT + x / end * width, bottom - y / most * PANEL);
            write!(svg, "{x:.1},{y:.1} ")?;
        }
        writeln!(svg, r#""/>"#)?;
    }
    Ok(())
}

/// The next 1, 2 or 5 with zeros.
fn round_above(most: f64) -> f64 {
    let mut step = 1.0;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if most <= step * factor {
                return step * factor;
            }
        }
        step *= 10.0;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
