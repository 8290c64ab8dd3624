//! Which of those that came still wait, in order of arrival.

use std::hint::select_unpredictable;
use std::mem;

/// A bit for each arrival that waits, and its class.
///
/// Whoever came first of all is the first bit: found without a search, and without a branch that nobody can predict,
/// however many classes there are.
///
/// The roll has as many pages as there are arrivals from the first that waits on, but only room for some times as many as
/// wait. Where one waits for so long that there would have to be more, the newest are left out; once nobody is left on it,
/// the roll is [called](Self::call) anew. So each arrival costs O(1), amortised, and who has gone leaves nothing behind.
///
/// Most who come, leave, or are asked for are on the first or the last page, so these two lie open. What is written lies
/// together, at the end.
#[derive(Debug, Clone)]
#[repr(C)]
pub(crate) struct Roll {
    /// The bits of the pages between the first and the last, page by page; as many places as a power of two, 0 where there
    /// is no page.
    waiting: Box<[u64]>,
    /// The classes of these pages.
    classes: Box<[Classes]>,
    /// The number of the first arrival that was left out, or [`NOBODY`].
    left_out: u64,
    /// From which number on the roll is to be called again, or [`NOBODY`].
    again: u64,
    /// The numbers of the first arrivals on the pages that lie open.
    head_start: u64,
    tail_start: u64,
    tail: Page,
    /// The first page with somebody on it who waits, as far as is known. Empty if that is the last one.
    head: Page,
}

/// Of so many arrivals in a row, who waits, and of which class they are.
#[derive(Debug, Clone)]
struct Page {
    waiting: u64,
    classes: Box<Classes>,
}

type Classes = [u16; PAGE as usize];

/// How many arrivals a page is for: as many as there are bits in a word.
const PAGE: u64 = 64;

const NOBODY: u64 = u64::MAX;

/// The roll is not kept for longer than until so many came after the first on it: the number of somebody who waits is told
/// from the lower half of it, and that from 2^32 later on is another's.
const FAR: u64 = (1 << 32) - 2 * PAGE;

// === impl Roll ===

impl Roll {
    pub(crate) fn new() -> Self {
        Self::with_room(1)
    }

    /// With so many pages, a power of two.
    fn with_room(pages: usize) -> Self {
        Self {
            waiting: vec![0; pages].into(),
            classes: vec![[0; PAGE as usize]; pages].into(),
            left_out: NOBODY,
            again: NOBODY,
            head_start: 0,
            tail_start: 0,
            tail: Page::new(),
            head: Page::new(),
        }
    }

    /// For how many arrivals there is room.
    #[cfg(test)]
    pub(crate) fn places(&self) -> usize {
        self.waiting.len() * PAGE as usize
    }

    /// Enters the next arrival. `room`: for how many arrivals there may be room.
    #[inline(always)]
    pub(crate) fn enter(&mut self, number: u64, class: usize, room: impl FnOnce() -> usize) {
        if number >= self.left_out {
            if number.wrapping_sub(self.head_start) > FAR {
                self.forget(number);
            }
        } else if !number.is_multiple_of(PAGE) || self.turn_over(number, room()) {
            self.tail.enter(number, class);
        }
    }

    /// Strikes out an arrival that waits no more.
    #[inline(always)]
    pub(crate) fn strike(&mut self, number: u64) {
        let at = self.at(number);
        // Of two that seem to have one number, the other may be before the first page.
        let nth = number.wrapping_sub(self.head_start);
        if nth < self.left_out - self.head_start
            && let Some(between) = self.waiting.get_mut(at)
        {
            // Nobody can predict which of the three it is.
            let is_on_head = nth < PAGE;
            let waiting = select_unpredictable(is_on_head, &mut self.head.waiting, between);
            let is_on_tail = number >= self.tail_start;
            let waiting = select_unpredictable(is_on_tail, &mut self.tail.waiting, waiting);
            *waiting &= !(1 << (number % PAGE));
        }
    }

    /// Who came first of all, if it is on the first page that is known to have somebody: the number, and the class.
    #[inline(always)]
    pub(crate) fn first_of_head(&self) -> Option<(u64, usize)> {
        self.head.first(self.head_start)
    }

