//! How many calls are at work at once.

use std::time::Duration;

use forebay::flow::{Aimd, AimdConfig, CallEnd, Fixed, Limit, Sample, Tick};

use crate::ConcurrencyChoice;

/// How many calls are at work at once.
#[derive(Debug)]
pub(crate) enum AtOnce {
    Fixed(Fixed),
    Auto(Paying),
}

/// As many as pay: twice as many after each round, as long as those bring a quarter more answers in a second at least, and fewer after a
/// refusal or a timeout.
///
/// A server that never refuses, and has no more processors, lets calls wait for each other: more of them are no faster then, and cost
/// both sides connections and memory. So growth goes in rounds, of as many answers as may be at work and of some time at least: by a few
/// answers of a fast server nothing can be told. Where two rounds were not worth it, it goes back to what was, and looks again after a
/// while, since the server may have become faster.
///
/// It looks at answers in a second and not at how long each takes, as that depends on what is asked for. The rounds, and two of them in
/// vain, are BBR's way to find that a pipe is full (Cardwell and others 2016), which waits for three.
#[derive(Debug)]
pub(crate) struct Paying {
    /// Grows again after a refusal, up to what is tried or has paid.
    limit: Aimd,
    /// When it looks again; none while it does.
    looks_again: Option<Tick>,
    round: Round,
    /// The last round that has paid.
    paid: Option<Measured>,
    /// What it would go back to: that round, or a later one that has brought a little more.
    enough: Measured,
    /// Rounds since then that have not paid.
    in_vain: u32,
}

/// A round that is going on.
#[derive(Debug, Default)]
struct Round {
    /// Since when there are so many seats. Calls from before say nothing of them.
    set: Tick,
    seats: usize,
    /// When the first call was answered while all of them were in use; none as long as there is too little to do.
    began: Option<Tick>,
    answers: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Measured {
    seats: usize,
    per_second: f64,
}

/// The most calls at once.
const MOST: usize = 200;
/// A round takes so long at least.
const LEAST: Duration = Duration::from_millis(25);
/// Half as many again at once are compared, or more.
const COMPARED: f64 = 1.5;
/// That many times as many answers have to come of it.
const PAYS: f64 = 1.25;
/// With that many times as many they are worth to be kept, if not to go on.
const WORTH: f64 = 1.1;
/// So many rounds in vain are enough. One may be chance.
const ENOUGH: u32 = 2;
/// For how long nothing is tried after that.
const REST: Duration = Duration::from_secs(5);

// === impl AtOnce ===

impl AtOnce {
    /// As many as there ever are.
    pub(crate) fn most(choice: ConcurrencyChoice) -> usize {
        match choice {
            ConcurrencyChoice::Fixed(most) => most.max(1),
            ConcurrencyChoice::Auto => MOST,
        }
    }
}

impl From<ConcurrencyChoice> for AtOnce {
    fn from(choice: ConcurrencyChoice) -> Self {
        match choice {
            ConcurrencyChoice::Fixed(_) => Self::Fixed(Fixed(Self::most(choice))),
            ConcurrencyChoice::Auto => Self::Auto(Paying::new()),
        }
    }
}

impl Limit for AtOnce {
    fn seats(&self) -> usize {
        match self {
            Self::Fixed(limit) => limit.seats(),
            Self::Auto(limit) => limit.seats(),
        }
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        match self {
            Self::Fixed(limit) => limit.update(sample, now),
            Self::Auto(limit) => limit.update(sample, now),
        }
    }
}

// === impl Paying ===

impl Paying {
    fn new() -> Self {
        let initial = AimdConfig::default().initial;
        Self {
            limit: up_to(initial),
            looks_again: None,
            round: Round::default(),
            paid: None,
            enough: Measured::default(),
            in_vain: 0,
        }
    }

    /// Counts an answer, after it has judged a round that is over. The answer is the first of the next one then: where they come many at
    /// a time, a round ends before some of them, as it began.
    fn measure(&mut self, sample: &Sample, now: Tick) {
        if sample.end != CallEnd::Success || self.round.seats == 0 {
            // With a refusal in it, a round says nothing.
            self.begin(now);
        } else if let Some(measured) = self.round.measured(now) {
            self.judge(measured, now);
            self.begin(now);
        }
        self.round.count(sample, now);
    }

    fn judge(&mut self, measured: Measured, now: Tick) {
        let seats = measured.seats;
        match self.paid {
            Some(paid) if (seats as f64) < COMPARED * paid.seats as f64 => {}
            Some(paid) if measured.per_second < PAYS * paid.per_second => {
                self.in_vain += 1;
                if measured.per_second > WORTH * self.enough.per_second {
                    self.enough = measured;
                }
            }
            _ => (self.paid, self.enough, self.in_vain) = (Some(measured), measured, 0),
        }
        if self.in_vain == ENOUGH {
            self.limit = up_to(self.enough.seats);
            self.looks_again = Some(now.saturating_add(REST.as_nanos() as Tick));
            (self.paid, self.in_vain) = (None, 0);
        } else {
            self.limit = up_to((2 * seats).max(self.limit.seats()).min(MOST));
        }
    }

    fn begin(&mut self, now: Tick) {
        self.round = Round { set: now, seats: self.limit.seats(), ..Round::default() };
    }
}

// === impl Round ===

impl Round {
    fn count(&mut self, sample: &Sample, now: Tick) {
        let called = now.saturating_sub(Tick::try_from(sample.rtt.as_nanos()).unwrap_or(Tick::MAX));
        if called < self.set || sample.end != CallEnd::Success {
            return;
        }
        if sample.in_flight >= self.seats {
            self.began.get_or_insert(now);
        }
        if self.began.is_some() {
            self.answers += 1;
        }
    }

