//! Which of the idle workers wait at the source, where each takes items itself: the leaders. The others follow.
//!
//! A source wakes a waiter for each item that comes while anybody waits there. If all of many workers waited there,
//! most of those that are woken for items that take no time would come only to find theirs still there, each having
//! cost the runtime a turn, while one of them could have done them all. So only a few wait at the source, and any
//! of them that has got an item tells one of the others. This is the pattern of leaders and followers (Schmidt,
//! O'Ryan, Pyarali, Kircher, Buschmann, 2000) with several leaders.
//!
//! 1. While anybody follows, as many lead as may. A leader waits at the source, has been woken by it, or has
//!    been made a leader and been woken to go there.
//! 2. A leader that goes, since it has an item or will have none, makes one of the followers a leader in its place,
//!    before it does anything else: the youngest, or one that has looked meanwhile for nothing.
//! 3. So if there is an item that nobody was woken for, then all leaders are on their way, and each of them takes
//!    one and makes another worker lead. No item lies there while anybody idles.
//! 4. There are as many leaders as the runtime has threads. A leader that was woken may have to wait for its turn until
//!    a handler on the same thread is done (the runtime's other threads do not steal the task woken last). That is one
//!    for each thread that is busy, so while a thread is not, there is a leader whom the source's call reaches.
//! 5. Up to [`FEW`] workers for each that may lead all wait at the source: to call a few in vain costs less than to have
//!    each lead and follow. Workers that came to wait under the one rule may wait on under the other, when the pool is
//!    resized: then more wait at the source than need to, never fewer.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::contain::wake;

/// Of so many workers for each that may lead, nobody follows.
const FEW: usize = 4;

/// Where the idle workers of a pool wait.
#[derive(Debug, Default)]
pub(crate) struct Leaders {
    /// How many may lead.
    most: usize,
    ranks: Mutex<Ranks>,
}

#[derive(Debug, Default)]
struct Ranks {
    leading: usize,
    /// Seats of the followers, the youngest last, each once. A worker that has gone stays until that is found, and
    /// keeps its place if it comes again.
    following: Vec<usize>,
    /// By seat.
    seats: Vec<Follower>,
}

#[derive(Debug, Default)]
struct Follower {
    /// Of a follower.
    waker: Option<Waker>,
    /// It is among `following`.
    listed: bool,
}

/// Where one worker waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does not wait, or nobody needs to know.
    Apart,
    /// At the source.
    Leads,
    /// It waits to be made a leader, and may have been.
    Follows,
}

// === impl Leaders ===

impl Leaders {
    pub(super) fn new(most: usize) -> Self {
        Self { most, ranks: Mutex::default() }
    }

    /// Do all of so many workers wait at the source (rule 5)?
    pub(super) fn are_all_of(&self, workers: usize) -> bool {
        workers <= self.most.saturating_mul(FEW)
    }

    /// The worker of `seat`, which waits at the source, leads or follows from now on. A follower leaves the source.
    pub(super) fn line_up(&self, seat: usize, waker: &Waker) -> Standing {
        let mut ranks = self.lock();
        if ranks.leading < self.most {
            ranks.leading += 1;
            return Standing::Leads;
        }
        if ranks.seats.len() <= seat {
            ranks.seats.resize_with(seat + 1, Follower::default);
        }
        let follower = &mut ranks.seats[seat];
        let replaced = follower.waker.replace(waker.clone());
        if !std::mem::replace(&mut follower.listed, true) {
            ranks.following.push(seat);
        }
        drop(ranks);
        drop(replaced);
        Standing::Follows
    }

    /// The worker of `seat` follows, and goes. It leads now if it was made a leader.
    pub(super) fn fall_out(&self, seat: usize) -> Standing {
        let waker = self.lock().seats[seat].waker.take();
        if waker.is_some() { Standing::Apart } else { Standing::Leads }
    }

    /// A leader goes.
    pub(super) fn step_down(&self) {
        let next = self.lock().step_down();
        if let Some(next) = next {
            wake(|| next.wake());
        }
    }

    /// Nothing of ours panics under this lock, and nothing of others runs but a waker that is cloned, a task's.
    fn lock(&self) -> MutexGuard<'_, Ranks> {
        self.ranks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Ranks ===

impl Ranks {
    /// Returns the waker of the follower that leads instead.
    fn step_down(&mut self) -> Option<Waker> {
        while let Some(seat) = self.following.pop() {
            let follower = &mut self.seats[seat];
            follower.listed = false;
            if let Some(waker) = follower.waker.take() {
                return Some(waker);
            }
        }
        self.leading -= 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    /// Notes which seat was woken last.
    struct Woken {
        seat: usize,
        last: Arc<AtomicUsize>,
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.last.store(self.seat, Ordering::Relaxed);
        }
    }

    #[derive(Debug, Clone, Copy)]
    enum Act {
        /// It waits, at the source if it may.
        Wait,
        /// It comes, whether it was woken for that or not, and goes on waiting if there is nothing for it.
        Look,
        /// It has an item, or none for ever.
        Go,
    }

    proptest! {
        /// Rules 1 and 2, against what each of six workers believes.
        #[test]
        fn while_somebody_follows_as_many_lead_as_may(
            most in 1..4_usize,
            acts in proptest::collection::vec((0..6_usize, prop_oneof![Just(Act::Wait), Just(Act::Look), Just(Act::Go)]), 1..60),
        ) {
            let leaders = Leaders::new(most);
            let last = Arc::new(AtomicUsize::new(usize::MAX));
            let mut standings = [Standing::Apart; 6];
            // Seats that follow, and seats that were made leaders and do not know yet.
            let (mut following, mut made) = (Vec::new(), Vec::new());
            for (seat, act) in acts {
                let waker = Waker::from(Arc::new(Woken { seat, last: Arc::clone(&last) }));
                if let Act::Look | Act::Go = act && standings[seat] == Standing::Follows {
                    standings[seat] = leaders.fall_out(seat);
                    let was_made = made.contains(&seat);
                    prop_assert_eq!(standings[seat], if was_made { Standing::Leads } else { Standing::Apart });
                    made.retain(|&other| other != seat);
                    following.retain(|&other| other != seat);
                }
                if let Act::Go = act && std::mem::replace(&mut standings[seat], Standing::Apart) == Standing::Leads {
                    last.store(usize::MAX, Ordering::Relaxed);
                    leaders.step_down();
                    let next = Some(last.load(Ordering::Relaxed)).filter(|&next| next != usize::MAX);
                    prop_assert_eq!(next.is_some(), !following.is_empty());
                    prop_assert!(next.is_none_or(|next| following.contains(&next)));
                    following.retain(|&other| Some(other) != next);
                    made.extend(next);
                }
                if let Act::Wait | Act::Look = act && standings[seat] == Standing::Apart {
                    standings[seat] = leaders.line_up(seat, &waker);
                    following.extend((standings[seat] == Standing::Follows).then_some(seat));
                }
                let leading = made.len() + standings.iter().filter(|&&standing| standing == Standing::Leads).count();
                prop_assert_eq!(leaders.lock().leading, leading);
                prop_assert!(leading <= most && (following.is_empty() || leading == most));
                prop_assert!(leaders.lock().following.len() <= standings.len());
            }
        }
    }
}
