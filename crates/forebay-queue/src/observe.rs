//! What both halves can tell about their queue.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::core::{Change, watch};
use crate::{
    By, ClassStats, Discipline, Level, Line, Pressure, QueueStats, Receiver, RetuneError, SendLine, Sender,
    SetCapacityError, Stats, UnknownClass, Visitor,
};

/// The same for both halves, which share nothing but the queue.
macro_rules! observe {
    ($Half:ident) => {
        impl<T, L: Line<T>> $Half<T, L> {
            /// Closes the queue to new items. Items already accepted can still be received; then receivers see the end.
            pub fn close(&self) {
                self.shared.close();
            }

            /// Has the queue been closed? Items may still be in it.
            pub fn is_closed(&self) -> bool {
                self.shared.read(|state| state.is_closed())
            }

            /// How many senders there are. Weak ones do not count; senders that wait in a call of their own do.
            ///
            /// The number may differ a moment later, since each of them may be cloned.
            pub fn senders(&self) -> usize {
                self.shared.read(|state| state.senders())
            }

            /// How many items wait, including those that came back or are delayed. Items in a consumer's hands do not
            /// count here.
            pub fn len(&self) -> usize {
                self.shared.read(|state| state.held.waiting())
            }

            /// Does no item wait?
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Is the bound in items or in weight reached? A rendezvous is always full.
            pub fn is_full(&self) -> bool {
                self.shared.read(|state| state.is_full())
            }

            /// What all waiting items weigh together, see [`Builder::max_weight`](crate::Builder::max_weight).
            /// By default each weighs 1.
            pub fn weight(&self) -> usize {
                self.shared.read(|state| state.held.weight())
            }

            /// The most that waiting items may weigh together; `None`: no bound.
            pub fn max_weight(&self) -> Option<usize> {
                self.shared.options.max_weight
            }

            /// The most items that may wait; `None`: no bound.
            pub fn capacity(&self) -> Option<usize> {
                self.shared.read(|state| state.options.capacity)
            }

            /// Changes how many items may wait.
            ///
            /// A larger capacity lets in senders that wait for room. A smaller one drops nothing: senders wait until
            /// fewer items wait than it allows. Permits that were given out stay valid.
            ///
            /// ```
            /// let (tx, mut rx) = forebay_queue::bounded(1);
            /// tx.try_send(1).expect("there is room");
            /// tx.set_capacity(2).expect("no rendezvous is involved");
            /// tx.try_send(2).expect("there is room again");
            /// rx.set_capacity(1).expect("no rendezvous is involved");
            /// assert_eq!((rx.len(), rx.try_recv()), (2, Ok(1)));
            /// ```
            ///
            /// # Errors
            ///
            /// A rendezvous stays one, and no other queue becomes one: there an item passes from hand to hand, and
            /// senders wait in another way.
            pub fn set_capacity(&self, capacity: usize) -> Result<(), SetCapacityError> {
                self.shared.update(|state| state.set_capacity(capacity))
            }

            /// Whether producers should slow down, see [`Watermarks`](crate::Watermarks). Where items and weight are
            /// bounded, high if one of the two is, and normal when both are. Always normal without a bound; at a
            /// rendezvous high while a sender waits.
            pub fn pressure(&self) -> Pressure {
                self.shared.read(|state| state.pressure())
            }

            /// Waits until the pressure has changed since this handle was made, cloned, or last told of a change, and
            /// returns the pressure now. Each handle tracks changes separately; two tasks that share a handle share what
            /// it has seen. Once the queue is closed and empty nothing changes any more, and this waits forever.
            ///
            /// # Cancel safety
            ///
            /// A call that is dropped has seen nothing: the next one reports the same change.
            pub async fn pressure_changed(&self) -> Pressure {
                let seen = self.seen.load(Ordering::Relaxed);
                let (crossings, pressure) = watch(&self.shared, Change::Pressure, |state| {
                    (state.crossings() != seen).then(|| (state.crossings(), state.pressure()))
                })
                .await;
                self.seen.store(crossings, Ordering::Relaxed);
                pressure
            }

            /// What has become of the items so far.
            pub fn stats(&self) -> QueueStats {
                self.shared.read(|state| state.stats())
            }
        }

        impl<T, D, C> $Half<T, By<D, C>>
        where
            T: Send,
            D: Discipline + Clone,
            C: Fn(&T) -> Result<D::Rank, UnknownClass>,
        {
            /// What has become of the items of each class, in the order of [`Discipline::classes`]; a single unnamed one
            /// if the discipline has no classes. If the discipline uses the time, every waiting item is looked at, to find
            /// the oldest.
            pub fn class_stats(&self) -> Vec<ClassStats> {
                self.shared.read(|state| state.held.class_stats())
            }

            /// Changes the discipline's settings while the queue is in use: weights, shares, bounds. `change` is called
            /// twice, for the items and for the senders that wait for room, and under the queue's lock, so it must not use
            /// the queue, nor take anything out of the discipline, nor change the default class. It cannot see what waits.
            ///
            /// It gets a copy, which then replaces the discipline: if it panics, nothing has changed.
            ///
            /// # Errors
            ///
            /// The discipline would have other classes than the waiters are of, or it was replaced by one that does not know
            /// them. Nothing has changed then.
            pub fn retune(&self, change: impl FnMut(&mut D)) -> Result<(), RetuneError> {
                self.shared.update(|state| state.retune(change)).map(drop)
            }
        }

        impl<T: Send, L: SendLine<T>> Level for $Half<T, L> {
            fn level(&self) -> Option<f64> {
                self.shared.read(|state| state.level())
            }
        }

        impl<T: Send, L: SendLine<T>> Stats for $Half<T, L> {
            fn observe(&self, visitor: &mut dyn Visitor) {
                let (stats, classes, len, weight) = self.shared.read(|state| {
                    (state.stats(), state.held.class_stats(), state.held.waiting(), state.held.weight())
                });
                visitor.gauge("forebay_queue_length", &[], len as f64);
                if let Some(capacity) = self.capacity() {
                    visitor.gauge("forebay_queue_capacity", &[], capacity as f64);
                }
                if let Some(max_weight) = self.max_weight() {
                    visitor.gauge("forebay_queue_weight", &[], weight as f64);
                    visitor.gauge("forebay_queue_max_weight", &[], max_weight as f64);
                }
                stats.observe(visitor);
                ClassStats::observe_all(&classes, visitor);
            }
        }

        impl<T, L: Line<T>> fmt::Debug for $Half<T, L> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let (len, closed) = self.shared.read(|state| (state.held.waiting(), state.is_closed()));
                f.debug_struct(stringify!($Half))
                    .field("len", &len)
                    .field("capacity", &self.capacity())
                    .field("closed", &closed)
                    .finish()
            }
        }
    };
}

observe!(Sender);
observe!(Receiver);