    /// Who came first of all on the roll.
    pub(crate) fn first(&mut self) -> Option<(u64, usize)> {
        self.pass_empty_pages();
        self.first_of_head().or_else(|| self.tail.first(self.tail_start))
    }

    /// Calls the roll anew: enters `all` who wait, of `came` arrivals so far. Of these, `oldest` came first. `room`: for how
    /// many arrivals there may be room.
    pub(crate) fn call(
        &mut self,
        oldest: u64,
        came: u64,
        room: usize,
        all: impl Iterator<Item = (u64, usize)>,
    ) {
        let pages = (room / PAGE as usize).max(1).next_power_of_two();
        let head_start = oldest - oldest % PAGE;
        let end = head_start + pages as u64 * PAGE;
        let last = came.min(end) - 1;
        *self = Self {
            head_start,
            tail_start: last - last % PAGE,
            left_out: if came > end { end } else { NOBODY },
            ..Self::with_room(pages)
        };
        for (number, class) in all.filter(|(number, _)| *number < end) {
            let (at, nth) = (self.at(number), number % PAGE);
            let (waiting, classes) = if number >= self.tail_start {
                (&mut self.tail.waiting, &mut *self.tail.classes)
            } else if number - head_start < PAGE {
                (&mut self.head.waiting, &mut *self.head.classes)
            } else {
                (&mut self.waiting[at], &mut self.classes[at])
            };
            if *waiting & 1 << nth != 0 {
                // Two seem to have one number, since 2^32 came between them. The other will be found once this one has gone.
                self.again = came + pages as u64 * PAGE;
            }
            *waiting |= 1 << nth;
            classes[nth as usize] = class as u16;
        }
    }

    /// Leaves out everybody, up to this number and from it on.
    #[cold]
    pub(crate) fn forget(&mut self, number: u64) {
        *self = Self { left_out: number, head_start: number, tail_start: number, ..Self::new() };
    }

    /// Where the page with this number on it is, if it is one of those between.
    #[inline(always)]
    fn at(&self, number: u64) -> usize {
        (number / PAGE) as usize & (self.waiting.len() - 1)
    }

    fn pass_empty_pages(&mut self) {
        while self.head.waiting == 0 && self.head_start < self.tail_start {
            self.head_start += PAGE;
            let at = self.at(self.head_start);
            self.head.waiting = mem::take(&mut self.waiting[at]);
            *self.head.classes = self.classes[at];
        }
    }

    /// Begins another page, with this number. `false`: there is no room for it, and who comes from now on is left out.
    #[cold]
    #[inline(never)]
    fn turn_over(&mut self, number: u64, room: usize) -> bool {
        if number == self.tail_start {
            return true;
        }
        if number >= self.again {
            self.forget(number);
            return false;
        }
        self.pass_empty_pages();
        self.shrink(room);
        if self.head_start == self.tail_start {
            mem::swap(&mut self.head, &mut self.tail);
        } else {
            let pages = (self.tail_start - self.head_start) / PAGE;
            if pages >= self.waiting.len() as u64 && !self.grow(room) {
                self.left_out = number;
                return false;
            }
            let at = self.at(self.tail_start);
            (self.waiting[at], self.classes[at]) = (self.tail.waiting, *self.tail.classes);
        }
        self.tail.waiting = 0;
        self.tail_start = number;
        true
    }

    /// Makes twice as much room, if there may be so much.
    fn grow(&mut self, room: usize) -> bool {
        let pages = 2 * self.waiting.len();
        if pages * PAGE as usize > room.next_power_of_two() {
            return false;
        }
        self.resize(pages);
        true
    }

    /// Gives half of the room back if there is more than there may be, and little of it is used: what a burst has needed.
    fn shrink(&mut self, room: usize) {
        let (pages, used) = (self.waiting.len(), (self.tail_start - self.head_start) / PAGE);
        if pages * PAGE as usize > room.next_power_of_two() && 4 * used < pages as u64 {
            self.resize(pages / 2);
        }
    }

