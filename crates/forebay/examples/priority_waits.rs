//! How long each class waits under the same overload, in several orders.
//!
//! One worker takes one item in each step, and for a thousand steps half as many again come: a fifth of them high,
//! three tenths medium, half low. Then fewer come, and the line empties. Nothing here needs a clock or a runtime: a
//! discipline is a data structure.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;

use forebay::priority::{Aging, Class, Classes, Discipline, Entry, Share, Strict, WeightedFair};

const CLASSES: [&str; 3] = ["high", "medium", "low"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<30}{:>16}{:>16}{:>16}", "waits in steps: p50 / p99", CLASSES[0], CLASSES[1], CLASSES[2]);
    show("first in, first out", Strict::new(Classes::new(["all"])?), Class::new);
    show("strict", Strict::levels().promote_nobody(), Class::new);
    show("strict, promoted after 100", Strict::levels().promote_after(100)?, Class::new);
    let shares = WeightedFair::new(CLASSES.into_iter().zip([4, 2, 1]))?;
    show("weighted 4:2:1", shares, |class| Share::new(Class::new(class), 1));
    show("aging by 50 arrivals", Aging::by_arrivals(Classes::levels(), 50)?, Class::new);
    Ok(())
}

fn show<D: Discipline>(name: &str, line: D, rank: fn(u16) -> D::Rank) {
    let cells = waits(line, rank).map(|mut waits| {
        waits.sort_unstable();
        let at = |part: usize| waits[(waits.len() - 1) * part / 100];
        format!("{} / {}", at(50), at(99))
    });
    println!("{name:<30}{:>16}{:>16}{:>16}", cells[0], cells[1], cells[2]);
}

/// How long those of each class wait.
fn waits<D: Discipline>(mut line: D, rank: fn(u16) -> D::Rank) -> [Vec<u64>; 3] {
    let mut waits = [const { Vec::new() }; 3];
    let mut known = Vec::new();
    // A hundredth of an item each, so that all is in whole numbers.
    let mut due = 0;
    for now in 0..4000 {
        due += if now < 1000 { 150 } else { 70 };
        while due >= 100 {
            due -= 100;
            let seq = known.len() as u64;
            let class = match seq * 7 % 10 {
                0..2 => 0,
                2..5 => 1,
                _ => 2,
            };
            known.push((class, now));
            line.insert(Entry::new(seq as u32, rank(class), seq, 0));
        }
        if let Some(id) = line.next(0) {
            let (class, came) = known[id as usize];
            waits[usize::from(class)].push(now - came);
        }
    }
    waits
}
