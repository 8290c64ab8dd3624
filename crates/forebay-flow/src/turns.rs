//! Who gets the next free permit of a limit, and who is shed when too many wait.

use std::collections::VecDeque;

/// A line in front of a number of permits, bounded in the permits that its waiters ask for.
///
/// | order | next is | may newcomers pass? | when too many would wait |
/// | --- | --- | --- | --- |
/// | [`OldestFirst`](TurnOrder::OldestFirst) | who came first | no | the newcomer is refused |
/// | [`NewestFirst`](TurnOrder::NewestFirst) | who came last | yes, if there is room for them | those who came first are shed |
///
/// In an overload, callers that have waited long mostly no longer want the answer, and those that have just come do: newest
/// first serves some in time where oldest first serves all too late.
///
/// It is pure: it holds the waiters, each a `T`, and says whose turn it is. To wake and answer them is up to its owner.
///
/// # Source
///
/// The waiting orders of .NET's `ConcurrencyLimiter`, whose tests it passes. A request for 0 permits asks whether there is one, and
/// waits until there is.
///
/// # Fairness
///
/// Newest first is not fair: someone may wait for ever while others pass.
///
/// # When not to use it
///
/// In front of a tower service: a `layer::ConcurrencyLimitLayer` that queues has this line in it (`newest_first`).
/// To shed items that have waited for too long, and not the ones that are too many: [`CoDel`](crate::CoDel).
///
/// ```
/// use forebay_flow::{Turn, TurnOrder, Turns};
///
/// let mut turns = Turns::new(1, 2, TurnOrder::NewestFirst);
/// assert_eq!(turns.acquire("ann", 1), Turn::Granted("ann"));
/// for (who, shed) in [("ben", vec![]), ("cat", vec![]), ("dan", vec!["ben"])] {
///     let Turn::Waits { shed: gone, .. } = turns.acquire(who, 1) else { panic!("none is free") };
///     assert_eq!(gone, shed);
/// }
/// assert_eq!(turns.release(1), ["dan"]);
/// ```
#[derive(Debug, Clone)]
pub struct Turns<T> {
    permits: u64,
    free: u64,
    order: TurnOrder,
    most: u64,
    /// Permits that the waiters ask for; at most `most`.
    asked: u64,
    /// Oldest first: ticket, permits, who.
    waiting: VecDeque<(u64, u64, T)>,
    tickets: u64,
}

/// Which waiter is next; see [`Turns`].
///
/// ```
/// use forebay_flow::TurnOrder;
///
/// assert_ne!(TurnOrder::OldestFirst, TurnOrder::NewestFirst);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnOrder {
    /// The first to come.
    OldestFirst,
    /// The last to come.
    NewestFirst,
}

/// What becomes of a caller that asks; see [`Turns`].
///
/// ```
/// use forebay_flow::{Turn, TurnOrder, Turns};
///
/// let mut turns = Turns::new(2, 0, TurnOrder::OldestFirst);
/// assert_eq!(turns.acquire('a', 3), Turn::TooHeavy('a'));
/// assert_eq!(turns.acquire('b', 2), Turn::Granted('b'));
/// assert_eq!(turns.acquire('c', 1), Turn::Refused('c'));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn<T> {
    /// It has its permits.
    Granted(T),
    /// It waits.
    Waits {
        /// To [leave](Turns::leave) with.
        ticket: u64,
        /// The waiters that had to go for it, oldest first.
        shed: Vec<T>,
    },
    /// There is no room to wait.
    Refused(T),
    /// It asks for more than there is.
    TooHeavy(T),
}

// === impl Turns ===

impl<T> Turns<T> {
    /// With so many permits, and a line for `most` of them; with 0 nobody waits.
    pub const fn new(permits: u64, most: u64, order: TurnOrder) -> Self {
        Self { permits, free: permits, order, most, asked: 0, waiting: VecDeque::new(), tickets: 0 }
    }

    /// Permits that nobody has.
    pub const fn free(&self) -> u64 {
        self.free
    }

    /// Permits that the waiters ask for.
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    /// Takes permits without waiting: whether there are enough, and nobody is to be passed.
    pub fn take_now(&mut self, permits: u64) -> bool {
        let may = self.fits(permits) && (self.order == TurnOrder::NewestFirst || self.waiting.is_empty());
        if may {
            self.free -= permits;
        }
        may
    }

    /// Takes permits, or waits for them.
    pub fn acquire(&mut self, who: T, permits: u64) -> Turn<T> {
        if permits > self.permits {
            return Turn::TooHeavy(who);
        }
        if self.take_now(permits) {
            return Turn::Granted(who);
        }
        let is_full = self.most - self.asked < permits;
        // Nobody is shed for a newcomer that would not fit anyway. One that asks for nothing needs a line all the same.
        if permits > self.most || self.most == 0 || (is_full && self.order == TurnOrder::OldestFirst) {
            return Turn::Refused(who);
        }
        let mut shed = Vec::new();
        while self.most - self.asked < permits {
            let Some((_, less, oldest)) = self.waiting.pop_front() else { break };
            self.asked -= less;
            shed.push(oldest);
        }
        let ticket = self.tickets;
        self.tickets += 1;
        self.asked += permits;
        self.waiting.push_back((ticket, permits, who));
        Turn::Waits { ticket, shed }
    }

    /// Gives permits back. Returns the waiters whose turn it is now, in that order.
    #[must_use = "they have their permits, and must be told"]
    pub fn release(&mut self, permits: u64) -> Vec<T> {
        self.free = self.free.saturating_add(permits).min(self.permits);
        self.grant()
    }

