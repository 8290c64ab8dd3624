//! Which lanes have items that are due, and how many.

/// A few classes in order, each with a number of items.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    /// The place of the first one.
    at: usize,
    /// The place behind the last one.
    end: usize,
    classes: [u16; MOST_DUE],
    /// How many items of each, 1 or more.
    counts: [u16; MOST_DUE],
}

/// How many there may be, items and so classes: a power of two.
pub(crate) const MOST_DUE: usize = 64;

// === impl Due ===

impl Due {
    pub(crate) fn new() -> Self {
        Self { at: 0, end: 0, classes: [0; MOST_DUE], counts: [0; MOST_DUE] }
    }

    /// The first class.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<usize> {
        (self.at < self.end).then(|| self.classes[self.at % MOST_DUE].into())
    }

    /// Counts out an item of the first class, which there must be. If it `was_last`, there are none left, whatever was counted.
    /// Is there no class now?
    #[inline(always)]
    pub(crate) fn pass_one(&mut self, was_last: bool) -> bool {
        let count = &mut self.counts[self.at % MOST_DUE];
        *count = count.wrapping_sub(1);
        // Without a branch, since nobody can predict how many items of a class are due.
        self.at += usize::from(was_last | (*count == 0));
        self.at >= self.end
    }

    pub(crate) fn clear(&mut self) {
        (self.at, self.end) = (0, 0);
    }

    /// Adds a class that is behind all others. Where there are as many as there may be, it is left out.
    #[inline]
    pub(crate) fn push(&mut self, class: usize, count: usize) {
        if self.end < MOST_DUE {
            self.classes[self.end] = class as u16;
            self.counts[self.end] = u16::try_from(count).unwrap_or(u16::MAX);
            self.end += 1;
        }
    }

    /// Counts in an item of a class. Where there are as many classes as there may be, another one is left out.
    pub(crate) fn add(&mut self, class: usize) {
        match self.rest().binary_search(&(class as u16)) {
            Ok(nth) => self.counts[self.at + nth] += 1,
            Err(nth) => {
                for all in [&mut self.classes, &mut self.counts] {
                    all.copy_within(self.at..self.end, 0);
                }
                (self.at, self.end) = (0, self.end - self.at);
                if self.end < MOST_DUE {
                    for (all, new) in [(&mut self.classes, class as u16), (&mut self.counts, 1)] {
                        all.copy_within(nth..self.end, nth + 1);
                        all[nth] = new;
                    }
                    self.end += 1;
                }
            }
        }
    }

    /// Counts out an item of any class, and if it `was_last`, all.
    pub(crate) fn remove(&mut self, class: usize, was_last: bool) {
        let Ok(nth) = self.rest().binary_search(&(class as u16)) else { return };
        let at = self.at + nth;
        self.counts[at] -= 1;
        if was_last || self.counts[at] == 0 {
            for all in [&mut self.classes, &mut self.counts] {
                all.copy_within(at + 1..self.end, at);
            }
            self.end -= 1;
        }
    }

    fn rest(&self) -> &[u16] {
        self.classes.get(self.at..self.end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Due, MOST_DUE};

    proptest! {
        #[test]
        fn due_is_a_bag_of_which_the_first_is_known(
            // What is done, to which class; how many, and is it the last?
            ops in proptest::collection::vec((0_u8..6, 0_usize..100, 1_usize..4, any::<bool>()), 1..500),
        ) {
            let (mut due, mut model) = (Due::new(), BTreeMap::<usize, usize>::new());
            for (op, class, count, is_last) in ops {
                let less = |count: &mut usize| *count = if is_last { 0 } else { *count - 1 };
                let has_room = model.len() < MOST_DUE || model.contains_key(&class);
                match op {
                    0 | 1 if has_room => {
                        due.add(class);
                        *model.entry(class).or_default() += 1;
                    }
                    2 if has_room && model.keys().all(|other| *other < class) => {
                        due.push(class, count);
                        model.insert(class, count);
                    }
                    3 => {
                        due.remove(class, is_last);
                        model.entry(class).and_modify(less);
                    }
                    4 if class == 0 => {
                        due.clear();
                        model.clear();
                    }
                    _ if due.first().is_none() => {}
                    _ => {
                        let is_none = due.pass_one(is_last);
                        model.first_entry().into_iter().for_each(|mut first| less(first.get_mut()));
                        prop_assert_eq!(is_none, model.values().all(|count| *count == 0));
                    }
                }
                model.retain(|_, count| *count > 0);
                let first = model.keys().next().copied();
                prop_assert_eq!(due.first(), first);
            }
        }
    }

    #[test]
    fn no_more_than_there_may_be_are_added() {
        for adds in [false, true] {
            let mut due = Due::new();
            (0..100).for_each(|class| if adds { due.add(class) } else { due.push(class, 1) });
            let all: Vec<_> =
                std::iter::from_fn(|| due.first().inspect(|_| _ = due.pass_one(false))).collect();
            assert_eq!(all, (0..64).collect::<Vec<_>>());
        }
    }
}
