//! Waiters, first come, first served, and waiters that have been served and do not know it yet.
//!
//! A waiter is a node in a slab that its future or its handle names by key. It is in the line while it is
//! [`Turn::Waiting`], and in a second list, in the order of serving, while it is [`Turn::Served`]. It stays in the
//! slab until its owner takes it out. All of it is guarded by the queue's lock.

use std::mem;
use std::task::Waker;

use slab::Slab;

/// Names a waiter to its owner.
pub(crate) type Key = usize;

/// By how many items or places a running task may overtake a waiter that was woken.
pub(crate) const OVERTAKES: usize = 16;

/// How many places for nodes are kept when nobody waits any more.
const KEPT: usize = 256;

/// Where a waiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In the line.
    Waiting,
    /// Out of the line: it has what it waited for, was woken, and has not been polled since.
    Served,
    /// Out of the line: what it waited for will not come.
    Closed,
}

/// A waiter, with what it waits for in `what`.
struct Waiter<W> {
    turn: Turn,
    what: W,
    waker: Option<Waker>,
    /// The value of `passed` when it was served.
    passed_before: u64,
    prev: Link,
    next: Link,
}

/// The key of a neighbour in a list, or none. Half as large as an `Option<Key>`: nodes are copied in and out.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Link(u32);

/// A line of waiters.
pub(crate) struct Waiters<W> {
    nodes: Slab<Waiter<W>>,
    waiting: Ends,
    served: Ends,
    /// How many items or places went to others while somebody was served and not polled. Only differences count.
    passed: u64,
}

/// A doubly linked list through the slab.
struct Ends {
    head: Link,
    tail: Link,
    len: usize,
}

// === impl Waiters ===

impl<W> Waiters<W> {
    pub(crate) fn new() -> Self {
        Self { nodes: Slab::new(), waiting: Ends::EMPTY, served: Ends::EMPTY, passed: 0 }
    }

    /// How many waiters are in the line.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.len == 0
    }

    /// How many waiters were served and have not been polled since.
    pub(crate) fn served(&self) -> usize {
        self.served.len
    }

    /// The first waiter in the line.
    pub(crate) fn first(&self) -> Option<Key> {
        self.waiting.head.key()
    }

    /// How many waiters were served before this served one, and have not been polled since. A walk, for rare cases.
    pub(crate) fn position(&self, key: Key) -> usize {
        let before = |at: &Key| self.nodes[*at].prev.key();
        std::iter::successors(before(&key), before).count()
    }

    /// The waiter behind this one, which must be in the line.
    pub(crate) fn behind(&self, key: Key) -> Option<Key> {
        self.nodes[key].next.key()
    }

    pub(crate) fn turn(&self, key: Key) -> Turn {
        self.nodes[key].turn
    }

    pub(crate) fn what(&mut self, key: Key) -> &mut W {
        &mut self.nodes[key].what
    }

    /// Adds a waiter at the end.
    pub(crate) fn push_back(&mut self, what: W, waker: Waker) -> Key {
        let key = self.nodes.insert(Waiter::new(what, waker));
        self.waiting.push_back(key, &mut self.nodes);
        key
    }

    /// Adds a waiter at the front: it was served with something that went away again.
    pub(crate) fn push_front(&mut self, what: W, waker: Waker) -> Key {
        let key = self.nodes.insert(Waiter::new(what, waker));
        self.waiting.push_front(key, &mut self.nodes);
        key
    }

    /// Serves the first in the line. Its waker is to be called after the lock is released.
    pub(crate) fn serve(&mut self) -> Option<(Key, Option<Waker>)> {
        let key = self.waiting.head.key()?;
        Some((key, self.serve_at(key)))
    }

    /// The last waiter in the line.
    #[cfg(feature = "tower")]
    pub(crate) fn last(&self) -> Option<Key> {
        self.waiting.tail.key()
    }

    /// Serves this waiter, which must be in the line. Its waker is to be called after the lock is released.
    pub(crate) fn serve_at(&mut self, key: Key) -> Option<Waker> {
        self.waiting.unlink(key, &mut self.nodes);
        self.served.push_back(key, &mut self.nodes);
        let node = &mut self.nodes[key];
        node.turn = Turn::Served;
        node.passed_before = self.passed;
        node.waker.take()
    }

    /// Dismisses this waiter, which must be in the line. Its waker is to be called after the lock is released.
    pub(crate) fn dismiss_at(&mut self, key: Key) -> Option<Waker> {
        self.waiting.unlink(key, &mut self.nodes);
        let node = &mut self.nodes[key];
        node.turn = Turn::Closed;
        node.waker.take()
    }

    /// The owner takes its node out. The waker inside is to be dropped after the lock is released.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> (Option<Waker>, W) {
        match self.nodes[key].turn {
            Turn::Waiting => self.waiting.unlink(key, &mut self.nodes),
            Turn::Served => self.served.unlink(key, &mut self.nodes),
            Turn::Closed => {}
        }
        let node = self.nodes.remove(key);
        if self.nodes.is_empty() && self.nodes.capacity() > KEPT {
            // A crowd has gone; its memory need not be kept.
            self.nodes = Slab::new();
        }
        (node.waker, node.what)
    }

    /// How many more items or places a running task may take before the served waiters are polled.
    pub(crate) fn allowance(&self) -> usize {
        self.served.head.key().map_or(usize::MAX, |oldest| {
            let passed = self.passed - self.nodes[oldest].passed_before;
            OVERTAKES.saturating_sub(usize::try_from(passed).unwrap_or(usize::MAX))
        })
    }

    /// Notes that `count` items or places went to a task that did not wait for them.
    pub(crate) fn pass(&mut self, count: usize) {
        if self.served.len > 0 {
            self.passed += count as u64;
        }
    }

    /// Replaces the waker; the old one is to be dropped after the lock is released.
    #[must_use]
    pub(crate) fn renew(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        self.nodes[key].waker.replace(waker)
    }

    /// Takes the waker of a served waiter that is to look at what came of it.
    #[cfg(feature = "tower")]
    pub(crate) fn take_waker(&mut self, key: Key) -> Option<Waker> {
        self.nodes[key].waker.take()
    }

    /// Takes the wakers of all waiters in the line, which stay there, to have them look at something. They leave new wakers
    /// when they are polled.
    pub(crate) fn take_wakers(&mut self, mut each: impl FnMut(Waker)) {
        let mut next = self.waiting.head;
        while let Some(key) = next.key() {
            let node = &mut self.nodes[key];
            node.waker.take().into_iter().for_each(&mut each);
            next = node.next;
        }
    }
}

