//! Which of the items that were taken may start now, if each key bounds its own.
//!
//! A pure structure: times are nanoseconds since any fixed moment, and come in as arguments. A clock that jumps back
//! makes nobody wait longer than a period.
//!
//! ```text
//! insert ──▶ line of key A: [3] [7]        A: 1 in work, of 1      blocked until `release(A)`
//!            line of key B: [4]            B: 0 in work            ready ──▶ next() = 4
//!            line of key C: [5] [6]        C: its rate says 12:07  due at 12:07
//! ```
//!
//! 1. Items of a key are handed out in the order in which they were inserted. Among keys that may start, the oldest
//!    item is next.
//! 2. A key is known as long as an item of it waits or is in work, or its rate remembers a start. What is known is
//!    bounded: `room` is what may be inserted before `waiting` or `keys` reach their bounds.
//! 3. A key is in `ready` at most once, and in `timers` at most once: it knows under what, and is taken out before that
//!    changes. A key in `ready` may still be held back by its rate, which is seen when it comes up: only then is the
//!    time known.

use std::collections::{BTreeSet, HashMap};

use slab::Slab;

/// Names a key: its hash, with a seed that is the pool's own. Two keys that share one, which nobody can bring about
/// on purpose, share their bounds too.
pub(crate) type KeyHash = u64;

/// What each key is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GateLimits {
    /// How many items of a key may be in work. At least 1.
    pub(crate) at_once: usize,
    /// The time between two starts, and how much of it may be saved up.
    pub(crate) spacing: Option<(u64, u64)>,
    /// How many items may wait.
    pub(crate) waiting: usize,
    /// How many keys may be known.
    pub(crate) keys: usize,
}

#[derive(Debug)]
pub(super) struct Gate<V> {
    limits: GateLimits,
    keys: HashMap<KeyHash, Key>,
    /// The items that wait, each knowing the next one of its key.
    waiting: Slab<Waiting<V>>,
    inserted: u64,
    /// How many keys have items that wait.
    lines: usize,
    /// Keys whose oldest item may start as far as their numbers go, by the age of that item.
    ready: BTreeSet<(u64, KeyHash)>,
    /// Keys that a rate holds back, or that are known only because of it, by the time when that is over.
    timers: BTreeSet<(u64, KeyHash)>,
}

#[derive(Debug, Default)]
struct Key {
    in_work: usize,
    /// The first and the last of its line.
    line: Option<(usize, usize)>,
    /// When its next start would come if all were evenly spaced.
    next_start: u64,
    /// Under what it is in `ready`, and in `timers`.
    ready: Option<u64>,
    timer: Option<u64>,
}

#[derive(Debug)]
struct Waiting<V> {
    seq: u64,
    value: V,
    next: Option<usize>,
}

// === impl Gate ===

