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

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest that one of each class waits.
    fn worst<D: Discipline>(line: D, rank: fn(u16) -> D::Rank) -> [u64; 3] {
        waits(line, rank).map(|waits| waits.into_iter().max().expect("some of each class come"))
    }

    #[test]
    fn an_order_decides_who_waits_and_never_how_much_in_all() {
        let in_all = |line: Strict| waits(line, Class::new).into_iter().flatten().sum::<u64>();
        let fifo = Strict::new(Classes::new(["all"]).expect("one class"));
        let strict = Strict::levels().promote_nobody();
        assert_eq!(in_all(fifo.clone()), in_all(strict.clone()));
        let [high, _, low] = worst(fifo, Class::new);
        assert!(high.abs_diff(low) < 10, "first in, first out knows no classes: {high}, {low}");
        let [high, _, unbounded] = worst(strict, Class::new);
        assert!(high < 5, "the urgent are served at once: {high}");
        let [_, _, promoted] = worst(Strict::levels().promote_after(100).expect("not 0"), Class::new);
        let [_, _, aged] = worst(Aging::by_arrivals(Classes::levels(), 50).expect("not 0"), Class::new);
        assert!(promoted < unbounded && aged < unbounded, "{promoted} and {aged} of {unbounded}");
    }
}
