//! The way of an item to all branches.
//!
//! # Nothing before everything
//!
//! 1. All sends wait for places in the same order, and nobody else sends into these queues. So a send that has a place
//!    in a queue waits only for later queues, and two never wait for each other. Branches that hold come first: others
//!    miss a place that is kept while those are waited for. Where a place is kept all the same, in a queue that is
//!    detached after a time, while later ones or a sink are waited for, that time is not its reader's (`keepers.rs`).
//! 2. Clones are made, and sinks called, while nothing is in any queue yet. Both are code of others: they may panic, or
//!    be dropped in the middle.
//!    Where they panic, the clones that are there already are dropped each by itself: their destructors are such code, too,
//!    and two panics, the second while the first unwinds, would end the process.
//! 3. From the first queue that gets the item to the last there is no await.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use forebay_queue::{ItemSink, Permit, SinkError, TrySendError};

use super::branch::{Branch, To};
use super::keepers::keeping;
use super::stats::{Round, Taken};
use super::{BranchError, Detached, Tee, WhenSlow};
use crate::contain::{Contained, contain};

type Handing<'a> = Pin<Box<dyn Future<Output = Result<Taken, BranchError>> + Send + 'a>>;

/// The rest of a batch. What was not accepted goes back into the `Vec`, whatever happens.
pub(super) struct Remaining<'a, T> {
    /// The next one.
    pub(super) slot: Option<T>,
    rest: std::vec::IntoIter<T>,
    back: &'a mut Vec<T>,
}

// === impl Tee ===

impl<T: Clone + Send + Sync + 'static> Tee<T> {
    /// Gives the item in `slot` to all branches; it stays there if that does not work.
    pub(super) async fn offer(&self, slot: &mut Option<T>) -> Result<(), BranchError> {
        // Nothing below waits where all branches have room, and others must get their turn.
        tokio::task::coop::consume_budget().await;
        let branches = &self.shared.branches;
        let mut round = self.shared.tallies.round(branches.len());
        let leads: Vec<Option<Arc<To<T>>>> = branches.iter().map(Branch::to).collect();

        let mut places: Vec<_> = branches.iter().map(|_| None).collect();
        let mut kept = Vec::new();
        for holding in [true, false] {
            for (at, branch) in branches.iter().enumerate() {
                if holding == (branch.when_slow == WhenSlow::Hold) {
                    places[at] = keeping(&kept, branch.place(leads[at].as_deref())).await?;
                    kept.extend(places[at].as_ref().filter(|_| !holding).map(|_| &branch.keepers));
                }
            }
        }
        let Some(item) = slot.as_ref() else { return Ok(()) };
        keeping(&kept, self.hand_to_sinks(item, &leads, &mut round)).await?;
        let mut queued: Vec<_> =
            (0..branches.len()).filter(|&at| branches[at].takes(leads[at].as_deref())).collect();
        let Some(last) = queued.pop() else {
            round.accept();
            discard(slot.take());
            return Ok(());
        };
        let clones: Vec<_> = queued.iter().map(|_| Contained::new(item.clone())).collect();
        for (branch, to) in branches.iter().zip(&leads) {
            branch.still_there(to.as_deref())?;
        }
        for (at, clone) in queued.into_iter().zip(clones) {
            let given = branches[at].give(leads[at].as_deref(), places[at].take(), clone.into_inner());
            round.taken[at] = given.map_err(|(error, clone)| {
                discard(clone);
                error
            })?;
        }
        if let Some(item) = slot.take() {
            match branches[last].give(leads[last].as_deref(), places[last].take(), item) {
                Ok(taken) => round.taken[last] = taken,
                Err((error, item)) => {
                    *slot = Some(item);
                    return Err(error);
                }
            }
        }
        round.accept();
        Ok(())
    }

    /// All sinks at once, so that the slowest determines how long it takes, and not their sum.
    async fn hand_to_sinks(
        &self,
        item: &T,
        leads: &[Option<Arc<To<T>>>],
        round: &mut Round<'_>,
    ) -> Result<(), BranchError> {
        let mut handing: Vec<(usize, Handing<'_>)> = Vec::new();
        for (at, (branch, to)) in self.shared.branches.iter().zip(leads).enumerate() {
            if let Some(To::Sink(sink)) = to.as_deref() {
                handing.push((at, Box::pin(branch.hand(&***sink, Contained::new(item.clone())))));
            }
        }
        poll_fn(|cx| {
            let mut failed = None;
            handing.retain_mut(|(at, taking)| match taking.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(taken)) => {
                    round.taken[*at] = taken;
                    false
                }
                Poll::Ready(Err(error)) => {
                    match failed {
                        None => failed = Some(error),
                        // Its destructor may be a sink's.
                        Some(_) => discard(error),
                    }
                    false
                }
            });
            match failed {
                Some(error) => Poll::Ready(Err(error)),
                None if handing.is_empty() => Poll::Ready(Ok(())),
                None => Poll::Pending,
            }
        })
        .await
    }
}

// === impl Branch ===

