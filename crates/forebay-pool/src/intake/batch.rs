//! When a batch is complete. Pure: times are nanoseconds since any fixed moment, and come in as arguments.

/// What is known of the source when a batch may be complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing: it may have more that can come at once.
    NotYet,
    /// It may have more, but is not asked for it now.
    Enough,
    /// It has nothing more for now.
    Dry,
}

/// What makes a batch complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    /// At least 1.
    pub(crate) items: usize,
    /// An item that weighs more by itself is a batch by itself.
    pub(crate) weight: Option<usize>,
    /// How long the first item waits for others, in nanoseconds. 0: only for what is there already.
    pub(crate) wait: u64,
}

/// The batch that is being formed. There is one at a time, so that items come together instead of lying spread over
/// the workers.
#[derive(Debug)]
pub(super) struct Forming<V> {
    limits: BatchLimits,
    items: Vec<V>,
    weight: usize,
    /// When the first of them came.
    opened: u64,
    /// An item that is too heavy to be added, and opens the next batch.
    put_off: Option<(V, usize)>,
}

// === impl Forming ===

impl<V> Forming<V> {
    pub(super) fn new(limits: BatchLimits) -> Self {
        Self { limits, items: Vec::new(), weight: 0, opened: 0, put_off: None }
    }

    pub(super) fn uses_time(&self) -> bool {
        self.limits.wait > 0
    }

    pub(super) fn items(&self) -> &[V] {
        &self.items
    }

    /// How many more items the batch can use, as far as can be said before they are weighed.
    pub(super) fn wants(&self) -> usize {
        let places = self.limits.items.saturating_sub(self.items.len());
        match (self.limits.weight, &self.put_off) {
            (_, Some(_)) => 0,
            // One at a time, since each may be the last.
            (Some(most), None) => places.min(usize::from(self.weight < most)),
            (None, None) => places,
        }
    }

    /// Adds an item that the batch [wants](Self::wants).
    pub(super) fn add(&mut self, value: V, weight: usize, now: u64) {
        let heavy = self.limits.weight.is_some_and(|most| self.weight.saturating_add(weight) > most);
        if heavy && !self.items.is_empty() {
            self.put_off = Some((value, weight));
            return;
        }
        if self.items.is_empty() {
            self.opened = now;
        }
        self.items.push(value);
        self.weight = self.weight.saturating_add(weight);
    }

    /// Is the batch to be worked on? `last`: nothing more will come, or not before it is worked on.
    ///
    /// One whose time is over takes what the source has: its first item may have waited for a worker, not for others.
    pub(super) fn is_complete(&self, now: u64, asked: Asked, last: bool) -> bool {
        let due = self.limits.wait > 0 && now >= self.opened.saturating_add(self.limits.wait);
        let enough = match asked {
            Asked::NotYet => false,
            Asked::Enough => due,
            Asked::Dry => due || last || self.limits.wait == 0,
        };
        !self.items.is_empty() && (self.wants() == 0 || enough)
    }

    /// When the batch is complete whatever comes.
    pub(super) fn due(&self) -> Option<u64> {
        (self.limits.wait > 0 && !self.items.is_empty()).then(|| self.opened.saturating_add(self.limits.wait))
    }

    /// The items of the batch. What was put off opens the next one.
    pub(super) fn take(&mut self, now: u64) -> Vec<V> {
        let items = std::mem::take(&mut self.items);
        self.weight = 0;
        if let Some((value, weight)) = self.put_off.take() {
            self.add(value, weight, now);
        }
        items
    }

    /// Takes out the items that `wanted` picks.
    pub(super) fn remove(&mut self, mut wanted: impl FnMut(&V) -> bool, out: &mut Vec<V>) {
        debug_assert!(self.put_off.is_none(), "a batch that puts one off is complete, and taken at once");
        // What they weighed stays with the batch: it is only complete a little sooner.
        out.extend(self.items.extract_if(.., |value| wanted(value)));
        if self.items.is_empty() {
            self.weight = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits { items: 3, weight: None, wait: 10 };

    fn batches(limits: BatchLimits, weights: &[usize]) -> Vec<Vec<usize>> {
        let mut forming = Forming::new(limits);
        let mut batches = Vec::new();
        for &weight in weights {
            while forming.is_complete(0, Asked::NotYet, false) {
                batches.push(forming.take(0));
            }
            assert!(forming.wants() > 0);
            forming.add(weight, weight, 0);
        }
        while forming.is_complete(0, Asked::Dry, true) {
            batches.push(forming.take(0));
        }
        batches
    }

    #[test]
    fn is_complete_by_count() {
        assert_eq!(batches(LIMITS, &[1, 2, 3, 4, 5, 6, 7]), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    }

    #[test]
    fn is_complete_by_weight() {
        let limits = BatchLimits { weight: Some(16), items: 100, ..LIMITS };
        assert_eq!(batches(limits, &[40, 1, 13, 3, 2]), [vec![40], vec![1, 13], vec![3, 2]]);
        assert_eq!(batches(limits, &[16, 16, 0, 8, 8, 1]), [vec![16], vec![16], vec![0, 8, 8], vec![1]]);
        assert_eq!(batches(limits, &[1, 40, 40]), [vec![1], vec![40], vec![40]]);
    }

    #[test]
    fn is_complete_by_time_of_its_first_item() {
        let mut forming = Forming::new(LIMITS);
        assert_eq!(forming.due(), None);
        forming.add('a', 0, 5);
        forming.add('b', 0, 14);
        assert_eq!(forming.due(), Some(15));
        assert!(!forming.is_complete(14, Asked::Dry, false));
        assert!(!forming.is_complete(15, Asked::NotYet, false), "there may be others");
        assert!(forming.is_complete(15, Asked::Enough, false));
        assert!(forming.is_complete(15, Asked::Dry, false));
        assert!(forming.is_complete(14, Asked::Dry, true), "nothing more will come");
    }

    #[test]
    fn without_a_wait_it_takes_what_is_there() {
        let mut forming = Forming::new(BatchLimits { wait: 0, ..LIMITS });
        assert!(!forming.is_complete(0, Asked::Dry, true), "nothing is no batch");
        forming.add('a', 0, 5);
        assert!(!forming.is_complete(9, Asked::NotYet, false));
        assert!(!forming.is_complete(9, Asked::Enough, false));
        assert!(forming.is_complete(5, Asked::Dry, false));
    }
}
