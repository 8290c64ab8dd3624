//! The order in which turns come up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Turns, the earliest first; among turns of the same time, the one that was made first.
///
/// Turns of equal length are made in the order in which they come up: these are kept in a ring, and cost O(1). Others are
/// kept in a heap beside it, and cost O(log n).
#[derive(Debug, Clone, Default)]
pub(crate) struct Turns {
    /// In ascending order.
    ring: VecDeque<Turn>,
    heap: BinaryHeap<Reverse<Turn>>,
    made: u64,
}

/// When a flow is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) time: u128,
    /// Its number, counted from 1.
    pub(crate) number: u64,
    pub(crate) whose: usize,
}

// === impl Turns ===

impl Turns {
    /// How many turns there are.
    pub(crate) fn len(&self) -> usize {
        self.ring.len() + self.heap.len()
    }

    /// Makes a turn, and returns its number.
    #[inline]
    pub(crate) fn push(&mut self, time: u128, whose: usize) -> u64 {
        self.made += 1;
        let turn = Turn { time, number: self.made, whose };
        if self.ring.back().is_none_or(|last| last.time <= time) {
            self.ring.push_back(turn);
        } else {
            self.heap.push(Reverse(turn));
        }
        self.made
    }

    /// Takes out the earliest turn.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Turn> {
        match self.heap.peek() {
            Some(Reverse(other)) if self.ring.front().is_none_or(|first| other < first) => {
                self.heap.pop().map(|Reverse(turn)| turn)
            }
            _ => self.ring.pop_front(),
        }
    }

    /// Keeps only the turns for which `holds` is true.
    pub(crate) fn retain(&mut self, holds: impl Fn(&Turn) -> bool) {
        self.ring.retain(&holds);
        self.heap.retain(|Reverse(turn)| holds(turn));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Turns;

    #[test]
    fn earliest_comes_first_and_of_the_same_time_the_one_that_was_made_first() {
        let (mut turns, mut model) = (Turns::default(), BTreeSet::new());
        for step in 0..3000_usize {
            let time = (step / 7 + step * step % 5) as u128;
            if step % 3 < 2 {
                model.insert((time, turns.push(time, step), step));
            } else {
                let next = turns.pop().map(|turn| (turn.time, turn.number, turn.whose));
                assert_eq!(next, model.pop_first());
            }
            if step % 500 == 499 {
                turns.retain(|turn| turn.whose % 3 == 0);
                model.retain(|&(.., whose)| whose % 3 == 0);
            }
            assert_eq!(turns.len(), model.len());
        }
    }
}
