//! Which classes have items.

/// A bit for each class; where there are more than 64, in groups of 64, and a bit for each group that has any. So the first
/// class with items is found without a search and without a branch that nobody can predict, up to 4096 classes.
#[derive(Debug, Clone)]
pub(crate) struct Filled {
    /// A bit for each class if there are no groups; otherwise for each group, or for several in a row.
    some: u64,
    groups: Vec<u64>,
    /// How many groups a bit stands for, as a power of two.
    shift: u32,
}

// === impl Filled ===

impl Filled {
    /// This many classes, all empty.
    pub(crate) fn new(classes: usize) -> Self {
        let groups = if classes > 64 { classes.div_ceil(64) } else { 0 };
        let shift = groups.div_ceil(64).next_power_of_two().trailing_zeros();
        Self { some: 0, groups: vec![0; groups], shift }
    }

    /// Notes that this class has items. Returns whether it had none before.
    #[inline]
    pub(crate) fn add(&mut self, class: usize) -> bool {
        let bit = 1 << (class % 64);
        let word = if self.groups.is_empty() {
            &mut self.some
        } else {
            let group = class / 64;
            self.some |= 1 << (group >> self.shift);
            &mut self.groups[group]
        };
        let had = *word & bit != 0;
        *word |= bit;
        !had
    }

    /// Notes that this class has no items, if it is so. Without a branch, since it would be unpredictable.
    #[inline]
    pub(crate) fn remove_if(&mut self, class: usize, is_empty: bool) {
        let others = !(u64::from(is_empty) << (class % 64));
        if self.groups.is_empty() {
            self.some &= others;
        } else {
            let group = class / 64;
            self.groups[group] &= others;
            let are_empty = if self.shift == 0 { self.groups[group] == 0 } else { self.are_empty(group) };
            self.some &= !(u64::from(are_empty) << (group >> self.shift));
        }
    }

    /// Are all groups empty whose bit is that of this one?
    #[cold]
    fn are_empty(&self, group: usize) -> bool {
        let first = group >> self.shift << self.shift;
        self.groups[first..].iter().take(1 << self.shift).all(|bits| *bits == 0)
    }

    /// The first class that has items.
    #[inline]
    pub(crate) fn first(&self) -> Option<usize> {
        if self.some == 0 {
            return None;
        }
        let first = self.some.trailing_zeros() as usize;
        if self.groups.is_empty() {
            return Some(first);
        }
        let group = first << self.shift;
        match self.groups.get(group) {
            Some(&bits) if bits != 0 => Some(64 * group + bits.trailing_zeros() as usize),
            _ => self.first_from(group),
        }
    }

    /// The first class that has items, of this group or those behind it.
    #[cold]
    fn first_from(&self, group: usize) -> Option<usize> {
        let group = group + self.groups.get(group..)?.iter().position(|bits| *bits != 0)?;
        Some(64 * group + self.groups[group].trailing_zeros() as usize)
    }

    /// The bits of all classes, in groups of 64.
    pub(crate) fn words(&self) -> &[u64] {
        if self.groups.is_empty() { std::slice::from_ref(&self.some) } else { &self.groups }
    }

    /// The last class that has items.
    pub(crate) fn last(&self) -> Option<usize> {
        let (at, word) = self.words().iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some(64 * at + 63 - word.leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Filled;

    #[test]
    fn filled_is_a_set() {
        for classes in [1, 3, 64, 65, 200, 4096, 5000, 65_536] {
            let (mut filled, mut set) = (Filled::new(classes), BTreeSet::new());
            for step in 0..500_usize {
                let class = step * step * 313 % 70_001 % classes;
                if step % 3 == 0 {
                    filled.remove_if(class, step % 2 == 0);
                    if step % 2 == 0 {
                        set.remove(&class);
                    }
                } else {
                    assert_eq!(filled.add(class), set.insert(class));
                }
                let is_there = |class: &usize| filled.words()[class / 64] & 1 << (class % 64) != 0;
                assert!((0..classes).filter(is_there).eq(set.iter().copied()));
                assert_eq!((filled.first(), filled.last()), (set.first().copied(), set.last().copied()));
            }
        }
    }
}
