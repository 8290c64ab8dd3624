//! Puts numbered items that arrive in any order back into the order of their numbers.

use std::collections::VecDeque;

/// Holds items back until all with smaller numbers have been taken.
///
/// Its length is bounded by whoever numbers the items: it never holds more than are on their way at
/// once, since the next number in turn is among those.
#[derive(Debug)]
pub(crate) struct Reorder<T> {
    /// The number of the item that `waiting` begins with.
    next: u64,
    /// A place for each number from `next` on that was seen, and for those between.
    waiting: VecDeque<Option<T>>,
}

// === impl Reorder ===

impl<T> Reorder<T> {
    /// Begins with number 0.
    pub(crate) fn new() -> Self {
        Self { next: 0, waiting: VecDeque::new() }
    }

    /// Takes an item in.
    ///
    /// # Panics
    ///
    /// If the number was there before: two items cannot both be in turn.
    pub(crate) fn push(&mut self, number: u64, item: T) {
        let place = number.checked_sub(self.next).expect("each number comes once");
        let place = usize::try_from(place).expect("the window is in memory");
        if place >= self.waiting.len() {
            self.waiting.resize_with(place + 1, || None);
        }
        let before = self.waiting[place].replace(item);
        assert!(before.is_none(), "each number comes once");
    }

    /// The next item in turn, if it is there.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.next += 1;
        Some(item)
    }

    /// Takes out what is left, in order, across gaps.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = T> {
        self.next += self.waiting.len() as u64;
        self.waiting.drain(..).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_by_number() {
        let mut reorder = Reorder::new();
        reorder.push(2, 'c');
        assert_eq!(reorder.pop(), None);
        reorder.push(0, 'a');
        assert_eq!(reorder.pop(), Some('a'));
        assert_eq!(reorder.pop(), None);
        reorder.push(1, 'b');
        assert_eq!([reorder.pop(), reorder.pop(), reorder.pop()], [Some('b'), Some('c'), None]);
    }

    #[test]
    fn what_is_behind_a_gap_can_be_drained() {
        let mut reorder = Reorder::new();
        reorder.push(3, 'd');
        reorder.push(1, 'b');
        assert_eq!(reorder.pop(), None);
        assert_eq!(reorder.drain().collect::<String>(), "bd");
    }

    #[test]
    #[should_panic(expected = "each number comes once")]
    fn a_number_that_comes_twice_is_a_fault() {
        let mut reorder = Reorder::new();
        reorder.push(0, 'a');
        let _ = reorder.pop();
        reorder.push(0, 'a');
    }
}
