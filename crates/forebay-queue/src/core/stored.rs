//! An item on a shelf, with no room for what most items do not have.

use std::num::NonZeroU32;

use slab::Slab;

use super::tag::Tag;

/// An item, and what goes with it besides its place in the order.
pub(super) struct Stored<T> {
    pub(super) item: T,
    pub(super) mark: Mark,
}

/// What goes with an item: its weight plus one, if it came for the first time and brought nothing else; otherwise [`BESIDE`]
/// and the key of the rest in [`Extras`]. Never 0, so that a shelf can mark an empty place without more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(NonZeroU32);

/// From here on, a mark is the key of an extra.
const BESIDE: u32 = 1 << 31;

/// For how many extras the memory is kept while there are none.
const KEPT: usize = 1024;

/// What goes with items that bring more than a weight, or have come back.
#[derive(Default)]
pub(super) struct Extras(Slab<Extra>);

struct Extra {
    attempt: u32,
    tag: Tag,
}

// === impl Mark ===

impl Mark {
    /// The mark of an item that brings nothing but its value.
    pub(super) const PLAIN: Self = Self(NonZeroU32::MIN.saturating_add(1));

    /// The weight of the item, where nothing else goes with it.
    #[inline]
    pub(super) fn weight(self) -> Option<usize> {
        (self.0.get() < BESIDE).then(|| self.0.get() as usize - 1)
    }
}

// === impl Extras ===

impl Extras {
    #[inline]
    pub(super) fn lay_in(&mut self, attempt: u32, tag: Tag) -> Mark {
        if attempt == 1 && tag.is_light() && tag.weight() < BESIDE as usize - 1 {
            Mark(NonZeroU32::MIN.saturating_add(tag.weight() as u32))
        } else {
            self.lay_beside(Extra { attempt, tag })
        }
    }

    #[cold]
    fn lay_beside(&mut self, extra: Extra) -> Mark {
        let key = self.0.insert(extra);
        let key = u32::try_from(key).ok().filter(|key| *key < BESIDE);
        Mark(NonZeroU32::MIN.saturating_add(key.expect("two thousand million items do not fit") + BESIDE - 1))
    }

    /// The attempt and the tag.
    #[inline]
    pub(super) fn take_out(&mut self, mark: Mark) -> (u32, Tag) {
        match mark.weight() {
            Some(weight) => (1, Tag::weighing(weight)),
            None => self.take_from_beside(mark),
        }
    }

    #[cold]
    fn take_from_beside(&mut self, Mark(mark): Mark) -> (u32, Tag) {
        let Extra { attempt, tag } = self.0.remove((mark.get() - BESIDE) as usize);
        if self.0.is_empty() && self.0.capacity() > KEPT {
            self.0 = Slab::new();
        }
        (attempt, tag)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_goes_with_an_item_comes_out_again() {
        let mut extras = Extras::default();
        let mut laid_in = Vec::new();
        for attempt in [1, 2, u32::MAX] {
            for weight in [0, 1, 2, BESIDE as usize - 2, BESIDE as usize - 1, usize::MAX] {
                for has_ttl in [false, true] {
                    let mut tag = Tag::weighing(weight);
                    if has_ttl {
                        tag.set_ttl(Duration::from_secs(1));
                    }
                    laid_in.push((extras.lay_in(attempt, tag), attempt, weight, has_ttl));
                }
            }
        }
        assert_eq!(extras.0.len(), laid_in.len() - 4, "all but four are light");
        for (mark, attempt, weight, has_ttl) in laid_in {
            let (taken, tag) = extras.take_out(mark);
            assert_eq!((taken, tag.weight(), tag.is_light()), (attempt, weight, !has_ttl));
        }
        assert!(extras.0.is_empty());
        assert_eq!(extras.lay_in(1, Tag::default()), Mark::PLAIN);
    }

    #[test]
    fn burst_leaves_no_memory_behind() {
        let mut extras = Extras::default();
        let marks: Vec<_> = (0..10_000).map(|_| extras.lay_in(2, Tag::default())).collect();
        for mark in marks {
            extras.take_out(mark);
        }
        assert!(extras.0.capacity() <= KEPT, "{}", extras.0.capacity());
    }
}