    /// Moves to so many pages, a power of two.
    fn resize(&mut self, pages: usize) {
        let mut other = Self::with_room(pages);
        for number in (self.head_start..self.tail_start).step_by(PAGE as usize) {
            let (from, to) = (self.at(number), other.at(number));
            (other.waiting[to], other.classes[to]) = (self.waiting[from], self.classes[from]);
        }
        (self.waiting, self.classes) = (other.waiting, other.classes);
    }
}

// === impl Page ===

impl Page {
    fn new() -> Self {
        Self { waiting: 0, classes: Box::new([0; PAGE as usize]) }
    }

    #[inline(always)]
    fn enter(&mut self, number: u64, class: usize) {
        let nth = (number % PAGE) as usize;
        self.waiting |= 1 << nth;
        self.classes[nth] = class as u16;
    }

    /// Who came first of those on this page, which begins with the number `start`.
    #[inline(always)]
    fn first(&self, start: u64) -> Option<(u64, usize)> {
        if self.waiting == 0 {
            return None;
        }
        let nth = self.waiting.trailing_zeros();
        Some((start + u64::from(nth), self.classes[nth as usize].into()))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Roll;

    /// Who is the first, as [`Arrivals`](crate::arrivals::Arrivals) asks.
    fn first(
        roll: &mut Roll,
        came: u64,
        room: usize,
        waiting: &BTreeMap<u64, usize>,
    ) -> Option<(u64, usize)> {
        roll.first_of_head().or_else(|| roll.first()).or_else(|| {
            let (&oldest, _) = waiting.first_key_value()?;
            roll.call(oldest, came, room, waiting.iter().map(|(&number, &class)| (number, class)));
            roll.first()
        })
    }

    proptest! {
        #[test]
        fn first_of_all_is_found_however_long_it_waited(
            // How many come; how many leave, and whether from the front, from the back, or from anywhere; is it asked?
            ops in proptest::collection::vec((0_u64..200, 0_usize..200, 0_u8..4, any::<u16>(), any::<bool>()), 1..60),
            classes in 1_usize..1000,
        ) {
            const ROOM: usize = 256;
            let (mut roll, mut came, mut waiting) = (Roll::new(), 0, BTreeMap::new());
            for (join, leave, whence, choice, is_asked) in ops {
                for number in came..came + join {
                    let class = (number * 7) as usize % classes;
                    roll.enter(number, class, || ROOM);
                    waiting.insert(number, class);
                }
                came += join;
                for nth in 0..leave.min(waiting.len()) {
                    let nth = match whence {
                        0 => 0,
                        // The oldest stays for long.
                        1 | 2 => waiting.len() - 1,
                        _ => (usize::from(choice) * (nth + 1)) % waiting.len(),
                    };
                    let number = *waiting.keys().nth(nth).expect("so many wait");
                    waiting.remove(&number);
                    roll.strike(number);
                }
                let room = roll.places();
                prop_assert!(room <= ROOM, "{room}");
                if is_asked {
                    let model = waiting.first_key_value().map(|(&number, &class)| (number, class));
                    prop_assert_eq!(first(&mut roll, came, ROOM, &waiting), model);
                }
            }
        }
    }

    #[test]
    fn roll_is_not_kept_for_so_long_that_a_number_is_anothers() {
        let (mut roll, mut waiting) = (Roll::new(), BTreeMap::new());
        (0..256).for_each(|number| roll.enter(number, 0, || 128));
        (1..256).for_each(|number| roll.strike(number));
        assert_eq!(roll.first(), Some((0, 0)));
        let came = (1 << 32) - 100;
        roll.enter(came - 1, 1, || 128);
        assert_eq!(roll.first(), None);
        waiting.insert(came - 1, 1);
        assert_eq!(first(&mut roll, came, 128, &waiting), Some((came - 1, 1)));
    }

    #[test]
    fn roll_of_those_that_waited_for_long_is_not_forgotten_by_each_that_comes() {
        for age in [1 << 31, (1 << 32) - 1000] {
            let (mut roll, came) = (Roll::new(), 3 << 32);
            let all = || (came - age..came - age + 200).map(|number| (number, 5));
            roll.call(came - age, came, 128, all());
            (came..came + 200).for_each(|number| roll.enter(number, 1, || 128));
            assert_eq!(roll.first(), Some((came - age, 5)));
        }
    }
}
