//! Sending many items at once.

use std::collections::VecDeque;

use crate::core::{AskPlaces, Asked, Demand, Manners, Offering, Parcel, Places, Tag};
use crate::{Line, SendManyError, Sender, WhenFull};

/// The items of a batch that are not sent yet. They go back to the caller when this is dropped.
struct Rest<'a, T> {
    /// The caller's `Vec`, empty meanwhile: removing its first item would move all others, each time.
    items: &'a mut Vec<T>,
    rest: VecDeque<T>,
}

// === impl Rest ===

impl<'a, T> Rest<'a, T> {
    fn of(items: &'a mut Vec<T>) -> Self {
        let rest = std::mem::take(items).into();
        Self { items, rest }
    }
}

impl<T> Drop for Rest<'_, T> {
    fn drop(&mut self) {
        *self.items = std::mem::take(&mut self.rest).into();
    }
}

/// The ranks and weights of the items of a batch.
pub(crate) enum Labels<R> {
    /// All have this rank, and no stated weight.
    Same(R),
    /// The rank and weight of each.
    Each(VecDeque<(R, usize)>),
}

// === impl Sender ===

impl<T, L: Line<T>> Sender<T, L> {
    /// Asks the classifier and the weigher about each item, before anything is sent.
    pub(crate) fn label(&self, items: &[T]) -> Result<Labels<L::Rank>, SendManyError> {
        if let Some(rank) = L::ONLY_RANK
            && self.shared.hooks.weigher.is_none()
        {
            return Ok(Labels::Same(rank));
        }
        let max_weight = self.shared.options.max_weight.unwrap_or(usize::MAX);
        let label = |(at, item): (usize, &T)| {
            let unclassified = |unknown| SendManyError::Unclassified { at, unknown: Box::new(unknown) };
            let rank = self.shared.rank(item).map_err(unclassified)?;
            let weight = self.shared.hooks.weigh(item);
            if weight > max_weight { Err(SendManyError::TooHeavy { at }) } else { Ok((rank, weight)) }
        };
        items.iter().enumerate().map(label).collect::<Result<_, _>>().map(Labels::Each)
    }

    /// Sends items that differ only in their values: as many at once as there are places.
    pub(crate) async fn send_alike(
        &self,
        items: &mut Vec<T>,
        rank: L::Rank,
        displaced: &mut Vec<T>,
    ) -> Result<(), SendManyError> {
        let policy = self.shared.options.when_full;
        let mut batch = Rest::of(items);
        let demand = Demand { want: batch.rest.len(), ..Demand::one(1, rank) };
        AskPlaces::new(&self.shared, demand, move |state, answer| {
            let items = &mut batch.rest;
            let plain = |item| Parcel { item, rank, tag: Tag::default() };
            match answer {
                Places::Closed => return Asked::Done(Err(SendManyError::Closed)),
                Places::Granted(places) => state.store_many(places, items.drain(..places), rank),
                Places::Full | Places::TooMany(_) | Places::TooHeavy(_) => {
                    let wanted = state.wanted().min(items.len());
                    items.drain(..wanted).for_each(|item| state.hand_over(plain(item)));
                }
            }
            match policy {
                _ if items.is_empty() => Asked::Done(Ok(())),
                WhenFull::Wait => Asked::Wait { want: items.len(), each: 1, rank },
                WhenFull::Refuse => {
                    items.iter().for_each(|_| state.refuse(rank));
                    Asked::Done(Err(SendManyError::Full))
                }
                WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest => {
                    displaced
                        .extend(items.drain(..).flat_map(|item| state.displace(plain(item)).displaced()));
                    Asked::Done(Ok(()))
                }
            }
        })
        .await
    }

    /// Sends items that each have their own rank and weight: asks for the first, and goes on while there is room.
    pub(crate) async fn send_labelled(
        &self,
        items: &mut Vec<T>,
        mut labels: VecDeque<(L::Rank, usize)>,
        displaced: &mut Vec<T>,
    ) -> Result<(), SendManyError> {
        let policy = self.shared.options.when_full;
        let manners = if policy == WhenFull::Wait { Manners::Polite } else { Manners::Hasty };
        let Some(&(rank, weight)) = labels.front() else { return Ok(()) };
        let mut batch = Rest::of(items);
        AskPlaces::new(&self.shared, Demand::one(weight, rank), move |state, answer| {
            let items = &mut batch.rest;
            let parcel = |(item, (rank, weight))| Parcel { item, rank, tag: Tag::weighing(weight) };
            match answer {
                Places::Closed => return Asked::Done(Err(SendManyError::Closed)),
                Places::Granted(_) => {
                    while let Some(&(rank, weight)) = labels.front() {
                        if state.held.is_class_full(rank) {
                            state.release(1, weight);
                            break;
                        }
                        let first = items.pop_front().zip(labels.pop_front());
                        first.into_iter().for_each(|first| state.store(parcel(first), weight));
                        if !labels.front().is_some_and(|(_, weight)| state.ask_on(*weight, manners)) {
                            break;
                        }
                    }
                }
                Places::Full | Places::TooMany(_) | Places::TooHeavy(_) => {
                    let wanted = state.wanted().min(items.len());
                    let handed = items.drain(..wanted).zip(labels.drain(..wanted)).map(parcel);
                    handed.for_each(|parcel| state.hand_over(parcel));
                }
            }
            match (policy, labels.front()) {
                (_, None) => Asked::Done(Ok(())),
                (WhenFull::Wait, Some(&(rank, _))) if state.held.is_class_full(rank) => {
                    state.refuse(rank);
                    Asked::Done(Err(SendManyError::Full))
                }
                (WhenFull::Wait, Some(&(rank, each))) => Asked::Wait { want: 1, each, rank },
                (WhenFull::Refuse, _) => {
                    labels.iter().for_each(|(rank, _)| state.refuse(*rank));
                    Asked::Done(Err(SendManyError::Full))
                }
                (WhenFull::DropIncoming | WhenFull::DropYoungest | WhenFull::DropOldest, _) => {
                    let rest = items.drain(..).zip(labels.drain(..)).map(parcel);
                    displaced.extend(rest.flat_map(|parcel| state.displace(parcel).displaced()));
                    Asked::Done(Ok(()))
                }
            }
        })
        .await
    }

    /// Offers one item after the other at a rendezvous.
    pub(crate) async fn offer_many(
        &self,
        items: &mut Vec<T>,
        labels: Labels<L::Rank>,
    ) -> Result<(), SendManyError> {
        /// Puts the item on offer back in front when it is dropped.
        struct InFront<'a, T, L: Line<T>> {
            rest: &'a mut VecDeque<T>,
            offering: Offering<'a, T, L>,
        }

        impl<T, L: Line<T>> Drop for InFront<'_, T, L> {
            fn drop(&mut self) {
                if let Some(item) = self.offering.withdraw() {
                    self.rest.push_front(item);
                }
            }
        }

        let mut batch = Rest::of(items);
        let mut labels = match labels {
            Labels::Same(rank) => std::iter::repeat_n((rank, 1), batch.rest.len()).collect(),
            Labels::Each(labels) => labels,
        };
        while let (Some(item), Some((rank, weight))) = (batch.rest.pop_front(), labels.pop_front()) {
            let offering = self.offer(Parcel { item, rank, tag: Tag::weighing(weight) });
            let mut first = InFront { rest: &mut batch.rest, offering };
            if let Some(item) = (&mut first.offering).await {
                first.rest.push_front(item);
                return Err(SendManyError::Closed);
            }
        }
        Ok(())
    }
}
