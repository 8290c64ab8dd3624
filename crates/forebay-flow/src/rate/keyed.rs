//! A rate for each key, for a bounded number of keys.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::Hash;

use forebay_queue::Tick;

use super::{RatePolicy, Refusal, Reserved};

/// The same rate for each key separately, with a bound on how many keys are remembered.
///
/// | | | |
/// | --- | --- | --- |
/// | policy | a new one, cloned for each key | [`TokenBucket`](crate::TokenBucket), [`Window`](crate::Window), [`Both`](super::Both) of them |
/// | keys | 1 or more, by default 65 536 | as many as start within the time after which the policy [forgets](RatePolicy::forgets_at) |
///
/// A key is forgotten only when its policy decides as a new one would, so forgetting gives nothing away: no key ever
/// exceeds its rate, however many there are. The price is that a new key is refused while the table is full of keys that
/// still count, until the first of them no longer does. That holds up a flood of new keys, but not known ones.
///
/// Each start of a new key forgets two that are due, so the table shrinks by itself while it is used. It looks at 64 for that at
/// the most: where more have started again since they were due, a table that is full may refuse once more often, and says to ask again
/// at once.
///
/// # In front of a service
///
/// No layer has one, since no layer knows the key. Ask it where the key is known, and refuse as it says:
///
/// ```
/// use std::sync::Mutex;
/// use std::time::{Duration, Instant};
/// use forebay_flow::rate::Keyed;
/// use forebay_flow::{Rate, Refusal, TokenBucket};
///
/// struct Tenants { begin: Instant, rates: Mutex<Keyed<String, TokenBucket>> }
///
/// impl Tenants {
///     /// After how long it is worth asking again; none if never.
///     fn admit(&self, tenant: &str) -> Result<(), Option<Duration>> {
///         let now = self.begin.elapsed().as_nanos() as u64;
///         let taken = self.rates.lock().unwrap().take(&tenant.to_owned(), 1, now);
///         taken.map_err(|refusal| match refusal {
///             Refusal::Until(at) => Some(Duration::from_nanos(at - now)),
///             Refusal::TooHeavy => None,
///         })
///     }
/// }
///
/// let rates = Mutex::new(Keyed::new(TokenBucket::new(Rate::new(1, Duration::from_secs(60)))));
/// let tenants = Tenants { begin: Instant::now(), rates };
/// assert_eq!(tenants.admit("ann"), Ok(()));
/// assert!(tenants.admit("ann").is_err_and(|after| after > Some(Duration::from_secs(50))));
/// assert_eq!(tenants.admit("ben"), Ok(()));
/// ```
///
/// # Source
///
/// .NET's `PartitionedRateLimiter`, which forgets a limiter that has been idle for a while; here what may be forgotten is decided by
/// what it would let through.
///
/// # When not to use it
///
/// Where you want fairness between keys, not a rate. The crate `governor` keeps every key until it is told to look for
/// those to drop (`retain_recent`).
///
/// ```
/// use forebay_flow::rate::Keyed;
/// use forebay_flow::{Rate, Refusal, TokenBucket};
///
/// const SECOND: u64 = 1_000_000_000;
/// let mut tenants = Keyed::new(TokenBucket::new(Rate::per_second(1))).with_max_keys(2);
/// assert_eq!(tenants.take(&"ann", 1, 0), Ok(()));
/// assert_eq!(tenants.take(&"ann", 1, 0), Err(Refusal::Until(SECOND)));
/// assert_eq!(tenants.take(&"ben", 1, SECOND / 2), Ok(()));
/// // No room for a third key, until the first is as good as new.
/// assert_eq!(tenants.take(&"cat", 1, SECOND / 2), Err(Refusal::Until(SECOND)));
/// assert_eq!(tenants.take(&"cat", 1, SECOND), Ok(()));
/// assert_eq!(tenants.len(), 2);
/// ```
#[derive(Debug, Clone)]
pub struct Keyed<K, P> {
    new: P,
    max_keys: usize,
    table: HashMap<K, Entry<P>>,
    /// When each key may be forgotten, at the earliest: the key is looked at again before it is.
    due: BinaryHeap<Reverse<Due<K>>>,
    made: u64,
    latest: Tick,
}

#[derive(Debug, Clone)]
struct Entry<P> {
    policy: P,
    /// What its one place in the heap is called.
    number: u64,
}

#[derive(Debug, Clone)]
struct Due<K> {
    at: Tick,
    number: u64,
    key: K,
}

/// How many keys that are due are forgotten with each new key.
const FORGOTTEN_EACH: usize = 2;
/// How many keys are looked at for that.
const LOOKS_EACH: usize = 64;