    /// A waiter leaves. Returns it, unless it had its turn or was shed, and the waiters whose turn it is because it left.
    #[must_use = "others may have their permits now, and must be told"]
    pub fn leave(&mut self, ticket: u64) -> (Option<T>, Vec<T>) {
        let Ok(index) = self.waiting.binary_search_by_key(&ticket, |&(ticket, ..)| ticket) else {
            return (None, Vec::new());
        };
        let left = self.waiting.remove(index).map(|(_, permits, who)| {
            self.asked -= permits;
            who
        });
        (left, self.grant())
    }

    /// Nobody waits any more. Returns all who did, oldest first.
    pub fn close(&mut self) -> Vec<T> {
        self.asked = 0;
        self.most = 0;
        self.waiting.drain(..).map(|(.., who)| who).collect()
    }

    fn fits(&self, permits: u64) -> bool {
        self.free >= permits.max(1)
    }

    fn grant(&mut self) -> Vec<T> {
        let mut granted = Vec::new();
        loop {
            let next = match self.order {
                TurnOrder::OldestFirst => self.waiting.front(),
                TurnOrder::NewestFirst => self.waiting.back(),
            };
            if !next.is_some_and(|&(_, permits, _)| self.fits(permits)) {
                return granted;
            }
            let next = match self.order {
                TurnOrder::OldestFirst => self.waiting.pop_front(),
                TurnOrder::NewestFirst => self.waiting.pop_back(),
            };
            if let Some((_, permits, who)) = next {
                self.free -= permits;
                self.asked -= permits;
                granted.push(who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct File {
        limiter: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        permits: u64,
        queue_limit: u64,
        order: String,
        steps: Vec<Step>,
    }

    #[derive(Deserialize)]
    struct Step {
        op: String,
        id: Option<String>,
        n: Option<i64>,
        #[serde(default)]
        expect: HashMap<String, toml::Value>,
    }

    #[test]
    fn waits_as_the_limiter_of_the_table_does() {
        let File { limiter } = toml::from_str(include_str!("../tests/data/queue_modes.toml"))
            .expect("the table has these fields");
        assert!(limiter.len() >= 20);
        for Case { name, permits, queue_limit, order, steps } in limiter {
            let order = match order.as_str() {
                "newest_first" => TurnOrder::NewestFirst,
                _ => TurnOrder::OldestFirst,
            };
            let mut turns = Turns::new(permits, queue_limit, order);
            let (mut states, mut asked, mut tickets) = (HashMap::new(), HashMap::new(), HashMap::new());
            let (mut closed, mut granted_total, mut refused_total) = (false, 0, 0);
            for (index, Step { op, id, n, expect }) in steps.into_iter().enumerate() {
                let id = id.unwrap_or_default();
                let n = n.map(u64::try_from);
                let mut granted = Vec::new();
                let mut refused = Vec::new();
                match (op.as_str(), n) {
                    ("try" | "acquire", Some(Err(_))) => drop(states.insert(id.clone(), "argument_error")),
                    ("try" | "acquire", _) if closed => drop(states.insert(id.clone(), "closed_error")),
                    ("try", Some(Ok(n))) if n > permits => drop(states.insert(id.clone(), "argument_error")),
                    ("try", Some(Ok(n))) => {
                        asked.insert(id.clone(), n);
                        if turns.take_now(n) { &mut granted } else { &mut refused }.push(id.clone());
                    }
                    ("acquire", Some(Ok(n))) => {
                        asked.insert(id.clone(), n);
                        match turns.acquire(id.clone(), n) {
                            Turn::Granted(who) => granted.push(who),
                            Turn::Refused(who) => refused.push(who),
                            Turn::TooHeavy(who) => drop(states.insert(who, "argument_error")),
                            Turn::Waits { ticket, shed } => {
                                tickets.insert(id.clone(), ticket);
                                states.insert(id.clone(), "queued");
                                refused = shed;
                            }
                        }
                    }
                    ("release", _) => granted = turns.release(asked[&id]),
                    ("cancel", _) => {
                        let (left, next) = turns.leave(tickets[&id]);
                        assert_eq!(left.as_ref(), Some(&id));
                        states.insert(id.clone(), "cancelled");
                        granted = next;
                    }
                    ("close", _) => {
                        closed = true;
                        refused = turns.close();
                    }
                    other => panic!("an unknown step: {other:?}"),
                }
                granted_total += granted.len();
                refused_total += refused.len();
                states.extend(granted.into_iter().map(|who| (who, "granted")));
                states.extend(refused.into_iter().map(|who| (who, "refused")));
                for (what, expected) in expect {
                    let found = match what.as_str() {
                        "available" => toml::Value::Integer(turns.free() as i64),
                        "queued" => toml::Value::Integer(turns.asked() as i64),
                        "granted_total" => toml::Value::Integer(granted_total as i64),
                        "refused_total" => toml::Value::Integer(refused_total as i64),
                        id => toml::Value::String(states[id].to_owned()),
                    };
                    assert_eq!(found, expected, "{name}, step {index}: {what}");
                }
            }
        }
    }

    #[test]
    fn who_leaves_the_head_of_the_line_makes_way_for_lighter_ones() {
        let mut turns = Turns::new(2, 9, TurnOrder::OldestFirst);
        assert!(turns.take_now(1));
        let Turn::Waits { ticket, .. } = turns.acquire('a', 2) else { panic!("one is taken") };
        assert!(matches!(turns.acquire('b', 1), Turn::Waits { .. }));
        assert_eq!(turns.leave(ticket), (Some('a'), vec!['b']));
        assert_eq!(turns.leave(ticket), (None, vec![]));
    }
}
