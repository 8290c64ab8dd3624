//! The account of one worker's hands: what is in them, and what became of the rest. It holds no lock, tells nobody and
//! reads no clock.

/// Deliveries that are out of our hands.
mod lent;

use std::task::Waker;
use std::time::{Duration, SystemTime};

use forebay_queue::{Delivery, End, Receipt};
use slab::Slab;
use tokio::time::Instant;

use self::lent::slab_key;
use super::back::{Back, Lent, Settlement};
use super::tally::{Became, Tally};
use super::terms::{Rest, RunEnd, Terms, Verdict};
use crate::intake::KeyHash;

/// A delivery for a worker, and the key that it occupies.
pub(crate) struct Given<T> {
    pub(crate) delivery: Delivery<T>,
    pub(crate) key: Option<KeyHash>,
    /// Its place in the order of results, where there is one.
    pub(crate) place: Option<u64>,
}

pub(super) struct Ledger<T> {
    tally: Tally,
    /// Given, and not yet started on: more than one only where handlers take batches.
    inbox: Vec<Given<T>>,
    /// The place of what is kept.
    place: Option<u64>,
    /// The duty whose item a by-value handler has, or a copy of it.
    kept: Option<Delivery<T>>,
    /// The duties whose deliveries are out of our hands; more than one only where a handler moved some elsewhere.
    lent: Slab<Lent<T>>,
    /// Makes receipts of lent deliveries unique although places in the slab are used again.
    lent_so_far: u32,
    /// Which run the present one is, or the last one was.
    run: u32,
    /// The receipts of the deliveries that the present run was lent.
    lent_to_run: Vec<Receipt>,
    /// The receipts of a run that is over, while what came back of it is being seen to: the last one first.
    finishing: Vec<Receipt>,
    /// The keys that the present run holds: of items that it has, or that it settled before its end.
    keys: Vec<KeyHash>,
    /// When something was given last, if that is asked for.
    given_at: Option<Instant>,
    /// The attempt number of the present run, for reports.
    attempt: u32,
    /// Whether somebody cancelled what is in the inbox or in work.
    cancelled: bool,
    /// Of a worker that would like to hear of a cancellation.
    watcher: Option<Waker>,
    /// Whether the worker is inside a poll of a handler that was lent its delivery.
    polling: bool,
    /// How many are out of the inbox for a moment, to be looked at.
    away: usize,
    /// The key of what is away, if that is one item.
    away_key: Option<KeyHash>,
    /// How many settlements of lent deliveries the source is being told of right now.
    telling: usize,
}

/// An item that left the hands, and was counted.
pub(super) struct Ended<T> {
    pub(super) became: Became,
    pub(super) attempt: u32,
    pub(super) settlement: Settlement<T>,
    /// The key that it occupied, if no run goes on to hold it.
    pub(super) key: Option<KeyHash>,
    /// Its place in the order of results, where it had one.
    pub(super) place: Option<u64>,
}

/// How a run came out.
pub(super) enum Finish<T> {
    /// Nothing of it was in hand: the handler had settled the item before, or moved it elsewhere.
    Nothing,
    Ended(Ended<T>),
    /// The item lies in the inbox again, to be started on after this long.
    Again(Duration),
}

// === impl Ledger ===

impl<T> Ledger<T> {
    pub(super) fn new() -> Self {
        Self {
            tally: Tally::default(),
            inbox: Vec::new(),
            place: None,
            kept: None,
            lent: Slab::new(),
            lent_so_far: 0,
            run: 0,
            lent_to_run: Vec::new(),
            finishing: Vec::new(),
            keys: Vec::new(),
            given_at: None,
            attempt: 0,
            cancelled: false,
            watcher: None,
            polling: false,
            telling: 0,
            away: 0,
            away_key: None,
        }
    }

    /// Takes a delivery from the source into the inbox.
    pub(super) fn give(&mut self, given: Given<T>, at: Option<Instant>) {
        debug_assert!(self.inbox.is_empty(), "a worker is given something when it has nothing");
        self.tally.taken += 1;
        self.attempt = given.delivery.attempt();
        self.inbox.push(given);
        self.given_at = at;
    }

    /// Takes deliveries into the inbox that count as taken already.
    pub(super) fn give_all(&mut self, given: impl Iterator<Item = Given<T>>, at: Option<Instant>) {
        debug_assert!(self.inbox.is_empty(), "a worker is given something when it has nothing");
        self.inbox.extend(given);
        self.attempt = self.inbox.first().map_or(0, |given| given.delivery.attempt());
        self.given_at = at;
    }