// === impl Keyed ===

impl<K: Hash + Eq + Clone, P: RatePolicy + Clone> Keyed<K, P> {
    /// No keys yet; each gets a clone of `new`.
    pub fn new(new: P) -> Self {
        let (table, due) = (HashMap::new(), BinaryHeap::new());
        Self { new, max_keys: 65_536, table, due, made: 0, latest: 0 }
    }

    /// How many keys are remembered. At least 1: 0 counts as 1.
    #[must_use]
    pub fn with_max_keys(self, max_keys: usize) -> Self {
        Self { max_keys: max_keys.max(1), ..self }
    }

    /// How many keys are remembered now.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Are none?
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Starts something of that cost for that key now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when the key may not, or when it is new and there is no room for it, with the time at which it may or at which
    /// to ask again; [`Refusal::TooHeavy`] if it never may. Nothing is charged then, and no place taken.
    pub fn take(&mut self, key: &K, cost: u64, now: Tick) -> Result<(), Refusal> {
        let now = self.at(now);
        self.with(key, now, |policy| policy.take(cost, now))
    }

    /// Keeps room for a start of that key; see [`RatePolicy::reserve`]. The key is remembered until that has an end.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    pub fn reserve(&mut self, key: &K, cost: u64, now: Tick) -> Result<Reserved, Refusal> {
        let now = self.at(now);
        self.with(key, now, |policy| policy.reserve(cost, now))
    }

    /// What was reserved for that key has started or ended, and cost `actual`.
    pub fn commit(&mut self, key: &K, reserved: Reserved, actual: u64, now: Tick) {
        let now = self.at(now);
        if let Some(entry) = self.table.get_mut(key) {
            entry.policy.commit(reserved, actual, now);
        }
    }

    /// What was reserved for that key is not needed.
    pub fn cancel(&mut self, key: &K, reserved: Reserved) {
        if let Some(entry) = self.table.get_mut(key) {
            entry.policy.cancel(reserved);
        }
    }

    /// The first time at which something of that cost may start for that key, if nobody else starts meanwhile and, for a
    /// key that is new, there is room for it.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it never may.
    pub fn next_available(&self, key: &K, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        let policy = self.table.get(key).map_or(&self.new, |entry| &entry.policy);
        policy.next_available(cost, now.max(self.latest))
    }

    /// Changes the policy of each key that is remembered, and the one that new keys get: to set another rate.
    pub fn update(&mut self, mut change: impl FnMut(&mut P)) {
        change(&mut self.new);
        for entry in self.table.values_mut() {
            change(&mut entry.policy);
        }
        // What was the earliest time may be too late now.
        let now = self.latest;
        let due = self.table.iter().map(|(key, entry)| {
            Reverse(Due { at: entry.policy.forgets_at(now), number: entry.number, key: key.clone() })
        });
        self.due = due.collect();
    }

    fn with<T>(
        &mut self,
        key: &K,
        now: Tick,
        start: impl FnOnce(&mut P) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if let Some(entry) = self.table.get_mut(key) {
            return start(&mut entry.policy);
        }
        let mut policy = self.new.clone();
        let started = start(&mut policy)?;
        let at = policy.forgets_at(now);
        if at <= now {
            // It cost nothing, so there is nothing to remember; unless a rate without a limit has reserved, which is
            // as good as forgotten.
            return Ok(started);
        }
        let next = self.forget(now);
        if self.table.len() >= self.max_keys {
            return Err(Refusal::Until(next.max(now.saturating_add(1))));
        }
        let number = self.made;
        self.made += 1;
        self.table.insert(key.clone(), Entry { policy, number });
        self.due.push(Reverse(Due { at, number, key: key.clone() }));
        Ok(started)
    }

    /// Forgets some of the keys that are as good as new. Returns when the next one may be.
    fn forget(&mut self, now: Tick) -> Tick {
        let (mut forgotten, mut looks) = (0, 0);
        while let Some(mut top) = self.due.peek_mut() {
            if top.0.at > now || forgotten == FORGOTTEN_EACH || looks == LOOKS_EACH {
                return top.0.at;
            }
            looks += 1;
            let at = self.table.get(&top.0.key).map_or(now, |entry| entry.policy.forgets_at(now));
            if at > now {
                // The key has started again since.
                top.0.at = at;
            } else {
                let Reverse(due) = std::collections::binary_heap::PeekMut::pop(top);
                self.table.remove(&due.key);
                forgotten += 1;
            }
        }
        now
    }

    fn at(&mut self, now: Tick) -> Tick {
        self.latest = self.latest.max(now);
        self.latest
    }
}