impl<T: Send + 'static> Branch<T> {
    /// A place in its queue, where it has one and waits for places.
    async fn place<'a>(&self, to: Option<&'a To<T>>) -> Result<Option<Permit<'a, T>>, BranchError> {
        let Some(To::Queue(tx)) = to else { return Ok(None) };
        match self.when_slow {
            WhenSlow::Drop => Ok(None),
            WhenSlow::Hold => match tx.reserve().await {
                Ok(permit) => Ok(Some(permit)),
                Err(refused) => Err(self.error(BranchError::new(&self.name, refused))),
            },
            WhenSlow::Detach { after } => Ok(match self.within(after, tx.reserve()).await {
                Some(Ok(permit)) => Some(permit),
                Some(Err(_)) => {
                    self.detach(Detached::Closed);
                    None
                }
                None => None,
            }),
        }
    }

    /// A reader may have gone since its place was reserved, which was perhaps long ago. To learn of it only when the
    /// others have the item would be too late.
    fn still_there(&self, to: Option<&To<T>>) -> Result<(), BranchError> {
        match to {
            Some(To::Queue(tx)) if self.when_slow == WhenSlow::Hold && tx.is_closed() => {
                Err(self.error(BranchError::new(&self.name, "queue closed")))
            }
            _ => Ok(()),
        }
    }

    /// Is there a queue to put something into, perhaps?
    fn takes(&self, to: Option<&To<T>>) -> bool {
        matches!(to, Some(To::Queue(_))) && self.is_attached()
    }

    /// Puts an item into its queue, without waiting.
    fn give(
        &self,
        to: Option<&To<T>>,
        place: Option<Permit<'_, T>>,
        item: T,
    ) -> Result<Taken, (BranchError, T)> {
        let sent = match (place, to) {
            (Some(place), _) => place.send(item).map(drop).map_err(TrySendError::from),
            (None, Some(To::Queue(tx))) => tx.try_send(item).map(drop),
            (None, _) => return Ok(Taken::Dropped),
        };
        match sent {
            Ok(()) => Ok(Taken::Sent),
            Err(refused) if self.when_slow == WhenSlow::Hold => {
                let error = BranchError::new(&self.name, refused.to_string());
                Err((self.error(error), refused.into_inner()))
            }
            Err(refused) => {
                if !matches!(refused, TrySendError::Full(_)) {
                    self.detach(Detached::Closed);
                }
                discard(refused);
                Ok(Taken::Dropped)
            }
        }
    }

    /// Hands an item to its sink, waiting as the branch allows.
    async fn hand(&self, sink: &dyn ItemSink<T>, item: Contained<T>) -> Result<Taken, BranchError> {
        let sending = taken_by(sink, item);
        let sent = match self.when_slow {
            WhenSlow::Hold => Some(sending.await),
            WhenSlow::Detach { after } => self.within(after, sending).await,
            WhenSlow::Drop => at_once(sending).await,
        };
        match sent {
            Some(Ok(())) => Ok(Taken::Sent),
            None => Ok(Taken::Dropped),
            Some(Err(refused)) if self.when_slow == WhenSlow::Hold => {
                Err(self.error(BranchError::of_sink(&self.name, refused)))
            }
            Some(Err(SinkError::Closed(item))) => {
                self.detach(Detached::Closed);
                discard(item);
                Ok(Taken::Dropped)
            }
            Some(Err(SinkError::Full(item))) => {
                discard(item);
                Ok(Taken::Dropped)
            }
            Some(Err(refused)) => {
                // The error is the sink's code, too: how it is shown, and its destructor.
                let error = Contained::new(BranchError::of_sink(&self.name, refused));
                let told = contain(|| {
                    tracing::warn!(error = %*error, "the item is dropped for this branch");
                });
                if let Err(panic) = told {
                    let branch = &*self.name;
                    tracing::error!(branch, %panic, "the item is dropped for this branch, whose error panicked");
                }
                Ok(Taken::Dropped)
            }
        }
    }
}

/// The sink's own code, contained: a sink that panics has failed, and its branch says what follows from that.
async fn taken_by<T: Send + 'static>(sink: &dyn ItemSink<T>, item: Contained<T>) -> Result<(), SinkError<T>> {
    let panicked = |panic| SinkError::Failed { item: None, error: format!("panicked: {panic}").into() };
    let mut taking = match contain(|| sink.send(item.into_inner())) {
        Ok(taking) => Contained::new(taking),
        Err(panic) => return Err(panicked(panic)),
    };
    let polled = |cx: &mut Context<'_>| {
        contain(|| taking.as_mut().poll(cx)).unwrap_or_else(|panic| Poll::Ready(Err(panicked(panic))))
    };
    poll_fn(polled).await
}

/// What `taking` answers at its first poll, which is not one that a spent cooperative budget puts off.
async fn at_once<F: Future>(taking: F) -> Option<F::Output> {
    let mut taking = pin!(taking);
    let once = poll_fn(|cx| match taking.as_mut().poll(cx) {
        Poll::Ready(taken) => Poll::Ready(Some(taken)),
        Poll::Pending => Poll::Ready(None),
    });
    tokio::task::unconstrained(once).await
}

/// Drops what a branch did not take. What its destructor does is nothing to the other branches.
pub(super) fn discard<R>(refused: R) {
    if let Err(panic) = contain(|| drop(refused)) {
        tracing::error!(%panic, "item that a branch did not take, or its error, panicked when it was dropped");
    }
}

// === impl Remaining ===

impl<'a, T> Remaining<'a, T> {
    pub(super) fn of(items: &'a mut Vec<T>) -> Self {
        let rest = std::mem::take(items).into_iter();
        Self { slot: None, rest, back: items }
    }

    /// Goes on to the next item. Says whether there is one.
    pub(super) fn next(&mut self) -> bool {
        self.slot = self.rest.next();
        self.slot.is_some()
    }
}

impl<T> Drop for Remaining<'_, T> {
    fn drop(&mut self) {
        self.back.extend(self.slot.take().into_iter().chain(self.rest.by_ref()));
    }
}
