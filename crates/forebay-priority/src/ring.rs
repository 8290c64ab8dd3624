//! A ring of which the first place is freed without asking whether there is one.

use std::mem;

/// Places in the order in which they were taken, with those that are free behind them.
///
/// Unlike a `VecDeque`, it tells from the place itself whether anything is there to be taken out, and the same look tells
/// whether that was the last. It is a word smaller.
#[derive(Debug, Clone)]
pub(crate) struct Ring<T> {
    /// As many as a power of two, or none.
    places: Box<[T]>,
    /// How many places were freed at the front, counted on and on.
    head: u32,
    /// How many were taken, counted in the same way.
    tail: u32,
}

/// How many places a ring gets first.
const FIRST: usize = 4;

// === impl Ring ===

impl<T> Ring<T> {
    pub(crate) fn new() -> Self {
        Self { places: Box::default(), head: 0, tail: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head) as usize
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.places.len()
    }

    /// The index of the place with this number.
    #[inline]
    fn at(&self, number: u32) -> usize {
        number as usize & self.places.len().wrapping_sub(1)
    }

    /// The index of the place that is so many behind the first, if that is taken.
    #[inline]
    fn behind(&self, others: usize) -> Option<usize> {
        (others < self.len()).then(|| self.at(self.head.wrapping_add(others as u32)))
    }

    /// The place that is so many behind the first.
    #[inline]
    pub(crate) fn get(&self, others: usize) -> Option<&T> {
        self.places.get(self.behind(others)?)
    }

    pub(crate) fn get_mut(&mut self, others: usize) -> Option<&mut T> {
        let at = self.behind(others)?;
        self.places.get_mut(at)
    }

    #[inline]
    pub(crate) fn first(&self) -> Option<&T> {
        self.get(0)
    }

    #[inline]
    pub(crate) fn last(&self) -> Option<&T> {
        self.get(self.len().checked_sub(1)?)
    }

    /// Frees the first place if something can be taken out of it, as there cannot if it is free. What else it holds stays.
    /// Returns also whether the ring is empty then.
    #[inline(always)]
    pub(crate) fn free_first<P>(&mut self, take: impl FnOnce(&mut T) -> Option<P>) -> Option<(P, bool)> {
        // Read once: nobody can tell the compiler that `take` changes none of it.
        let (places, head) = (&mut *self.places, self.head);
        let mask = places.len().wrapping_sub(1);
        let taken = take(places.get_mut(head as usize & mask)?)?;
        let head = head.wrapping_add(1);
        self.head = head;
        Some((taken, head == self.tail))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        (0..self.len()).filter_map(|others| self.get(others))
    }

    /// Shows each place, to be changed.
    pub(crate) fn for_each_mut(&mut self, mut see: impl FnMut(&mut T)) {
        (0..self.len()).for_each(|others| self.get_mut(others).into_iter().for_each(&mut see));
    }

    /// How many places there are before the first of which this does not hold. It must hold of none behind that one.
    pub(crate) fn partition_point(&self, holds: impl Fn(&T) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).is_some_and(&holds) { low = middle + 1 } else { high = middle }
        }
        low
    }
}

impl<T: Default> Ring<T> {
    #[inline]
    pub(crate) fn push_back(&mut self, new: T) {
        if self.len() == self.places.len() {
            self.resize((2 * self.len()).max(FIRST));
        }
        let tail = self.tail;
        let end = self.at(tail);
        self.places[end] = new;
        self.tail = tail.wrapping_add(1);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = mem::take(self.get_mut(0)?);
        self.head = self.head.wrapping_add(1);
        Some(first)
    }

    pub(crate) fn pop_back(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let last = mem::take(self.get_mut(last)?);
        self.tail = self.tail.wrapping_sub(1);
        Some(last)
    }

    /// Keeps those of which this holds.
    pub(crate) fn retain(&mut self, holds: impl Fn(&T) -> bool) {
        for _ in 0..self.len() {
            if let Some(first) = self.pop_front().filter(&holds) {
                self.push_back(first);
            }
        }
    }

    /// Gives back the memory beyond that of so many places.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        let capacity = capacity.max(self.len()).next_power_of_two();
        if capacity < self.places.len() {
            self.resize(capacity);
        }
    }

    /// Moves to so many places, a power of two.
    #[cold]
    #[inline(never)]
    fn resize(&mut self, capacity: usize) {
        let tail = u32::try_from(self.len()).ok().filter(|_| capacity <= 1 << 31);
        let tail = tail.expect("two thousand million items do not fit");
        let mut places: Vec<T> = Vec::with_capacity(capacity);
        places.extend((0..tail).filter_map(|_| self.pop_front()));
        places.resize_with(capacity, T::default);
        *self = Self { places: places.into(), head: 0, tail };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::Ring;

    proptest! {
        #[test]
        fn ring_is_a_double_ended_queue(ops in proptest::collection::vec((0_u8..8, any::<u16>()), 1..300)) {
            let (mut ring, mut model) = (Ring::new(), VecDeque::new());
            // Close to where the number of the first place begins again.
            (ring.head, ring.tail) = (u32::MAX - 20, u32::MAX - 20);
            for (op, value) in ops {
                match op {
                    0..=3 => {
                        ring.push_back(value);
                        model.push_back(value);
                    }
                    4 => prop_assert_eq!(ring.pop_front(), model.pop_front()),
                    5 => prop_assert_eq!(ring.pop_back(), model.pop_back()),
                    6 if value % 8 == 0 => {
                        ring.retain(|other| other % 3 > 0);
                        model.retain(|other| other % 3 > 0);
                    }
                    _ => ring.shrink_to(usize::from(value % 32)),
                }
                prop_assert!(ring.iter().eq(&model));
                prop_assert_eq!((ring.len(), ring.is_empty()), (model.len(), model.is_empty()));
                prop_assert_eq!((ring.first(), ring.last()), (model.front(), model.back()));
                prop_assert_eq!(ring.get(2), model.get(2));
            }
        }
    }
}