    /// What it has brought, if it is over.
    fn measured(&self, now: Tick) -> Option<Measured> {
        let nanos = now.saturating_sub(self.began?);
        let is_over = self.answers >= self.seats && nanos >= LEAST.as_nanos() as Tick;
        let per_second = self.answers as f64 * 1e9 / nanos as f64;
        is_over.then_some(Measured { seats: self.seats, per_second })
    }
}

impl Limit for Paying {
    fn seats(&self) -> usize {
        self.limit.seats()
    }

    fn update(&mut self, sample: &Sample, now: Tick) {
        self.limit.update(sample, now);
        match self.looks_again {
            None => self.measure(sample, now),
            Some(at) if now >= at => {
                self.looks_again = None;
                self.begin(now);
            }
            Some(_) => {}
        }
    }
}

/// So many, and fewer after a refusal until it has grown again.
fn up_to(most: usize) -> Aimd {
    let config = AimdConfig { initial: most, max: most, ..AimdConfig::default() };
    Aimd::try_new(config).expect("there is one at least")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Tick = 1_000_000;

    /// A server that takes so long for each call, and works at so many at once; others wait.
    struct Server {
        millis: u64,
        at_once: usize,
    }

    impl Server {
        /// How many calls there are at once after so many milliseconds, with calls always waiting to begin.
        fn asked_for(&self, limit: &mut Paying, from: u64, millis: u64) -> usize {
            self.asked_in_bursts(limit, from, millis, |_| 1)
        }

        /// The same where that many answers, of so many calls at work, are seen before others begin.
        fn asked_in_bursts(
            &self,
            limit: &mut Paying,
            from: u64,
            millis: u64,
            burst: fn(usize) -> usize,
        ) -> usize {
            let mut calls = std::collections::VecDeque::new();
            let mut busy = vec![from * MS; self.at_once];
            let mut now = from * MS;
            while now < (from + millis) * MS {
                while calls.len() < limit.seats() {
                    let free = busy.iter_mut().min().expect("it works at something");
                    *free = now.max(*free) + self.millis * MS;
                    calls.push_back((now, *free));
                }
                for _ in 0..burst(calls.len()) {
                    let in_flight = calls.len();
                    let (began, ended) = calls.pop_front().expect("there is one");
                    now = ended;
                    let rtt = Duration::from_nanos(ended - began);
                    limit.update(&Sample { rtt, in_flight, end: CallEnd::Success }, now);
                }
            }
            limit.seats()
        }
    }

    #[test]
    fn it_grows_as_long_as_that_pays() {
        let mut limit = Paying::new();
        assert_eq!(Server { millis: 100, at_once: 1000 }.asked_for(&mut limit, 0, 2000), MOST);
        let mut limit = Paying::new();
        let found = Server { millis: 100, at_once: 50 }.asked_for(&mut limit, 0, 4000);
        assert!((50..=100).contains(&found), "{found}");
    }

    #[test]
    fn what_only_waits_for_each_other_is_not_asked_for() {
        let mut limit = Paying::new();
        let server = Server { millis: 1, at_once: 2 };
        assert_eq!(server.asked_for(&mut limit, 0, 1000), 20);
        // A busy client sees all answers together, the last of them with nothing else at work.
        let mut limit = Paying::new();
        assert_eq!(server.asked_in_bursts(&mut limit, 0, 1000, |calls| calls), 20);
    }

    #[test]
    fn by_a_moment_nothing_is_told() {
        let mut limit = Paying::new();
        let mut now = 0;
        let mut answers = |limit: &mut Paying, count: u64, nanos: u64| {
            for _ in 0..count {
                now += nanos;
                let rtt = Duration::from_micros(500);
                limit.update(&Sample { rtt, in_flight: limit.seats(), end: CallEnd::Success }, now);
            }
        };
        // It begins slowly, and is as fast from then on whatever is asked of it.
        answers(&mut limit, 60, 60_000);
        answers(&mut limit, 10_000, 20_000);
        assert_eq!(limit.seats(), 20);
    }

    #[test]
    fn what_had_too_little_to_do_is_not_compared() {
        let mut limit = Paying::new();
        let server = Server { millis: 1, at_once: 2 };
        let few = Sample { rtt: Duration::from_millis(1), in_flight: 3, end: CallEnd::Success };
        // Something else lets few calls begin, and then more and more.
        (0..100).for_each(|n| limit.update(&few, n * 10 * MS));
        assert_eq!(limit.seats(), 20);
        assert_eq!(server.asked_for(&mut limit, 1000, 1000), 20);
    }

    #[test]
    fn it_looks_again_whether_more_would_pay() {
        let mut limit = Paying::new();
        Server { millis: 1, at_once: 1 }.asked_for(&mut limit, 0, 1000);
        let faster = Server { millis: 100, at_once: 1000 };
        assert_eq!(faster.asked_for(&mut limit, 1000, 3000), 20);
        assert_eq!(faster.asked_for(&mut limit, 4000, 4000), MOST);
    }

    #[test]
    fn refusals_cut_it_also_while_it_rests() {
        let mut limit = Paying::new();
        Server { millis: 1, at_once: 1 }.asked_for(&mut limit, 0, 1000);
        let refused = Sample { rtt: Duration::from_millis(1), in_flight: 20, end: CallEnd::Overload };
        limit.update(&refused, 1100 * MS);
        assert_eq!(limit.seats(), 18);
        let served = Sample { end: CallEnd::Success, ..refused };
        (0..10).for_each(|_| limit.update(&served, 1200 * MS));
        assert_eq!(limit.seats(), 20, "and no more than has paid");
    }
}