impl<V> Gate<V> {
    pub(super) fn new(limits: GateLimits) -> Self {
        Self {
            limits,
            keys: HashMap::new(),
            waiting: Slab::new(),
            inserted: 0,
            lines: 0,
            ready: BTreeSet::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Whether the times that are passed in matter.
    pub(super) fn uses_time(&self) -> bool {
        self.limits.spacing.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many items may be inserted now.
    pub(super) fn room(&self) -> usize {
        let places = self.limits.waiting.saturating_sub(self.waiting.len());
        places.min(self.limits.keys.saturating_sub(self.keys.len()))
    }

    /// An item joins the line of its key.
    pub(super) fn insert(&mut self, hash: KeyHash, value: V) {
        let seq = self.inserted;
        self.inserted += 1;
        let place = self.waiting.insert(Waiting { seq, value, next: None });
        let key = self.keys.entry(hash).or_default();
        match &mut key.line {
            Some((_, last)) => {
                self.waiting[*last].next = Some(place);
                *last = place;
            }
            line @ None => {
                *line = Some((place, place));
                self.lines += 1;
                self.look_at(hash);
            }
        }
    }

    /// The oldest item whose key may start, which is in work from now on until it is [released](Self::release).
    pub(super) fn next(&mut self, now: u64) -> Option<(KeyHash, V)> {
        self.mind_timers(now);
        while let Some((_, hash)) = self.ready.pop_first() {
            let key = self.keys.get_mut(&hash).expect("what is ready is known");
            key.ready = None;
            if let Some((interval, slack)) = self.limits.spacing {
                if key.next_start > now.saturating_add(slack) {
                    let time = key.next_start.saturating_sub(slack);
                    self.set_timer(hash, time);
                    continue;
                }
                key.next_start = key.next_start.max(now).saturating_add(interval);
            }
            key.in_work += 1;
            let value = self.take_first(hash);
            self.look_at(hash);
            return Some((hash, value));
        }
        None
    }

    /// Is there anything that may be the [next](Self::next) one? Looks at the keys, and not at what their rates say.
    pub(super) fn may_give(&mut self, now: u64) -> bool {
        self.mind_timers(now);
        !self.ready.is_empty()
    }

    /// An item of that key is no longer in work.
    pub(super) fn release(&mut self, hash: KeyHash) {
        if let Some(key) = self.keys.get_mut(&hash) {
            key.in_work = key.in_work.saturating_sub(1);
            self.look_at(hash);
        }
    }

    /// The same for an item that was not started after all. It uses up nothing of its key's rate.
    pub(super) fn give_back(&mut self, hash: KeyHash) {
        if let Some((interval, _)) = self.limits.spacing
            && let Some(key) = self.keys.get_mut(&hash)
        {
            key.next_start = key.next_start.saturating_sub(interval);
        }
        self.release(hash);
    }

    /// When to ask for the [next](Self::next) one again although nothing was inserted or released; `None`: not before.
    pub(super) fn due(&self) -> Option<u64> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Is all that waits held back by these keys alone, all of them in work? Then no other end frees any of it, nor does time.
    pub(super) fn is_held_back_by(&self, in_work: impl ExactSizeIterator<Item = KeyHash>) -> bool {
        if self.lines == 0 || self.lines > in_work.len() {
            return false;
        }
        let mut all: Vec<_> = in_work.collect();
        all.sort_unstable();
        let holds_back = |same: &&[KeyHash]| {
            let key = self.keys.get(&same[0]).filter(|key| key.line.is_some());
            key.is_some_and(|key| key.in_work >= self.limits.at_once && key.in_work == same.len())
        };
        all.chunk_by(KeyHash::eq).filter(holds_back).count() == self.lines
    }

    /// Takes out the items of a key that wait.
    pub(super) fn remove(&mut self, hash: KeyHash, out: &mut Vec<V>) {
        while self.keys.get(&hash).is_some_and(|key| key.line.is_some()) {
            out.push(self.take_first(hash));
        }
        self.look_at(hash);
    }

    /// Takes out all items that wait, the oldest first.
    pub(super) fn drain(&mut self) -> Vec<V> {
        let mut all: Vec<_> = self.waiting.drain().collect();
        all.sort_unstable_by_key(|waiting| waiting.seq);
        self.ready.clear();
        self.lines = 0;
        for key in self.keys.values_mut() {
            (key.line, key.ready) = (None, None);
        }
        let hashes: Vec<_> = self.keys.keys().copied().collect();
        hashes.into_iter().for_each(|hash| self.look_at(hash));
        all.into_iter().map(|waiting| waiting.value).collect()
    }

    fn take_first(&mut self, hash: KeyHash) -> V {
        let key = self.keys.get_mut(&hash).expect("the key of an item that waits is known");
        let (first, last) = key.line.expect("an item of it waits");
        let Waiting { value, next, .. } = self.waiting.remove(first);
        key.line = next.map(|next| (next, last));
        self.lines -= usize::from(next.is_none());
        value
    }

    /// Puts a key where it belongs after a change: among the ready ones, to the timers, or out.
    fn look_at(&mut self, hash: KeyHash) {
        let Some(key) = self.keys.get_mut(&hash) else { return };
        let oldest = key.line.map(|(first, _)| self.waiting[first].seq);
        let ready = oldest.filter(|_| key.in_work < self.limits.at_once);
        if key.ready != ready {
            if let Some(seq) = std::mem::replace(&mut key.ready, ready) {
                self.ready.remove(&(seq, hash));
            }
            if let Some(seq) = ready {
                self.ready.insert((seq, hash));
            }
        }
        if key.in_work == 0 && oldest.is_none() {
            let next_start = key.next_start;
            if self.limits.spacing.is_some() {
                // It is remembered until it has a full burst again.
                self.set_timer(hash, next_start);
            } else {
                self.keys.remove(&hash);
            }
        }
    }

    /// The time when a key that is held back may start, or one that is remembered may be forgotten.
    fn set_timer(&mut self, hash: KeyHash, time: u64) {
        let Some(key) = self.keys.get_mut(&hash) else { return };
        if let Some(before) = key.timer.replace(time) {
            self.timers.remove(&(before, hash));
        }
        self.timers.insert((time, hash));
    }

    fn mind_timers(&mut self, now: u64) {
        while let Some(&(time, hash)) = self.timers.first()
            && time <= now
        {
            self.timers.pop_first();
            let key = self.keys.get_mut(&hash).expect("what has a timer is known");
            key.timer = None;
            if key.in_work == 0 && key.line.is_none() {
                self.keys.remove(&hash);
            } else {
                self.look_at(hash);
            }
        }
    }
}

#[cfg(test)]
mod tests;