// === impl Due ===

impl<K> PartialEq for Due<K> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<K> Eq for Due<K> {}

impl<K> PartialOrd for Due<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<K> Ord for Due<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::{Rate, TokenBucket, Window};

    fn keyed(num: u64, per: u64, max_keys: usize) -> Keyed<u8, Window> {
        Keyed::new(Window::new(Rate::new(num, Duration::from_nanos(per)))).with_max_keys(max_keys)
    }

    #[test]
    fn keys_do_not_share_and_a_refused_one_takes_no_place() {
        let mut keys = keyed(2, 100, 9);
        assert_eq!(keys.take(&1, 3, 0), Err(Refusal::TooHeavy));
        assert_eq!(keys.take(&2, 0, 0), Ok(()));
        assert!(keys.is_empty());
        assert!((1..5).all(|key| keys.take(&key, 2, 0).is_ok()));
        assert!((1..5).all(|key| keys.take(&key, 1, 99) == Err(Refusal::Until(100))));
    }

    #[test]
    fn a_key_that_holds_something_is_not_forgotten() {
        let mut keys = keyed(2, 100, 1);
        let reserved = keys.reserve(&1, 2, 0).expect("it is new");
        assert_eq!(keys.take(&2, 1, 500), Err(Refusal::Until(600)));
        keys.commit(&1, reserved, 2, 550);
        assert_eq!(keys.take(&2, 1, 600), Err(Refusal::Until(650)));
        assert_eq!(keys.take(&2, 1, 650), Ok(()));
    }

    #[test]
    fn a_faster_rate_makes_room_sooner() {
        let mut keys = Keyed::new(TokenBucket::new(Rate::per_second(1))).with_max_keys(1);
        keys.take(&1, 1, 0).expect("it is new");
        keys.update(|bucket| bucket.set_rate(Rate::new(1, Duration::from_nanos(10)), 1, 0));
        assert_eq!(keys.take(&2, 1, 5), Err(Refusal::Until(10)));
        assert_eq!(keys.take(&2, 1, 10), Ok(()));
    }

    #[test]
    fn the_table_shrinks_while_it_is_used() {
        let mut keys = keyed(1, 100, 100);
        assert_eq!((0..100).filter(|key| keys.take(key, 1, 0).is_ok()).count(), 100);
        assert!((100..150).all(|key| keys.take(&key, 1, 100).is_ok()));
        assert_eq!(keys.len(), 50);
    }

    #[test]
    fn a_new_key_looks_at_few_however_many_have_started_again() {
        let mut keys = Keyed::new(Window::new(Rate::new(2, Duration::from_nanos(100)))).with_max_keys(1000);
        for now in [0, 50] {
            assert!((0..1000_u32).all(|key| keys.take(&key, 1, now).is_ok()));
        }
        assert_eq!(keys.take(&1000, 1, 120), Err(Refusal::Until(121)));
        assert_eq!(keys.due.iter().filter(|due| due.0.at > 120).count(), LOOKS_EACH);
        // All of them are due at 100, as far as was looked: asked again, it goes on from there.
        assert_eq!((121..).find(|&now| keys.take(&1000, 1, now).is_ok()), Some(150));
    }

    proptest! {
        #[test]
        fn no_key_exceeds_its_rate_and_whoever_is_remembered_gets_all_of_it(
            num in 1..4_u64,
            per in 1..40_u64,
            max_keys in 1..5_usize,
            steps in vec((0..10_u64, 0..8_u8, 0..3_u64), 1..120),
        ) {
            let window = Window::new(Rate::new(num, Duration::from_nanos(per)));
            let mut model: HashMap<u8, Window> = HashMap::new();
            let mut keys = Keyed::new(window.clone()).with_max_keys(max_keys);
            let mut now = 0;
            for (later, key, cost) in steps {
                now += later;
                let known = keys.table.contains_key(&key);
                let alone = model.entry(key).or_insert_with(|| window.clone());
                match keys.take(&key, cost, now) {
                    // A table without a bound would have let it start, too.
                    Ok(()) => prop_assert_eq!(alone.take(cost, now), Ok(())),
                    Err(refusal) if known => prop_assert_eq!(alone.take(cost, now), Err(refusal)),
                    Err(Refusal::Until(at)) => prop_assert!(at > now && keys.len() == max_keys),
                    Err(Refusal::TooHeavy) => prop_assert!(cost > num),
                }
                prop_assert!(keys.len() <= max_keys && keys.due.len() == keys.table.len());
            }
        }
    }
}
