//! What one writes oneself: a heap or lanes behind a lock, and a notification for each side.
//!
//! It keeps less than a queue of ours: whoever comes takes what is free, also before those who were woken, nobody is
//! promoted, and nothing can be taken out or put back.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::{Contender, Load, Measured, rank};
use crate::queue::{Rx, Tx};

pub(super) const HEAP: Contender = Contender {
    name: "heap",
    package: "parking_lot",
    classes: true,
    keys: true,
    receives: true,
    slow: false,
    measure: |load| match load.keys {
        false => drive(load, parking_lot::Mutex::new(Line::new(Heap::default()))),
        true => drive(load, parking_lot::Mutex::new(Line::new(FairHeap::default()))),
    },
};

pub(super) const ASYNC_HEAP: Contender = Contender {
    name: "heap-tokio",
    package: "tokio",
    classes: true,
    keys: true,
    receives: true,
    slow: false,
    measure: |load| match load.keys {
        false => drive(load, tokio::sync::Mutex::new(Line::new(Heap::default()))),
        true => drive(load, tokio::sync::Mutex::new(Line::new(FairHeap::default()))),
    },
};

pub(super) const LANES: Contender = Contender {
    name: "lanes",
    package: "parking_lot",
    classes: true,
    keys: false,
    receives: true,
    slow: false,
    measure: |load| drive(load, parking_lot::Mutex::new(Line::new(Lanes::new(load.ranks)))),
};

/// In which order items leave.
trait Order: Send + 'static {
    fn push(&mut self, item: usize, rank: usize);
    fn pop(&mut self) -> Option<usize>;
    fn len(&self) -> usize;
}

/// By class, then by arrival.
#[derive(Default)]
struct Heap {
    items: BinaryHeap<Reverse<(usize, u64, usize)>>,
    next: u64,
}

/// By what each key has had, then by arrival. A key is never forgotten.
#[derive(Default)]
struct FairHeap {
    items: BinaryHeap<Reverse<(u64, u64, usize)>>,
    finish: HashMap<usize, u64>,
    now: u64,
    next: u64,
}

/// A line for each class, and a bit for each line that has somebody.
struct Lanes {
    lanes: Vec<VecDeque<usize>>,
    filled: Vec<u64>,
    len: usize,
}

/// An order, and who waits.
struct Line<O> {
    order: O,
    takers: usize,
    putters: usize,
}

struct Shared<L> {
    line: L,
    capacity: usize,
    ranks: usize,
    senders: AtomicUsize,
    there: Notify,
    room: Notify,
}

/// A lock, whether it is waited for by a thread or by a task.
trait Guarded: Send + Sync + 'static {
    type Order: Order;

    fn with<R: Send>(
        &self,
        section: impl FnOnce(&mut Line<Self::Order>) -> R + Send,
    ) -> impl Future<Output = R> + Send;
}

struct Sending<L>(Arc<Shared<L>>);

struct Receiving<L>(Arc<Shared<L>>);

fn drive<L: Guarded>(load: &Load, line: L) -> Measured {
    let shared = Arc::new(Shared {
        line,
        capacity: load.capacity(),
        ranks: load.ranks,
        senders: AtomicUsize::new(1),
        there: Notify::new(),
        room: Notify::new(),
    });
    load.drive(Sending(shared.clone()), Receiving(shared))
}

// === impl Heap ===

