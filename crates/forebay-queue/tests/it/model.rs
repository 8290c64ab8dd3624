//! A queue as one would draw it on paper, for the real one to be compared with.

use std::collections::VecDeque;

use forebay_queue::{SendError, SendManyError, Sent, WhenFull};

/// The queue as one would draw it on paper: who waits has been given something or not.
pub(crate) struct Model {
    pub(crate) capacity: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) closed: bool,
    /// With the number of its arrival.
    pub(crate) items: VecDeque<(u64, u32)>,
    pub(crate) in_hand: Vec<(u64, u32)>,
    /// Item, and whether a place was granted.
    pub(crate) senders: Vec<(u32, bool)>,
    pub(crate) permits: usize,
    /// Whether it was called.
    pub(crate) receivers: Vec<bool>,
    pub(crate) accepted: u64,
    pub(crate) completed: u64,
    pub(crate) dropped: u64,
    pub(crate) dead_lettered: u64,
}

impl Model {
    pub(crate) fn new(capacity: usize, when_full: WhenFull) -> Self {
        Self {
            capacity,
            when_full,
            closed: false,
            items: VecDeque::new(),
            in_hand: Vec::new(),
            senders: Vec::new(),
            permits: 0,
            receivers: Vec::new(),
            accepted: 0,
            completed: 0,
            dropped: 0,
            dead_lettered: 0,
        }
    }

    pub(crate) fn free(&self) -> usize {
        let granted = self.senders.iter().filter(|(_, granted)| *granted).count();
        self.capacity.saturating_sub(self.items.len() + granted + self.permits)
    }

    pub(crate) fn called(&self) -> usize {
        self.receivers.iter().filter(|called| **called).count()
    }

    pub(crate) fn settle(&mut self) {
        while self.free() > 0
            && let Some(first) = self.senders.iter_mut().find(|(_, granted)| !granted)
        {
            first.1 = true;
        }
        while self.items.len() > self.called()
            && let Some(first) = self.receivers.iter_mut().find(|called| !**called)
        {
            *first = true;
        }
    }

    pub(crate) fn ended(&self) -> bool {
        self.closed && self.items.is_empty() && self.in_hand.is_empty()
    }

    pub(crate) fn store(&mut self, item: u32) {
        self.accepted += 1;
        self.items.push_back((self.accepted, item));
        self.settle();
    }

    pub(crate) fn nobody_in_line(&self) -> bool {
        self.senders.iter().all(|(_, granted)| *granted)
    }

    /// `None`: it would wait.
    pub(crate) fn send(&mut self, item: u32) -> Option<Result<Sent<u32>, SendError<u32>>> {
        if self.closed {
            return Some(Err(SendError::Closed(item)));
        }
        if self.nobody_in_line() && self.free() > 0 {
            self.store(item);
            return Some(Ok(Sent::Stored));
        }
        match self.when_full {
            WhenFull::Wait => None,
            WhenFull::Refuse => Some(Err(SendError::Full(item))),
            _ => Some(Ok(Sent::Displaced(self.displace(item)))),
        }
    }

    /// Sends what there is room for, then does what a full queue does; what is left stays in `items`.
    pub(crate) fn send_many(&mut self, items: &mut Vec<u32>) -> Option<Result<(), SendManyError>> {
        if self.closed {
            return Some(Err(SendManyError::Closed));
        }
        if self.nobody_in_line() {
            for item in items.drain(..self.free().min(items.len())) {
                self.accepted += 1;
                self.items.push_back((self.accepted, item));
            }
            self.settle();
        }
        match self.when_full {
            _ if items.is_empty() => Some(Ok(())),
            WhenFull::Wait => None,
            WhenFull::Refuse => Some(Err(SendManyError::Full)),
            _ => {
                for item in items.drain(..) {
                    self.displace(item);
                }
                Some(Ok(()))
            }
        }
    }

    pub(crate) fn displace(&mut self, item: u32) -> u32 {
        let displaced = match self.when_full {
            WhenFull::DropYoungest => self.items.pop_back(),
            WhenFull::DropOldest => self.items.pop_front(),
            _ => None,
        };
        self.accepted += 1;
        self.dropped += 1;
        if displaced.is_some() {
            self.items.push_back((self.accepted, item));
        }
        displaced.map_or(item, |(_, displaced)| displaced)
    }

    pub(crate) fn poll_send(&mut self, at: usize) -> Option<Result<Sent<u32>, SendError<u32>>> {
        let (item, granted) = self.senders[at];
        if !granted && !self.closed {
            return None;
        }
        self.senders.remove(at);
        if self.closed {
            self.settle();
            return Some(Err(SendError::Closed(item)));
        }
        self.store(item);
        Some(Ok(Sent::Stored))
    }

    /// As a batch takes them: what comes free in between is granted only behind it.
    pub(crate) fn take_without_settling(&mut self) -> Option<(u64, u32)> {
        (self.items.len() > self.called()).then(|| self.items.pop_front().expect("there are items"))
    }

    pub(crate) fn take(&mut self) -> Option<(u64, u32)> {
        (self.items.len() > self.called()).then(|| {
            let item = self.items.pop_front().expect("there are items");
            self.settle();
            item
        })
    }

    /// `None`: it waits on.
    pub(crate) fn poll_recv(&mut self, at: usize) -> Option<Option<u32>> {
        if self.receivers[at] {
            self.receivers.remove(at);
            self.completed += 1;
            return Some(self.take().map(|(_, item)| item));
        }
        self.ended().then(|| {
            self.receivers.remove(at);
            None
        })
    }

    pub(crate) fn put_back(&mut self, item: (u64, u32)) {
        let place = self.items.iter().position(|&other| other.0 > item.0).unwrap_or(self.items.len());
        self.items.insert(place, item);
        self.settle();
    }
}
