//! Which classes have items.

use std::iter;

/// A bit for each class, so that the first and the last class with items are found 64 classes at a time.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    /// The bits of the first 64 classes; most disciplines have no more.
    low: u64,
    /// The bits of the others.
    high: Vec<u64>,
}

// === impl Filled ===

impl Filled {
    /// This many classes, all empty.
    pub(crate) fn new(classes: usize) -> Self {
        Self { low: 0, high: vec![0; classes.div_ceil(64).saturating_sub(1)] }
    }

    #[inline]
    fn word(&mut self, class: usize) -> &mut u64 {
        if class < 64 { &mut self.low } else { &mut self.high[class / 64 - 1] }
    }

    /// Notes that this class has items. Returns whether it had none before.
    #[inline]
    pub(crate) fn add(&mut self, class: usize) -> bool {
        let (word, bit) = (self.word(class), 1 << (class % 64));
        let had = *word & bit != 0;
        *word |= bit;
        !had
    }

    /// Notes that this class has no items, if it is so. Without a branch, since it would be unpredictable.
    #[inline]
    pub(crate) fn remove_if(&mut self, class: usize, is_empty: bool) {
        *self.word(class) &= !(u64::from(is_empty) << (class % 64));
    }

    /// The first class that has items.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        if self.low != 0 { Some(self.low.trailing_zeros() as usize) } else { self.first_high() }
    }

    fn first_high(&self) -> Option<usize> {
        let at = self.high.iter().position(|word| *word != 0)?;
        Some(64 * (at + 1) + self.high[at].trailing_zeros() as usize)
    }

    /// All classes that have items, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> {
        iter::once(self.low).chain(self.high.iter().copied()).enumerate().flat_map(|(at, word)| {
            let rest = iter::successors(Some(word), |word| Some(word & word.saturating_sub(1)));
            rest.take_while(|word| *word != 0).map(move |word| 64 * at + word.trailing_zeros() as usize)
        })
    }

    /// The last class that has items.
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
                    filled.remove_if(class, step % 2 == 0);
                    if step % 2 == 0 {
                        set.remove(&class);
                    }
                } else {
                    assert_eq!(filled.add(class), set.insert(class));
                }
                assert!(filled.iter().eq(set.iter().copied()));
                assert_eq!((filled.first(), filled.last()), (set.first().copied(), set.last().copied()));
            }
        }
    }
}
