//! Room for bodies in memory, which all of a run share.
//!
//! A body takes of it what comes, since nobody knows before how long it will be, and keeps it until its result is written. So all of it
//! may be taken by bodies of which none is whole; then one at a time goes on beyond it, and gives its part back in the end. What is in
//! memory is the room and one body at the most.

use std::sync::Arc;

use bytes::Bytes;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many bytes of bodies for all, and one body beyond that.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    bytes: Arc<Semaphore>,
    beyond: Arc<Semaphore>,
}

/// What one body has of it, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Part {
    bytes: Option<OwnedSemaphorePermit>,
    beyond: Option<OwnedSemaphorePermit>,
}

/// A body with the part that it needs.
struct Held {
    body: Bytes,
    _part: Part,
}

// === impl Room ===

impl Room {
    /// At most 2^32 bytes.
    pub(crate) fn new(bytes: u32) -> Self {
        Self { bytes: Arc::new(Semaphore::new(bytes as usize)), beyond: Arc::new(Semaphore::new(1)) }
    }

    /// Waits until there is some: who has not begun need not add to those who wait for the rest of theirs.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has taken nothing.
    pub(crate) async fn some(&self) {
        let _ = self.bytes.acquire().await;
    }

    /// So many bytes more for a body, at once if there are any.
    pub(crate) fn try_more(&self, part: &mut Part, bytes: usize) -> bool {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if part.beyond.is_some() {
            return true;
        }
        let taken = self.bytes.clone().try_acquire_many_owned(bytes);
        taken.map(|taken| part.add(taken)).is_ok()
    }

    /// So many bytes more for a body. First come, first served, but for the one that goes beyond.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has taken nothing.
    pub(crate) async fn more(&self, part: &mut Part, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        // Neither is ever closed.
        select! {
            biased;
            Ok(taken) = self.bytes.clone().acquire_many_owned(bytes) => part.add(taken),
            Ok(beyond) = self.beyond.clone().acquire_owned() => part.beyond = Some(beyond),
        }
    }
}

// === impl Part ===

impl Part {
    fn add(&mut self, taken: OwnedSemaphorePermit) {
        match &mut self.bytes {
            Some(bytes) => bytes.merge(taken),
            none => *none = Some(taken),
        }
    }

    /// The body, which keeps its part for as long as anything of it is there.
    pub(crate) fn keep(self, body: Bytes) -> Bytes {
        Bytes::from_owner(Held { body, _part: self })
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn one_goes_on_beyond_it_and_the_others_wait_for_what_comes_back() {
        let room = Room::new(100);
        let (mut one, mut other, mut third) = (Part::default(), Part::default(), Part::default());
        assert!(room.try_more(&mut one, 60) && room.try_more(&mut other, 40));
        assert!(!room.try_more(&mut one, 1) && room.some().now_or_never().is_none());
        room.more(&mut one, 30).now_or_never().expect("one goes beyond");
        assert!(room.try_more(&mut one, 1_000_000));
        assert!(room.more(&mut other, 30).now_or_never().is_none());
        let body = one.keep(Bytes::from_static(b"whole"));
        let half = body.slice(..2);
        drop(body);
        assert!(room.more(&mut other, 30).now_or_never().is_none(), "something of it is there");
        drop(half);
        room.more(&mut other, 30).now_or_never().expect("what it had has come back");
        room.more(&mut third, 30).now_or_never().expect("and is enough for the next");
        assert!(third.beyond.is_none());
    }
}
