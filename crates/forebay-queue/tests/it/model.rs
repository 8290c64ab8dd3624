//! A queue as one would draw it on paper, for the real one to be compared with.

use forebay_queue::{Pressure, SendError, SendManyError, Sent, Watermarks, WhenFull};

/// What the builder was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) capacity: Option<usize>,
    /// With it, an item weighs what [`weight`] says; without, each weighs 1.
    pub(crate) max_weight: Option<usize>,
    pub(crate) when_full: WhenFull,
    /// By [`rank`] rather than first in, first out.
    pub(crate) ranked: bool,
    pub(crate) hold_senders: bool,
    /// High and low.
    pub(crate) watermarks: (f64, f64),
}

/// The class of an item in a ranked queue: the lower, the earlier.
pub(crate) fn rank(item: u32) -> u8 {
    (item % 3) as u8
}

/// The weight of an item in a queue that bounds it.
pub(crate) fn weight(item: u32) -> usize {
    (item % 4) as usize
}

/// An item that waits, or is in hand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Entry {
    pub(crate) rank: u8,
    pub(crate) seq: u64,
    pub(crate) item: u32,
    /// Its time is over as soon as anybody looks.
    pub(crate) mortal: bool,
}

/// A sender that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) item: u32,
    pub(crate) seq: u64,
    /// It has a place; at a rendezvous, somebody has its item.
    pub(crate) granted: bool,
}

/// The queue as one would draw it on paper: who waits has been given something or not.
pub(crate) struct Model {
    pub(crate) options: Options,
    pub(crate) closed: bool,
    pub(crate) items: Vec<Entry>,
    pub(crate) in_hand: Vec<Entry>,
    pub(crate) senders: Vec<Waiting>,
    /// The number of the sender that is next and has not got enough yet.
    chosen: Option<u64>,
    pub(crate) permits: usize,
    /// Whether it was called.
    pub(crate) receivers: Vec<bool>,
    pub(crate) pressure: Pressure,
    /// Items and senders that have come, each with its number.
    pub(crate) arrived: u64,
    pub(crate) accepted: u64,
    pub(crate) completed: u64,
    pub(crate) dropped: u64,
    pub(crate) expired: u64,
    pub(crate) returned: u64,
    pub(crate) dead_lettered: u64,
}

