//! From hand to hand: what a rendezvous does where other queues store (rule 5).

use std::task::Waker;

use super::{State, Step, What, keep_waiting};
use crate::Line;
use crate::core::held::{Items, Taken};
use crate::core::tag::Parcel;
use crate::core::waiters::{Key, Turn};

impl<T, L: Line<T>> State<T, L> {
    /// At a rendezvous, how many items receivers wait for that nobody is offering (rule 5).
    pub(crate) fn wanted(&self) -> usize {
        // Nobody overtakes the senders that offer: waiting receivers are called for their items first.
        if !self.is_rendezvous() || !self.tx.is_empty() {
            return 0;
        }
        (self.rx.len() + self.rx.served()).saturating_sub(self.held.ready())
    }

    /// Hands over an item that is [`wanted`](Self::wanted).
    pub(crate) fn hand_over(&mut self, parcel: Parcel<T, L::Rank>) {
        self.tally.accepted += 1;
        self.held.push(parcel);
    }

    /// Offers the item in `slot` until somebody has taken it, which leaves `slot` empty, or the queue is closed.
    pub(crate) fn offer(
        &mut self,
        key: &mut Option<Key>,
        slot: &mut Option<Parcel<T, L::Rank>>,
        waker: &mut Option<Waker>,
    ) -> Step<()> {
        let Some(waiting) = *key else {
            if self.closed {
                return Step::Done(());
            }
            let Some(waker) = waker.take() else { return Step::Ask };
            let Some(parcel) = slot.take() else { unreachable!("polled after completion") };
            *key = Some(self.join(parcel.rank, What::Offer(Some(Box::new(parcel))), waker));
            return Step::Parked;
        };
        if self.tx.turn(waiting) == Turn::Waiting {
            return keep_waiting(&mut self.tx, waiting, waker);
        }
        *key = None;
        *slot = self.forget_ask(waiting).1;
        Step::Done(())
    }

    /// Takes the next item on offer, and wakes its sender.
    pub(super) fn take_offer(&mut self) -> Taken<T, L::Rank> {
        let key = self.next_ask().expect("a claim is for an item or an offer");
        let waker = self.tx.serve_at(key);
        self.after.wakes.extend(waker);
        self.tally.accepted += 1;
        let What::Offer(parcel) = &mut self.tx.what(key).what else {
            unreachable!("a rendezvous has no places to ask for")
        };
        let Parcel { item, rank, mut tag } = *parcel.take().expect("an offer in the line has its item");
        tag.begin();
        let place = self.held.items().pass_through(rank, tag);
        place.tag.tell_number(place.seq);
        Taken { item, place }
    }

    /// The same for the item alone.
    #[cold]
    pub(super) fn take_offered_item(&mut self) -> T {
        self.take_offer().item
    }
}
