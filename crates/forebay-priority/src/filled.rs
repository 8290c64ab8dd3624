//! Which classes have somebody.

use std::iter;

/// A bit for each class, so that the first and the last with somebody are found 64 classes at a time.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    /// Of the first 64, which are all that most have.
    low: u64,
    /// Of the others.
    high: Vec<u64>,
}

// === impl Filled ===

impl Filled {
    /// None of so many classes has.
    pub(crate) fn new(classes: usize) -> Self {
        Self { low: 0, high: vec![0; classes.div_ceil(64).saturating_sub(1)] }
    }

    #[inline]
    fn word(&mut self, class: usize) -> &mut u64 {
        if class < 64 { &mut self.low } else { &mut self.high[class / 64 - 1] }
    }

    /// Whether this one has. Tells whether it had before. Without a branch, since nobody can guess that.
    #[inline]
    pub(crate) fn set(&mut self, class: usize, has: bool) -> bool {
        let (word, at) = (self.word(class), class % 64);
        let had = *word >> at & 1 == 1;
        *word = *word & !(1 << at) | u64::from(has) << at;
        had
    }

    /// The first that has somebody.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        if self.low != 0 { Some(self.low.trailing_zeros() as usize) } else { self.first_high() }
    }

    fn first_high(&self) -> Option<usize> {
        let at = self.high.iter().position(|word| *word != 0)?;
        Some(64 * (at + 1) + self.high[at].trailing_zeros() as usize)
    }

    /// All that have somebody, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        iter::once(self.low).chain(self.high.iter().copied()).enumerate().flat_map(|(at, word)| {
            let rest = iter::successors(Some(word), |word| Some(word & word.saturating_sub(1)));
            rest.take_while(|word| *word != 0).map(move |word| 64 * at + word.trailing_zeros() as usize)
        })
    }

    /// The last that has somebody.
    pub(crate) fn last(&self) -> Option<usize> {
        let words = iter::once(&self.low).chain(&self.high).enumerate();
        let (at, word) = words.filter(|(_, word)| **word != 0).last()?;
        Some(64 * at + 63 - word.leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Filled;

    #[test]
    fn filled_is_a_set() {
        for classes in [1, 3, 64, 65, 200] {
            let (mut filled, mut set) = (Filled::new(classes), BTreeSet::new());
            for step in 0..500_usize {
                let class = step * step % 211 % classes;
                if step % 3 == 0 {
                    assert_eq!(filled.set(class, false), set.remove(&class));
                } else {
                    assert_eq!(filled.set(class, true), !set.insert(class));
                }
                assert!(filled.iter().eq(set.iter().copied()));
                assert_eq!((filled.first(), filled.last()), (set.first().copied(), set.last().copied()));
            }
        }
    }
}
