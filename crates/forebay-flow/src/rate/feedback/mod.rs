//! A rate that is learnt from answers.

/// What an answer says, in the words of its reader.
mod answer;
/// How it is configured.
mod config;
/// What headers say.
mod header;
/// How it begins.
mod opening;
/// What an answer says.
mod outcome;
#[cfg(test)]
mod tests;

use std::time::Duration;

use forebay_queue::{CallEnd, Rate, Tick};

pub use answer::Answer;
pub use config::FeedbackConfig;
pub use header::retry_after;
pub use outcome::{Outcome, Quota};

use self::opening::{Opened, Opening};
use super::{Book, Booked, RatePolicy, Refusal, TokenBucket};
use crate::ConfigError;

/// The rate of a client that does not know what the server allows, and learns it from the answers.
///
/// Starts are spaced evenly, with a burst of 1. Tell it of each call that [ended](Self::update), and of what a server
/// [says about its quota](Self::told). All callers under one limit must share one of these: a refusal holds up all of them.
///
/// # Source
///
/// - **At first** the rate doubles each `doubling`, while starts wait for it. With `eager`, starts need not wait for it as long as few calls
///   are on their way, until the first refusal; see [`FeedbackConfig::eager`].
/// - **A refusal** pauses everything: for as long as it says, up to `longest_told`, and at least for `pause`, which is twice as long for each
///   further one in a row.
///   Pauses are lengthened by up to a half, at random, so that clients do not come back together. What had started before the
///   pause says nothing new.
/// - **The new rate** is what was admitted between this refusal and the one before, per second: at both times nothing was left of
///   the allowance, so that is the allowance itself, whatever its burst. With too few admitted to tell, the rate is cut to
///   `backoff` of it, or to what was admitted if that is less, but not below half. With none served since the last refusal it stays,
///   for up to three more in a row: a window that is used up refuses whatever the rate.
/// - **Regrowth** is cubic, as in RFC 9438: from a little below the rate that was found, slowly near it, and faster the longer
///   nothing is refused. With `W` the rate that was found, `d` the part it was set back and `K` the time until it is tried again, after a
///   time `t` it is `W (1 + d ((t - K) / K)³)`, and one per second more after each `K`. As there, `K` goes by the cube root of `W`, so
///   beyond what was found everybody gains as much, however much it has, and clients of one limit come to have as much as each
///   other.
///
/// It grows only while starts wait for it, by an eighth with each success at the most, and not while answers take more than twice as
/// long as the shortest did, and 1 ms: a server that queues what it could refuse.
///
/// # Time
///
/// As for [`TokenBucket`].
///
/// # What it reaches
///
/// In the simulator (`docs/goals.md`), at the worst of 20 seeds and of 30 % more or less of each of the server's parameters: a bucket of
/// 50 a second with a burst of 10 costs at most 3 refusals in 600 calls, and 1.11 of the ideal time; one that falls from 60 to 20 a second
/// at most 9, and 1.26 (1.09 in the median). Of 5 seeds, a sliding window of 50 a second costs at most 3, and 1.19 of the time, and a
/// fixed one at most 6, and 1.19; with a server whose answers vary in another way it may be 1.4. Ten clients of one limit share it at a
/// fairness (Jain's index) of 0.97 in the median, and of 0.91 at the worst: a client with few calls between two refusals estimates
/// badly.
///
/// # When not to use it
///
/// Where the limit is known: [`TokenBucket`] and [`Window`](crate::Window) are never refused. Where the server is slow, not strict,
/// calls at once are the better measure: [`Aimd`](crate::Aimd). AWS's SDKs have a similar "adaptive" mode, which cuts by a fixed
/// part and has no estimate of what was admitted.
///
/// Nor where refusals have nothing to do with the rate: each is taken for the limit. A server that refuses one call in twenty at
/// random, without a time to wait, is sent about five a second in the end, and one that refuses one in a hundred about twenty,
/// as TCP is slow on a link that loses packets.
///
/// ```
/// use std::time::Duration;
/// use forebay_flow::rate::{Book, FeedbackRate, Outcome};
/// use forebay_flow::CallEnd;
///
/// const SECOND: u64 = 1_000_000_000;
/// let mut rate = FeedbackRate::new(42);
/// let at = rate.book(1, 0)?.at();
/// let refused = Outcome {
///     rtt: Duration::from_millis(20),
///     end: CallEnd::Overload,
///     retry_after: Some(Duration::from_secs(3)),
/// };
/// rate.update(&refused, at + SECOND / 50);
/// assert!(rate.per_second() < 25.0);
/// assert!(rate.book(1, at + SECOND / 50)?.at() >= 3 * SECOND);
/// # Ok::<(), forebay_flow::Refusal>(())
/// ```
///
/// In front of a service it is the policy of a `layer::AdaptiveRateLayer`, which reads the answers.
#[derive(Debug, Clone)]
pub struct FeedbackRate {
    config: FeedbackConfig,
    /// Per second.
    rate: f64,
    bucket: TokenBucket,
    growth: Growth,
    /// While nothing is known, if the rate is eager.
    opening: Option<Opening>,
    /// What the opening has found, until the next refusal.
    opened: Option<Opened>,
    found: Option<f64>,
    /// Nothing starts before this.
    resumes: Tick,
    /// Refusals in a row.
    refused: u32,
    /// What was admitted since the start of the call that was refused last; none when it does not say what was allowed.
    admitted: Option<(Tick, u64)>,
    /// Whether a start had to wait since the rate grew.
    waited: bool,
    started: Tick,
    /// In nanoseconds.
    shortest: f64,
    random: u64,
}

