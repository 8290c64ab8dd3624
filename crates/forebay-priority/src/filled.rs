//! Which classes have somebody.

/// A bit for each class, so that the first and the last with somebody are found 64 classes at a time.
#[derive(Debug, Clone)]
pub(crate) struct Filled(Vec<u64>);

// === impl Filled ===

impl Filled {
    /// None of so many classes has.
    pub(crate) fn new(classes: usize) -> Self {
        Self(vec![0; classes.div_ceil(64)])
    }

    /// This one has. Says whether it had nobody before.
    #[inline]
    pub(crate) fn set(&mut self, class: usize) -> bool {
        let (word, bit) = (&mut self.0[class / 64], 1 << (class % 64));
        let was_empty = *word & bit == 0;
        *word |= bit;
        was_empty
    }

    #[inline]
    pub(crate) fn clear(&mut self, class: usize) {
        self.0[class / 64] &= !(1 << (class % 64));
    }

    /// The first that has somebody.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        let word = self.0.iter().position(|word| *word != 0)?;
        Some(64 * word + self.0[word].trailing_zeros() as usize)
    }

    /// The last that has somebody.
    pub(crate) fn last(&self) -> Option<usize> {
        let word = self.0.iter().rposition(|word| *word != 0)?;
        Some(64 * word + 63 - self.0[word].leading_zeros() as usize)
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
                    filled.clear(class);
                    set.remove(&class);
                } else {
                    assert_eq!(filled.set(class), set.insert(class));
                }
                assert_eq!((filled.first(), filled.last()), (set.first().copied(), set.last().copied()));
            }
        }
    }
}
