//! The lowest of a fixed number of numbers.

/// A number for each class, and which is the lowest: a tournament of eight in each match, whose winner is known at once,
/// and which takes log8(classes) matches to correct.
///
/// What is noted of a class may be lower than its number is by now, and never is higher. So a number that grows, as most
/// do, costs nothing until it might be the lowest of all.
#[derive(Debug, Clone)]
pub(crate) struct Lowest {
    /// A complete tree, the final first. Who plays as number `n` in match `m` has won match `8 * m + n + 1`, and in the
    /// matches from `first` on is a class.
    matches: Vec<[u64; 8]>,
    first: usize,
    lowest: u64,
}

/// The number of a class that does not take part.
pub(crate) const NONE: u64 = u64::MAX;

// === impl Lowest ===

impl Lowest {
    pub(crate) fn new(len: usize) -> Self {
        let (mut first, mut round) = (0, 1);
        while 8 * round < len {
            (first, round) = (first + round, 8 * round);
        }
        Self { matches: vec![[NONE; 8]; first + len.div_ceil(8)], first, lowest: NONE }
    }

    /// The number of this class may be as low as that now.
    #[inline]
    pub(crate) fn note(&mut self, at: usize, number: u64) {
        if number < self.matches[self.first + at / 8][at % 8] {
            self.set(at, number);
        }
    }

    /// The number of this class is that now.
    pub(crate) fn set(&mut self, at: usize, number: u64) {
        let (mut at, mut number) = (8 * self.first + at, number);
        loop {
            let players = &mut self.matches[at / 8];
            players[at % 8] = number;
            number = lowest_of(players);
            if at < 8 {
                break;
            }
            at = at / 8 - 1;
        }
        self.lowest = number;
    }

    /// The class of the lowest number, if that is `most` or less; the first of those that share it. `number` says that of
    /// a class as it is now.
    #[inline]
    pub(crate) fn lowest(&mut self, most: u64, number: impl Fn(usize) -> u64) -> Option<usize> {
        while self.lowest <= most && self.lowest < NONE {
            let class = self.winner();
            let now = number(class);
            if now == self.lowest {
                return Some(class);
            }
            self.set(class, now);
        }
        None
    }

    /// The first of which the lowest number is noted.
    fn winner(&self) -> usize {
        let mut at = 0;
        loop {
            // A bit for each rather than a search, since nobody can guess who it is.
            let bit = |n: usize| u32::from(self.matches[at][n] == self.lowest) << n;
            let bits = (0..8).fold(0, |bits, n| bits | bit(n));
            let player = 8 * at + bits.trailing_zeros() as usize;
            if at >= self.first {
                return player - 8 * self.first;
            }
            at = player + 1;
        }
    }
}

/// In pairs, since a chain of eight would take twice as long.
#[inline]
fn lowest_of(&[a, b, c, d, e, f, g, h]: &[u64; 8]) -> u64 {
    a.min(b).min(c.min(d)).min(e.min(f).min(g.min(h)))
}

#[cfg(test)]
mod tests {
    use super::{Lowest, NONE};

    #[test]
    fn lowest_is_found_after_each_change() {
        for len in [1, 3, 8, 9, 64, 65, 100, 600] {
            let (mut tree, mut numbers) = (Lowest::new(len), vec![NONE; len]);
            for step in 0..1200_usize {
                let (at, number) =
                    (step * 7 % len, if step % 5 == 0 { NONE } else { (step * 37 % 11) as u64 });
                tree.note(at, number);
                if step % 4 == 0 {
                    tree.set(at, number);
                }
                numbers[at] = number;
                let most = (step * 13 % 12) as u64;
                let low = numbers.iter().copied().enumerate().filter(|&(_, number)| number <= most);
                let lowest = low.min_by_key(|&(at, number)| (number, at));
                assert_eq!(tree.lowest(most, |at| numbers[at]), lowest.map(|(at, _)| at));
            }
        }
    }

    #[test]
    fn nobody_is_lowest_where_nobody_takes_part() {
        assert_eq!(Lowest::new(4).lowest(NONE, |_| NONE), None);
    }
}