impl Order for Heap {
    fn push(&mut self, item: usize, rank: usize) {
        self.items.push(Reverse((rank, self.next, item)));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<usize> {
        self.items.pop().map(|Reverse((_, _, item))| item)
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

// === impl FairHeap ===

impl Order for FairHeap {
    fn push(&mut self, item: usize, rank: usize) {
        let finish = self.finish.entry(rank).or_default();
        *finish = (*finish).max(self.now) + 1;
        self.items.push(Reverse((*finish, self.next, item)));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<usize> {
        let Reverse((finish, _, item)) = self.items.pop()?;
        self.now = finish;
        Some(item)
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

// === impl Lanes ===

impl Lanes {
    fn new(classes: usize) -> Self {
        Self { lanes: vec![VecDeque::new(); classes], filled: vec![0; classes.div_ceil(64)], len: 0 }
    }
}

impl Order for Lanes {
    fn push(&mut self, item: usize, rank: usize) {
        self.lanes[rank].push_back(item);
        self.filled[rank / 64] |= 1 << (rank % 64);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<usize> {
        let word = self.filled.iter().position(|word| *word != 0)?;
        let bit = self.filled[word].trailing_zeros();
        let lane = &mut self.lanes[word * 64 + bit as usize];
        let item = lane.pop_front();
        if lane.is_empty() {
            self.filled[word] &= !(1 << bit);
        }
        self.len -= 1;
        item
    }

    fn len(&self) -> usize {
        self.len
    }
}

// === impl Line ===

impl<O: Order> Line<O> {
    fn new(order: O) -> Self {
        Self { order, takers: 0, putters: 0 }
    }

    /// Puts an item in, if there is room; otherwise its sender waits, if it says so. Says whom to wake.
    fn put(&mut self, item: usize, rank: usize, capacity: usize, waits: bool) -> Option<Wake> {
        if self.order.len() >= capacity {
            self.putters += usize::from(waits);
            return None;
        }
        self.order.push(item, rank);
        Some(Wake::one_of(&mut self.takers))
    }

    fn take(&mut self, waits: bool) -> Option<(usize, Wake)> {
        let item = self.order.pop();
        self.takers += usize::from(waits && item.is_none());
        Some((item?, Wake::one_of(&mut self.putters)))
    }
}

/// Whether somebody waits for this.
struct Wake(bool);

impl Wake {
    fn one_of(waiting: &mut usize) -> Self {
        let wakes = *waiting > 0;
        *waiting -= usize::from(wakes);
        Self(wakes)
    }

    fn tell(self, notify: &Notify) {
        if self.0 {
            notify.notify_one();
        }
    }
}

// === impl Guarded ===

impl<O: Order> Guarded for parking_lot::Mutex<Line<O>> {
    type Order = O;

    async fn with<R: Send>(&self, section: impl FnOnce(&mut Line<O>) -> R + Send) -> R {
        section(&mut self.lock())
    }
}

impl<O: Order> Guarded for tokio::sync::Mutex<Line<O>> {
    type Order = O;

    async fn with<R: Send>(&self, section: impl FnOnce(&mut Line<O>) -> R + Send) -> R {
        section(&mut *self.lock().await)
    }
}

// === impl Sending ===

impl<L: Guarded> Tx for Sending<L> {
    async fn put(&mut self, item: usize) {
        let Shared { line, capacity, ranks, there, room, .. } = &*self.0;
        let rank = rank(item, *ranks);
        if let Some(wake) = line.with(|line| line.put(item, rank, *capacity, false)).await {
            return wake.tell(there);
        }
        loop {
            let mut free = pin!(room.notified());
            free.as_mut().enable();
            if let Some(wake) = line.with(|line| line.put(item, rank, *capacity, true)).await {
                return wake.tell(there);
            }
            free.await;
        }
    }
}

impl<L> Clone for Sending<L> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<L> Drop for Sending<L> {
    fn drop(&mut self) {
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.there.notify_waiters();
        }
    }
}

// === impl Receiving ===

impl<L: Guarded> Rx for Receiving<L> {
    async fn take(&mut self) -> Option<usize> {
        let Shared { line, senders, there, room, .. } = &*self.0;
        if let Some((item, wake)) = line.with(|line| line.take(false)).await {
            wake.tell(room);
            return Some(item);
        }
        loop {
            let mut filled = pin!(there.notified());
            filled.as_mut().enable();
            if let Some((item, wake)) = line.with(|line| line.take(true)).await {
                wake.tell(room);
                return Some(item);
            }
            if senders.load(Ordering::Acquire) == 0 {
                return None;
            }
            filled.await;
        }
    }
}

impl<L> Clone for Receiving<L> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