#[derive(Debug, Clone, Copy)]
enum Growth {
    /// Nothing is known; the rate grew at that time.
    Doubling(Option<Tick>),
    /// A rate was found and is regained from a time on, and then passed.
    Cubic { found: f64, since: Tick },
}

/// Fewer admitted calls than this do not tell the rate.
const ENOUGH: u64 = 20;
/// After this many refusals in a row, without anything served in between, the limit must be lower.
const BELIEVED: u32 = 4;
/// What is left of what was served in a second while it opened: nearer to the limit than a rate that was guessed.
const OF_OPENING: f64 = 0.85;
/// Answers may take this much longer by themselves, in nanoseconds: that is no queue.
const NOISE: f64 = 1e6;
/// How far below the rate that was found it begins again.
const SET_BACK: f64 = 0.1;
/// The rate, per second, that is tried again after just `regrowth`.
const USUAL: f64 = 20.0;
/// What it gains beside the cubic in the same time, per second: the same for clients with little and for clients with much.
const GAIN: f64 = 1.0;

// === impl FeedbackRate ===

impl FeedbackRate {
    /// A rate with the default configuration. Each client should have a seed of its own.
    pub fn new(seed: u64) -> Self {
        Self::of(FeedbackConfig::default(), seed)
    }

    /// A rate that learns as `config` says.
    ///
    /// # Errors
    ///
    /// If a number is out of its range, which it names.
    pub fn try_new(config: FeedbackConfig, seed: u64) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::of(config, seed))
    }

    fn of(config: FeedbackConfig, seed: u64) -> Self {
        Self {
            config,
            rate: config.start,
            bucket: TokenBucket::new(to_rate(config.start)),
            growth: Growth::Doubling(None),
            opening: config.eager.then(Opening::default),
            opened: None,
            found: None,
            resumes: 0,
            refused: 0,
            admitted: None,
            waited: false,
            started: 0,
            shortest: f64::INFINITY,
            random: seed,
        }
    }

    /// The rate, per second.
    pub const fn per_second(&self) -> f64 {
        self.rate
    }

    /// The limit that was found last, per second, or told by the server; none before the first refusal. It is as much as was admitted
    /// since then, if that is more. The rate moves around it.
    pub fn found(&self) -> Option<f64> {
        let admitted = match self.admitted {
            Some((since, admitted @ ENOUGH..)) if self.started > since => {
                admitted as f64 * 1e9 / (self.started - since) as f64
            }
            _ => 0.0,
        };
        self.found.map(|found| found.max(admitted.min(self.rate)))
    }

    /// The time before which nothing starts, after a refusal.
    pub const fn resumes_at(&self) -> Tick {
        self.resumes
    }

    /// Starts something of that cost now.
    ///
    /// # Errors
    ///
    /// [`Refusal::Until`] when it may not, with the time at which it may; [`Refusal::TooHeavy`] if it costs more than 1. Nothing is
    /// charged then.
    pub fn take(&mut self, cost: u64, now: Tick) -> Result<(), Refusal> {
        let at = self.next_available(cost, now)?;
        if at > now {
            self.waited = true;
            return Err(Refusal::Until(at));
        }
        let is_charged = self.bucket.next_available(cost, now)? <= now;
        self.starts(at);
        if is_charged { self.bucket.take(cost, now) } else { Ok(()) }
    }

    /// The first time at which something of that cost may start, if nobody else starts meanwhile and nothing is
    /// learnt.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooHeavy`] if it costs more than 1.
    pub fn next_available(&self, cost: u64, now: Tick) -> Result<Tick, Refusal> {
        let at = self.bucket.next_available(cost, now.max(self.resumes))?;
        Ok(if self.is_free(now) { now } else { at })
    }

    /// Whether the rate need not be asked.
    fn is_free(&self, now: Tick) -> bool {
        self.resumes <= now && self.opening.as_ref().is_some_and(Opening::is_free)
    }

    /// Whether it lets starts through from now on as that one does.
    #[cfg(feature = "tower")]
    pub(crate) fn starts_as(&self, other: &Self, now: Tick) -> bool {
        (self.rate.to_bits(), self.resumes) == (other.rate.to_bits(), other.resumes) && !self.is_free(now)
    }

    /// A start still waits.
    #[cfg(feature = "tower")]
    pub(crate) const fn note_wait(&mut self) {
        self.waited = true;
    }

    /// A call has ended.
    pub fn update(&mut self, outcome: &Outcome, now: Tick) {
        if let Some(opening) = &mut self.opening {
            opening.ended();
        }
        let rtt = nanos(outcome.rtt);
        let started = now.saturating_sub(rtt);
        match outcome.end {
            CallEnd::Success => self.succeeded(started, rtt as f64, now),
            CallEnd::Overload => self.refused(started, outcome.retry_after, now),
            _ => {}
        }
    }

    /// A call has ended, with an answer that was read: [`update`](Self::update) and [`told`](Self::told) in one.
    pub fn learn(&mut self, rtt: Duration, answer: &Answer, now: Tick) {
        self.update(&Outcome { rtt, end: answer.end, retry_after: answer.retry_after }, now);
        self.told_all(&answer.quotas, now);
    }

    /// What the server says about its quota, from the headers of any answer.
    ///
    /// With nothing left, nothing starts until it is there again, or for `longest_told`. Else what is left is spread over the time until then, within
    /// what the policy of the server says.
    pub fn told(&mut self, quota: &Quota, now: Tick) {
        self.told_all(std::slice::from_ref(quota), now);
    }

    /// The same of several quotas, which hold at once: the slowest and the longest pause count.
    pub fn told_all(&mut self, quotas: &[Quota], now: Tick) {
        let mut slowest = f64::INFINITY;
        for quota in quotas {
            let allowed = quota.per_second();
            let rate = match (quota.remaining, quota.reset) {
                (Some(0), Some(reset)) => {
                    self.resumes = self.resumes.max(now.saturating_add(self.believed(reset)));
                    allowed
                }
                (Some(remaining), Some(reset)) if !reset.is_zero() => {
                    let spread = remaining as f64 / reset.as_secs_f64();
                    Some(allowed.map_or(spread, |allowed| spread.min(allowed)))
                }
                _ => allowed,
            };
            slowest = slowest.min(rate.unwrap_or(f64::INFINITY));
        }
        self.know(slowest, now);
    }

    fn know(&mut self, rate: f64, now: Tick) {
        if rate.is_finite() && rate > 0.0 {
            self.growth = Growth::Cubic { found: rate / (1.0 - SET_BACK), since: now };
            self.found = Some(rate);
            (self.opening, self.opened) = (None, None);
            self.set(rate, now);
        }
    }

    fn succeeded(&mut self, started: Tick, rtt: f64, now: Tick) {
        if let Some((since, admitted)) = &mut self.admitted
            && started > *since
        {
            *admitted += 1;
        }
        if started < self.resumes {
            return;
        }
        self.refused = 0;
        // The shortest creeps up, so that a path that has become longer is believed in the end.
        self.shortest = (self.shortest * 1.001).min(rtt.max(1.0));
        if let Some(opening) = &mut self.opening {
            opening.served();
        }
        if !std::mem::take(&mut self.waited) || rtt > 2.0 * self.shortest + NOISE {
            if let Growth::Doubling(grew) = &mut self.growth {
                *grew = Some(now);
            }
            return;
        }
        let target = match &mut self.growth {
            Growth::Doubling(grew) => {
                let since = now.saturating_sub(grew.replace(now).unwrap_or(now));
                self.rate * (since as f64 / self.config.doubling.as_nanos().max(1) as f64).exp2()
            }
            Growth::Cubic { found, since } => {
                let regrowth = self.config.regrowth.as_nanos().max(1) as f64 * (*found / USUAL).cbrt();
                let time = now.saturating_sub(*since) as f64 / regrowth;
                *found * (1.0 + SET_BACK * (time - 1.0).powi(3)) + GAIN * time
            }
        };
        self.set(target.clamp(self.rate, self.rate * 1.125), now);
    }

    fn refused(&mut self, started: Tick, retry_after: Option<Duration>, now: Tick) {
        let told = retry_after.map(|after| self.believed(after));
        if started < self.resumes {
            // The call started before the pause: the same overload.
            self.resumes = self.resumes.max(told.map_or(0, |after| now.saturating_add(after)));
            return;
        }
        let opened = self.opening.take().map(|opening| opening.end(started));
        let faster = opened.map_or(0.0, |opened| opened.rate());
        let opened = opened.filter(|_| faster > 2.0 * self.rate);
        let backed_off = (self.rate * self.config.backoff).max(faster * OF_OPENING);
        let admitted = self.admitted.and_then(|(since, admitted)| {
            let seconds = started.saturating_sub(since) as f64 / 1e9;
            (seconds > 0.0).then(|| (admitted, admitted as f64 / seconds))
        });
        let found = match admitted {
            // At less than the limit some of the server's burst was not used, so what was admitted is the least.
            Some((_, least)) if let Some(opened) = self.opened.take() => {
                let doubling = self.config.doubling.as_secs_f64();
                opened.limit(self.config.start, self.rate, doubling).max(least).min(self.rate)
            }
            // Nothing was served since the last refusal, so nothing is left still: a window is used up, or others were faster. That
            // is about the pause, and says nothing new about the rate, unless it goes on and on.
            Some((0, _))
                if (1..BELIEVED).contains(&self.refused)
                    && let Some(found) = self.found =>
            {
                found
            }
            Some((ENOUGH.., rate)) => rate.min(self.rate),
            Some((_, rate)) => rate.clamp(self.rate / 2.0, backed_off),
            None => backed_off,
        };
        self.refused = self.refused.saturating_add(1);
        let factor = 1_u64.checked_shl(self.refused - 1).unwrap_or(u64::MAX);
        let pause = nanos(self.config.pause).saturating_mul(factor).min(nanos(self.config.longest_pause));
        let pause = pause.max(told.unwrap_or_default());
        let jitter = (pause as f64 * 0.5 * self.uniform()) as u64;
        self.resumes = now.saturating_add(pause).saturating_add(jitter).max(now.saturating_add(1));
        self.admitted = Some((started, 0));
        if let Some(opened) = opened {
            // The rate was hardly asked, so the refusal says nothing about it, only that nothing is left now.
            self.opened = Some(opened);
            self.growth = Growth::Doubling(Some(self.resumes));
            // Calls that are sent one at a time take another time on their way than calls that are sent without a pause.
            self.shortest = f64::INFINITY;
            return self.set(self.config.start, now);
        }
        self.found = Some(found);
        self.growth = Growth::Cubic { found, since: self.resumes };
        self.set(found * (1.0 - SET_BACK), now);
    }

    /// For how long to wait when a server said `told`, in nanoseconds.
    fn believed(&self, told: Duration) -> u64 {
        nanos(told.min(self.config.longest_told))
    }

    /// Notes a start.
    fn starts(&mut self, at: Tick) {
        if let Some(opening) = &mut self.opening {
            opening.started(at);
        }
        // A client that does not use its rate for a while saves up at the server, and what is admitted is less than
        // what is allowed.
        let idle = at.saturating_sub(self.started.max(self.resumes)) as f64;
        if idle * self.rate > 2e9 {
            self.admitted = None;
        }
        self.started = self.started.max(at);
    }

    fn set(&mut self, rate: f64, now: Tick) {
        self.rate = rate.clamp(self.config.min, self.config.max);
        self.bucket.set_rate(to_rate(self.rate), 1, now);
    }

    /// From 0 to 1; SplitMix64, which is random enough to spread clients.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Book for FeedbackRate {
    /// Bookings keep their time, even when a refusal is learnt of afterwards.
    fn book(&mut self, cost: u64, now: Tick) -> Result<Booked, Refusal> {
        let booked = match self.is_free(now) {
            true if self.bucket.next_available(cost, now)? > now => {
                Opening::booked(cost, now, self.bucket.rate())
            }
            _ => self.bucket.book_from(cost, now.max(self.resumes), now)?,
        };
        self.waited |= booked.at() > now;
        self.starts(booked.at());
        Ok(booked)
    }

    fn unbook(&mut self, booked: Booked) -> bool {
        if let Some(opening) = &mut self.opening {
            opening.ended();
        }
        Opening::has_booked(&booked) || self.bucket.unbook(booked)
    }

    fn charge(&mut self, cost: u64, now: Tick) {
        self.bucket.charge(cost, now);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// To the millionth.
fn to_rate(per_second: f64) -> Rate {
    Rate::new((per_second * 1e6).round() as u64, Duration::from_secs(1_000_000))
}