    /// When what is in the inbox was given, and when it came into its source. Says so once.
    pub(super) fn take_times(&mut self) -> Option<(Instant, Option<SystemTime>)> {
        let given_at = self.given_at.take()?;
        Some((given_at, self.inbox.first().and_then(|given| given.delivery.enqueued_at())))
    }

    /// Starts a run by value.
    pub(super) fn keep(&mut self) -> T {
        let given = self.take_inbox();
        let item = self.keep_whole(given).take();
        item.expect("a source hands out deliveries that have their item")
    }

    /// Starts a run, or what counts as one, with the item still in hand.
    pub(super) fn keep_whole(&mut self, given: Given<T>) -> &mut Delivery<T> {
        self.attempt = given.delivery.attempt();
        self.place = given.place;
        self.keys.extend(given.key);
        // Moved once, since every item comes through here.
        self.kept.insert(given.delivery)
    }

    /// Takes out what lies in the inbox, to be looked at; it is held all the same.
    pub(super) fn take_away(&mut self) -> Given<T> {
        let given = self.take_inbox();
        self.away += 1;
        self.away_key = given.key;
        given
    }

    /// The same for all that lies there.
    pub(super) fn take_all_away(&mut self) -> Vec<Given<T>> {
        self.away += self.inbox.len();
        if let [given] = &self.inbox[..] {
            self.away_key = given.key;
        }
        std::mem::take(&mut self.inbox)
    }

    /// Puts back what was taken away all at once.
    pub(super) fn put_all_inbox(&mut self, all: Vec<Given<T>>) {
        self.away -= all.len();
        self.away_key = None;
        self.inbox = all;
    }

    /// Takes out what lies in the inbox, to be kept at once.
    pub(super) fn take_inbox(&mut self) -> Given<T> {
        self.inbox.pop().expect("a run starts with a delivery in the inbox")
    }

    /// Keeps what was taken away.
    pub(super) fn keep_away(&mut self, given: Given<T>) {
        self.away -= 1;
        self.away_key = None;
        let _ = self.keep_whole(given);
    }

    /// Puts back what was taken away.
    pub(super) fn put_inbox(&mut self, given: Given<T>) {
        self.away -= 1;
        self.away_key = None;
        self.inbox.push(given);
    }

    pub(super) fn set_polling(&mut self, polling: bool) {
        self.polling = polling;
    }

    /// The run of what is kept, if something is, ended well.
    pub(super) fn finish_done(&mut self) -> Option<Delivery<T>> {
        let delivery = self.kept.take()?;
        self.tally.completed += 1;
        self.cancelled = false;
        Some(delivery)
    }

    /// An item that the worker took itself failed. Until now it was counted elsewhere.
    pub(super) fn fail_taken(&mut self, run_end: &RunEnd) {
        self.tally.taken += 1;
        self.tally.failed += 1;
        if matches!(run_end, RunEnd::Aborted) {
            self.tally.aborted += 1;
        }
        self.count_end(run_end);
    }

    fn count_end(&mut self, run_end: &RunEnd) {
        match run_end {
            RunEnd::Panicked(_) => self.tally.panics += 1,
            RunEnd::TimedOut | RunEnd::Expired => self.tally.timed_out += 1,
            RunEnd::Done | RunEnd::Failed(_) | RunEnd::Aborted | RunEnd::Cancelled | RunEnd::Lost => {}
        }
    }

    /// The run ended. `may_retry`: a budget allows another attempt, or there is none.
    pub(super) fn finish(&mut self, terms: &Terms, run_end: &RunEnd, may_retry: bool) -> Finish<T> {
        self.polling = false;
        self.count_end(run_end);
        // All at once, although the lock is released between one delivery and the next: what comes back from now on was
        // not part of the run, and a key that is cancelled from now on is not that of an item that the worker has.
        self.finishing.extend(self.lent_to_run.drain(..).rev());
        let finish = self.finish_more(terms, run_end, may_retry);
        if !matches!(finish, Finish::Again(_)) {
            self.cancelled = false;
        }
        finish
    }