// === impl Waiter ===

impl<W> Waiter<W> {
    fn new(what: W, waker: Waker) -> Self {
        Self {
            turn: Turn::Waiting,
            what,
            waker: Some(waker),
            passed_before: 0,
            prev: Link::NONE,
            next: Link::NONE,
        }
    }
}

// === impl Link ===

impl Link {
    const NONE: Self = Self(u32::MAX);

    /// # Panics
    ///
    /// If four thousand million wait.
    fn to(key: Key) -> Self {
        assert!(key < u32::MAX as usize, "four thousand million waiting tasks do not fit");
        Self(key as u32)
    }

    fn key(self) -> Option<Key> {
        (self != Self::NONE).then_some(self.0 as Key)
    }
}

// === impl Ends ===

impl Ends {
    const EMPTY: Self = Self { head: Link::NONE, tail: Link::NONE, len: 0 };

    fn push_back<W>(&mut self, key: Key, nodes: &mut Slab<Waiter<W>>) {
        let link = Link::to(key);
        let before = mem::replace(&mut self.tail, link);
        nodes[key].prev = before;
        match before.key() {
            Some(tail) => nodes[tail].next = link,
            None => self.head = link,
        }
        self.len += 1;
    }

    fn push_front<W>(&mut self, key: Key, nodes: &mut Slab<Waiter<W>>) {
        let link = Link::to(key);
        let behind = mem::replace(&mut self.head, link);
        nodes[key].next = behind;
        match behind.key() {
            Some(head) => nodes[head].prev = link,
            None => self.tail = link,
        }
        self.len += 1;
    }

    #[inline]
    fn unlink<W>(&mut self, key: Key, nodes: &mut Slab<Waiter<W>>) {
        if self.len == 1 {
            // A single waiter has no neighbours.
            *self = Self::EMPTY;
        } else {
            self.unlink_between(key, nodes);
        }
    }

    fn unlink_between<W>(&mut self, key: Key, nodes: &mut Slab<Waiter<W>>) {
        let node = &mut nodes[key];
        let prev = mem::replace(&mut node.prev, Link::NONE);
        let next = mem::replace(&mut node.next, Link::NONE);
        match prev.key() {
            Some(prev) => nodes[prev].next = next,
            None => self.head = next,
        }
        match next.key() {
            Some(next) => nodes[next].prev = prev,
            None => self.tail = prev,
        }
        self.len -= 1;
    }
}