impl Model {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            closed: false,
            items: Vec::new(),
            in_hand: Vec::new(),
            senders: Vec::new(),
            chosen: None,
            permits: 0,
            receivers: Vec::new(),
            pressure: Pressure::Normal,
            arrived: 0,
            accepted: 0,
            completed: 0,
            dropped: 0,
            expired: 0,
            returned: 0,
            dead_lettered: 0,
        }
    }

    fn rank(&self, item: u32) -> u8 {
        if self.options.ranked { rank(item) } else { 0 }
    }

    pub(crate) fn weight(&self, item: u32) -> usize {
        if self.options.max_weight.is_some() { weight(item) } else { 1 }
    }

    fn number(&mut self) -> u64 {
        self.arrived += 1;
        self.arrived
    }

    pub(crate) fn held_weight(&self) -> usize {
        self.items.iter().map(|entry| self.weight(entry.item)).sum()
    }

    fn granted(&self) -> usize {
        if self.is_rendezvous() {
            return 0;
        }
        self.senders.iter().filter(|sender| sender.granted).count() + self.permits
    }

    fn granted_weight(&self) -> usize {
        let granted = self.senders.iter().filter(|sender| sender.granted);
        granted.map(|sender| self.weight(sender.item)).sum::<usize>() + self.permits
    }

    /// In a ranked queue nobody is chosen while all weight is used up.
    fn may_choose(&self) -> bool {
        let used = self.held_weight() + self.granted_weight();
        !self.options.ranked || self.options.max_weight.is_none_or(|max| used < max)
    }

    /// Is there room for one that weighs so much?
    pub(crate) fn has_room(&self, weight: usize) -> bool {
        let Options { capacity, max_weight, hold_senders, when_full, .. } = self.options;
        let held_back = hold_senders && when_full == WhenFull::Wait && self.pressure == Pressure::High;
        !held_back
            && capacity.is_none_or(|capacity| self.items.len() + self.granted() < capacity)
            && max_weight
                .is_none_or(|max| weight == 0 || self.held_weight() + self.granted_weight() + weight <= max)
    }

    fn is_rendezvous(&self) -> bool {
        self.options.capacity == Some(0)
    }

    /// Items on offer at a rendezvous.
    fn offers(&self) -> usize {
        let offered = self.is_rendezvous() && !self.closed;
        self.senders.iter().filter(|sender| offered && !sender.granted).count()
    }

    fn available(&self) -> usize {
        self.items.len() + self.offers()
    }

    /// The items that receivers wait for at a rendezvous and that nobody offers.
    fn wanted(&self) -> usize {
        let meets = self.is_rendezvous() && self.offers() == 0;
        if meets { self.receivers.len().saturating_sub(self.items.len()) } else { 0 }
    }

    pub(crate) fn called(&self) -> usize {
        self.receivers.iter().filter(|called| **called).count()
    }

    pub(crate) fn nobody_in_line(&self) -> bool {
        self.senders.iter().all(|sender| sender.granted)
    }

    /// Gives to those who wait what there is, after each change.
    pub(crate) fn settle(&mut self) {
        let (high, low) = self.options.watermarks;
        let marks = Watermarks::new(high, low).expect("in order");
        let now = self.pressure;
        let by = |part, whole: Option<usize>| whole.map(|whole| marks.update(now, part, whole));
        let len = if self.is_rendezvous() { self.offers() } else { self.items.len() };
        let all = [by(len, self.options.capacity), by(self.held_weight(), self.options.max_weight)];
        let high = all.contains(&Some(Pressure::High));
        self.pressure = if high { Pressure::High } else { Pressure::Normal };

        while !self.closed && !self.is_rendezvous() && self.has_room(0) && self.may_choose() {
            let waiting = |sender: &&Waiting| !sender.granted;
            let chosen = self.senders.iter().filter(waiting).find(|sender| Some(sender.seq) == self.chosen);
            let best = || self.senders.iter().filter(waiting).min_by_key(|it| (self.rank(it.item), it.seq));
            let Some(&Waiting { item, seq, .. }) = chosen.or_else(best) else { break };
            self.chosen = Some(seq);
            if !self.has_room(self.weight(item)) {
                break;
            }
            self.chosen = None;
            self.senders
                .iter_mut()
                .filter(|sender| sender.seq == seq)
                .for_each(|sender| sender.granted = true);
        }
        while self.available() > self.called()
            && let Some(first) = self.receivers.iter_mut().find(|called| !**called)
        {
            *first = true;
        }
    }

    pub(crate) fn ended(&self) -> bool {
        self.closed && self.items.is_empty() && self.in_hand.is_empty()
    }

    fn insert(&mut self, entry: Entry) {
        let behind = |other: &Entry| (other.rank, other.seq) > (entry.rank, entry.seq);
        let at = self.items.iter().position(behind).unwrap_or(self.items.len());
        self.items.insert(at, entry);
    }

    /// What whoever comes does first.
    pub(crate) fn refresh(&mut self) {
        let before = self.expired;
        self.expire();
        if self.expired > before {
            self.settle();
        }
    }

    /// Takes out what nobody wants any more: of a ranked queue all of it, else what has come to the front.
    fn expire(&mut self) {
        let before = self.items.len();
        if self.options.ranked {
            self.items.retain(|entry| !entry.mortal);
        } else {
            let living = self.items.iter().position(|entry| !entry.mortal).unwrap_or(before);
            self.items.drain(..living);
        }
        let gone = (before - self.items.len()) as u64;
        self.expired += gone;
        self.dropped += gone;
    }

    pub(crate) fn store(&mut self, item: u32, mortal: bool) {
        self.accepted += 1;
        let entry = Entry { rank: self.rank(item), seq: self.number(), item, mortal };
        self.insert(entry);
    }

    /// `None`: it would wait. One that `tries` does not offer its item at a rendezvous.
    pub(crate) fn send(
        &mut self,
        item: u32,
        mortal: bool,
        tries: bool,
    ) -> Option<Result<Sent<u32>, SendError<u32>>> {
        if self.options.max_weight.is_some_and(|max| self.weight(item) > max) {
            return Some(Err(SendError::TooHeavy(item)));
        }
        let offers = self.is_rendezvous() && self.options.when_full == WhenFull::Wait && !tries;
        if offers {
            return self.closed.then_some(Err(SendError::Closed(item)));
        }
        self.refresh();
        let sent = if self.closed {
            Some(Err(SendError::Closed(item)))
        } else if self.wanted() > 0 || self.nobody_in_line() && self.has_room(self.weight(item)) {
            self.store(item, mortal);
            Some(Ok(Sent::Stored))
        } else {
            match self.options.when_full {
                WhenFull::Wait => None,
                WhenFull::Refuse => Some(Err(SendError::Full(item))),
                _ => Some(Ok(as_sent(self.displace(item, mortal)))),
            }
        };
        self.settle();
        sent
    }

    pub(crate) fn wait(&mut self, item: u32) {
        let seq = self.number();
        self.senders.push(Waiting { item, seq, granted: false });
        self.settle();
    }

    /// Sends what there is room for, then does what a full queue does; what is left stays in `items`.
    pub(crate) fn send_many(&mut self, items: &mut Vec<u32>) -> Option<Result<(), SendManyError>> {
        let too_heavy = |item: &u32| self.options.max_weight.is_some_and(|max| self.weight(*item) > max);
        if let Some(at) = items.iter().position(too_heavy) {
            return Some(Err(SendManyError::TooHeavy { at }));
        }
        if self.is_rendezvous() && self.options.when_full == WhenFull::Wait {
            if self.closed {
                return Some(Err(SendManyError::Closed));
            }
            // It offers the first, and takes it back.
            self.wait(items[0]);
            self.senders.pop();
            self.settle();
            return None;
        }
        self.refresh();
        if self.closed {
            self.settle();
            return Some(Err(SendManyError::Closed));
        }
        for item in items.drain(..self.wanted().min(items.len())).collect::<Vec<_>>() {
            self.store(item, false);
        }
        while self.nobody_in_line()
            && let Some(&item) = items.first()
            && self.has_room(self.weight(item))
        {
            items.remove(0);
            self.store(item, false);
        }
        let sent = match self.options.when_full {
            _ if items.is_empty() => Some(Ok(())),
            WhenFull::Wait => None,
            WhenFull::Refuse => Some(Err(SendManyError::Full)),
            _ => {
                for item in items.drain(..) {
                    self.displace(item, false);
                }
                Some(Ok(()))
            }
        };
        self.settle();
        sent
    }

    /// Gives what was dropped, which may be the new one.
    fn displace(&mut self, item: u32, mortal: bool) -> Vec<u32> {
        let Options { capacity, max_weight, when_full, ranked, .. } = self.options;
        self.accepted += 1;
        let (max, weight) = (max_weight.unwrap_or(usize::MAX), self.weight(item));
        let places_full =
            |model: &Self| capacity.is_some_and(|capacity| model.items.len() + model.granted() >= capacity);
        let some = !self.items.is_empty() || capacity.is_none_or(|capacity| self.granted() < capacity);
        if when_full == WhenFull::DropIncoming || !some || self.granted_weight() + weight > max {
            self.dropped += 1;
            return vec![item];
        }
        let before = self.items.clone();
        let new = Entry { rank: self.rank(item), seq: self.number(), item, mortal };
        let new_is_last = |model: &Self| model.items.last().is_none_or(|last| last.rank <= new.rank);
        let mut displaced = Vec::new();
        let mut one = places_full(self);
        while one || self.held_weight() + self.granted_weight() + weight > max {
            one = false;
            if when_full == WhenFull::DropYoungest && ranked && new_is_last(self) {
                self.items = before;
                self.dropped += 1;
                return vec![item];
            }
            let at = if when_full == WhenFull::DropOldest { 0 } else { self.items.len() - 1 };
            displaced.push(self.items.remove(at).item);
        }
        self.dropped += displaced.len() as u64;
        self.insert(new);
        displaced
    }

    pub(crate) fn poll_send(&mut self, at: usize) -> Option<Result<Sent<u32>, SendError<u32>>> {
        let Waiting { item, granted, .. } = self.senders[at];
        if !granted && !self.closed {
            return None;
        }
        self.senders.remove(at);
        let sent = if granted && self.is_rendezvous() {
            Ok(Sent::Stored)
        } else if self.closed {
            Err(SendError::Closed(item))
        } else {
            self.store(item, false);
            Ok(Sent::Stored)
        };
        self.settle();
        Some(sent)
    }

    /// At most `max` at once; what comes free is granted only behind them.
    pub(crate) fn take_many(&mut self, max: usize) -> Vec<Entry> {
        self.refresh();
        let free = self.available().saturating_sub(self.called()).min(max);
        let mut taken = Vec::new();
        while taken.len() < free && self.available() > self.called() {
            let entry = if self.items.is_empty() { self.take_offer() } else { self.items.remove(0) };
            taken.push(entry);
            self.expire();
        }
        self.settle();
        taken
    }

    fn take_offer(&mut self) -> Entry {
        let offers = self.senders.iter().filter(|sender| !sender.granted);
        let next = offers.min_by_key(|sender| (self.rank(sender.item), sender.seq));
        let Waiting { item, seq, .. } = *next.expect("there are offers");
        for sender in self.senders.iter_mut().filter(|sender| sender.seq == seq) {
            sender.granted = true;
        }
        self.accepted += 1;
        Entry { rank: self.rank(item), seq: self.number(), item, mortal: false }
    }

    pub(crate) fn take(&mut self) -> Option<Entry> {
        self.take_many(1).pop()
    }

    /// `None`: it waits on, and where there is nothing any more for which it was called, as the first.
    pub(crate) fn poll_recv(&mut self, at: &mut usize) -> Option<Option<u32>> {
        self.refresh();
        if self.receivers[*at] {
            // Those who were called last have nothing if something has gone since.
            let before = self.receivers[..*at].iter().filter(|called| **called).count();
            let entitled = self.available() > before;
            self.receivers.remove(*at);
            if entitled {
                self.completed += 1;
                let entry = if self.items.is_empty() { self.take_offer() } else { self.items.remove(0) };
                self.expire();
                self.settle();
                return Some(Some(entry.item));
            }
            if !self.ended() {
                *at = self.receivers.iter().position(|called| !called).unwrap_or(self.receivers.len());
                self.receivers.insert(*at, false);
                self.settle();
                return None;
            }
            self.settle();
            return Some(None);
        }
        let ended = self.ended().then(|| {
            self.receivers.remove(*at);
            None
        });
        self.settle();
        ended
    }

    pub(crate) fn put_back(&mut self, entry: Entry) {
        self.insert(entry);
        self.settle();
    }

    /// Takes out an item that waits.
    pub(crate) fn cancel(&mut self, item: u32) -> Option<u32> {
        let at = self.items.iter().position(|entry| entry.item == item)?;
        self.items.remove(at);
        self.returned += 1;
        self.settle();
        Some(item)
    }

    /// Says whether the item waits or is in hand.
    pub(crate) fn rerank(&mut self, item: u32, rank: u8) -> bool {
        if let Some(at) = self.items.iter().position(|entry| entry.item == item) {
            let entry = self.items.remove(at);
            self.insert(Entry { rank, ..entry });
            return true;
        }
        let hand = self.in_hand.iter_mut().find(|entry| entry.item == item);
        hand.map(|entry| entry.rank = rank).is_some()
    }
}

fn as_sent(displaced: Vec<u32>) -> Sent<u32> {
    match displaced[..] {
        [] => Sent::Stored,
        [one] => Sent::Displaced(one),
        _ => Sent::DisplacedMany(displaced),
    }
}