    /// Cancels the one item that is in the inbox or in work, if it has this key. `Some`: so it is, and the waker, if
    /// there is one, is to be woken.
    pub(super) fn cancel(&mut self, key: KeyHash) -> Option<Option<Waker>> {
        let lent_key = |receipt| {
            let lent = self.lent.get(slab_key(receipt)).filter(|lent| lent.receipt == receipt);
            lent.and_then(|lent| lent.key)
        };
        let has_it = match (&self.inbox[..], &self.lent_to_run[..]) {
            // The inbox is being filled with the items of a batch that are to be tried again.
            _ if !self.finishing.is_empty() => false,
            ([given], []) => given.key == Some(key),
            ([], [receipt]) => self.keys.contains(&key) || lent_key(*receipt) == Some(key),
            ([], []) if self.away > 0 => self.away_key == Some(key),
            ([], []) => self.kept.is_some() && self.keys.contains(&key),
            _ => false,
        };
        if !has_it || std::mem::replace(&mut self.cancelled, true) {
            return None;
        }
        Some(self.watcher.take())
    }

    /// What the source calls the deliveries that the worker has: those that its run is about and that its handler has
    /// not settled, or that it will start on.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = Receipt> {
        let kept = self.kept.iter().chain(self.inbox.iter().map(|given| &given.delivery));
        let lent = self.lent_to_run.iter().filter_map(|&receipt| {
            let lent = self.lent.get(slab_key(receipt)).filter(|lent| lent.receipt == receipt)?;
            Some(lent.source_receipt)
        });
        kept.map(Delivery::receipt).chain(lent)
    }

    /// Has the worker something, of which everything was lost? An item of a batch that was not lost is work to be done.
    pub(super) fn is_lost(&self, terms: &Terms) -> bool {
        let mut in_hand = self.in_hand().peekable();
        in_hand.peek().is_some() && in_hand.all(|receipt| terms.is_lost(receipt))
    }

    /// The waker of a worker that would like to hear that it is to stop, if there is one.
    pub(super) fn take_watcher(&mut self) -> Option<Waker> {
        self.watcher.take()
    }

    /// Is the item cancelled? If not, `waker` is kept, and what it replaces is returned.
    pub(super) fn watch_cancelled(&mut self, waker: &Waker) -> (bool, Option<Waker>) {
        let replaced = if self.watcher.as_ref().is_some_and(|left| left.will_wake(waker)) {
            None
        } else {
            self.watcher.replace(waker.clone())
        };
        (self.cancelled, replaced)
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// The same for what else the run left. [`Finish::Nothing`]: there is no more.
    pub(super) fn finish_more(&mut self, terms: &Terms, run_end: &RunEnd, may_retry: bool) -> Finish<T> {
        let finish = self.finish_next(terms, run_end, may_retry);
        // What the handler had settled, or moved elsewhere, was not cut short with it.
        match (run_end, &finish) {
            (RunEnd::Aborted, Finish::Ended(_)) => self.tally.aborted += 1,
            (RunEnd::Cancelled, Finish::Ended(_)) => self.tally.cancelled += 1,
            _ => {}
        }
        finish
    }

    fn finish_next(&mut self, terms: &Terms, run_end: &RunEnd, may_retry: bool) -> Finish<T> {
        let (back, rest) = if let Some(delivery) = self.kept.take() {
            if let RunEnd::Done = run_end {
                let done = Verdict::Leaves { became: Became::Completed, end: End::Ack, discard: false };
                return self.follow_and_tell(Back::Kept(delivery), done);
            }
            let (has_item, has_source) = (delivery.item().is_some(), delivery.has_settler());
            let (attempt, after) = (delivery.attempt(), Duration::ZERO);
            let redelivers = terms.redelivers(delivery.redelivers());
            let lost = terms.is_lost(delivery.receipt());
            let rest = Rest { attempt, after, has_item, has_source, may_retry, redelivers, lost };
            (Back::Kept(delivery), rest)
        } else if let Some((lent, came_back)) = self.take_come_back() {
            lent.come_back(came_back, terms, may_retry)
        } else {
            return Finish::Nothing;
        };
        self.follow_and_tell(back, terms.judge(run_end, rest))
    }

    /// What follows, and what the source is to be told of it.
    fn follow_and_tell(&mut self, back: Back<T>, verdict: Verdict) -> Finish<T> {
        let finish = self.follow(back, verdict);
        self.telling += usize::from(matches!(finish, Finish::Ended(_)));
        finish
    }

    /// The lowest attempt number of the items that the present run left.
    pub(super) fn attempt_with_item(&self) -> Option<u32> {
        let kept = self.kept.as_ref().filter(|delivery| delivery.item().is_some()).map(Delivery::attempt);
        let lent = self.lent_to_run.iter().filter_map(|&receipt| {
            let lent = self.lent.get(slab_key(receipt)).filter(|lent| lent.receipt == receipt)?;
            let came_back = lent.came_back.as_ref()?;
            came_back.item.is_some().then_some(lent.attempt)
        });
        kept.into_iter().chain(lent).min()
    }

    /// The run is over: the keys that nothing of it holds any longer.
    pub(super) fn release(&mut self) -> impl Iterator<Item = KeyHash> {
        self.keys.drain(..)
    }

    /// Does with a delivery as was decided.
    fn follow(&mut self, back: Back<T>, verdict: Verdict) -> Finish<T> {
        match verdict {
            Verdict::Leaves { became, end, discard } => {
                self.tally.count(became);
                let (attempt, key) = (back.attempt(), back.key());
                let place = self.place.take();
                let settlement = Settlement { back, end, discard };
                Finish::Ended(Ended { became, attempt, settlement, key, place })
            }
            Verdict::Again(after) => {
                self.tally.retried += 1;
                let attempt = back.attempt().saturating_add(1);
                // What the run kept is the only thing that it had.
                let key = if let Back::Kept(_) = back { self.keys.pop() } else { back.key() };
                let (delivery, place) = (back.into_delivery().with_attempt(attempt), self.place.take());
                self.inbox.push(Given { delivery, key, place });
                self.attempt = attempt;
                Finish::Again(after)
            }
        }
    }

    /// A panic that is not the end of a run.
    pub(super) fn count_panic(&mut self) {
        self.tally.panics += 1;
    }

    /// Returns an item that was given and not started on.
    pub(super) fn return_inbox(&mut self) -> Option<Ended<T>> {
        let Given { delivery, key, place } = self.inbox.pop()?;
        // The cancellation was for this item, and must not meet the next one.
        self.cancelled = false;
        let became = if delivery.has_settler() { Became::Returned } else { Became::Failed };
        self.tally.count(became);
        self.telling += 1;
        let attempt = delivery.attempt();
        let end = End::Nack { after: Duration::ZERO };
        let settlement = Settlement { back: Back::Kept(delivery), end, discard: false };
        Some(Ended { became, attempt, settlement, key, place })
    }

    /// Takes one lost item out of a batch that was not started on.
    pub(super) fn return_lost(&mut self, terms: &Terms) -> Option<Ended<T>> {
        let at = self.inbox.iter().position(|given| terms.is_lost(given.delivery.receipt()))?;
        let Given { delivery, key, place } = self.inbox.remove(at);
        // As where an inbox is given back.
        self.cancelled = false;
        let became = Became::Returned;
        self.tally.count(became);
        self.telling += 1;
        let attempt = delivery.attempt();
        let end = End::Nack { after: Duration::ZERO };
        let settlement = Settlement { back: Back::Kept(delivery), end, discard: true };
        Some(Ended { became, attempt, settlement, key, place })
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// How many items are in hand.
    pub(super) fn held(&self) -> usize {
        self.inbox.len() + self.away + usize::from(self.kept.is_some()) + self.lent.len()
    }

    /// Nothing is in hand, nor on its way from here to the source.
    pub(super) fn is_at_rest(&self) -> bool {
        self.held() == 0 && self.telling == 0 && self.lent_to_run.is_empty()
    }

    /// Whether a handler is at work.
    pub(super) fn is_running(&self) -> bool {
        self.kept.is_some() || !self.lent_to_run.is_empty() || !self.finishing.is_empty()
    }

    /// Whether the worker has an item to start on.
    pub(super) fn is_served(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The place of what is kept.
    pub(super) fn place(&self) -> Option<u64> {
        self.place
    }

    /// The attempt number of the present run.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }
}

// === impl Finish ===

impl<T> Finish<T> {
    /// What became of the item.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "settled or moved before",
            Self::Ended(ended) => ended.became.as_str(),
            Self::Again(_) => "tried again",
        }
    }

    fn ended(self) -> Option<Ended<T>> {
        match self {
            Self::Ended(ended) => Some(ended),
            Self::Nothing | Self::Again(_) => None,
        }
    }
}
