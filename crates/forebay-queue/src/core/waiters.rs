//! Those who wait, first come, first served.
//!
//! A waiter is a node in a slab that its future or its handle names by key. It is in the line exactly while it
//! is [`Turn::Waiting`]; it stays in the slab until its owner takes it out. All of it is guarded by the
//! queue's lock.

use std::task::Waker;

use slab::Slab;

/// Names a waiter to its owner.
pub(crate) type Key = usize;

/// Where a waiter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In the line.
    Waiting,
    /// Out of the line: it has what it waited for, and must be polled to take it.
    Served,
    /// Out of the line: what it waited for will not come.
    Closed,
}

/// One who waits, with what it waits for in `what`.
struct Waiter<W> {
    turn: Turn,
    what: W,
    waker: Option<Waker>,
    prev: Option<Key>,
    next: Option<Key>,
}

/// A line of waiters.
pub(crate) struct Line<W> {
    nodes: Slab<Waiter<W>>,
    head: Option<Key>,
    tail: Option<Key>,
    len: usize,
}

// === impl Line ===

impl<W> Line<W> {
    pub(crate) fn new() -> Self {
        Self { nodes: Slab::new(), head: None, tail: None, len: 0 }
    }

    /// How many are in the line.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Who is first in the line.
    pub(crate) fn first(&self) -> Option<Key> {
        self.head
    }

    pub(crate) fn turn(&self, key: Key) -> Turn {
        self.nodes[key].turn
    }

    pub(crate) fn what(&mut self, key: Key) -> &mut W {
        &mut self.nodes[key].what
    }

    /// Joins at the end.
    pub(crate) fn push_back(&mut self, what: W, waker: Waker) -> Key {
        let node = Waiter { turn: Turn::Waiting, what, waker: Some(waker), prev: self.tail, next: None };
        let key = self.nodes.insert(node);
        match self.tail {
            Some(tail) => self.nodes[tail].next = Some(key),
            None => self.head = Some(key),
        }
        self.tail = Some(key);
        self.len += 1;
        key
    }

    /// Joins at the front: for one who was served with something that went away again.
    pub(crate) fn push_front(&mut self, what: W, waker: Waker) -> Key {
        let node = Waiter { turn: Turn::Waiting, what, waker: Some(waker), prev: None, next: self.head };
        let key = self.nodes.insert(node);
        match self.head {
            Some(head) => self.nodes[head].prev = Some(key),
            None => self.tail = Some(key),
        }
        self.head = Some(key);
        self.len += 1;
        key
    }

    /// Takes the first out of the line with this turn. Its waker is to be called after the lock is released.
    pub(crate) fn pop(&mut self, turn: Turn) -> Option<(Key, Option<Waker>)> {
        let key = self.head?;
        self.unlink(key);
        let node = &mut self.nodes[key];
        node.turn = turn;
        Some((key, node.waker.take()))
    }

    /// The owner takes its node out. The waker inside is to be dropped after the lock is released.
    pub(crate) fn remove(&mut self, key: Key) -> (Option<Waker>, W) {
        if self.nodes[key].turn == Turn::Waiting {
            self.unlink(key);
        }
        let node = self.nodes.remove(key);
        (node.waker, node.what)
    }

    /// Replaces the waker; the old one is to be dropped after the lock is released.
    #[must_use]
    pub(crate) fn renew(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        self.nodes[key].waker.replace(waker)
    }

    /// Takes the waker of one who stays in the line, to have it look at something. It renews it when polled.
    pub(crate) fn take_waker(&mut self, key: Key) -> Option<Waker> {
        self.nodes[key].waker.take()
    }

    fn unlink(&mut self, key: Key) {
        let (prev, next) = (self.nodes[key].prev.take(), self.nodes[key].next.take());
        match prev {
            Some(prev) => self.nodes[prev].next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => self.nodes[next].prev = prev,
            None => self.tail = prev,
        }
        self.len -= 1;
    }
}
