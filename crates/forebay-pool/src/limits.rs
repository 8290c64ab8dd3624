//! What limits a pool, at a glance.

use std::fmt;

use crate::PoolStats;

/// What keeps a pool from doing more at this moment, from [`PoolStats::limited_by`].
///
/// `Display` is a line of advice:
///
/// ```
/// use forebay_pool::LimitedBy;
///
/// let advice = LimitedBy::Workers { busy: 4, backlog: Some(31) };
/// assert_eq!(
///     advice.to_string(),
///     "limited by workers: all 4 are busy and 31 items wait; more workers, or a faster handler, would help"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitedBy {
    /// Nothing is to be done.
    Idle,
    /// Somebody [paused](crate::Pool::pause) it.
    Pause,
    /// All workers are busy.
    Workers {
        /// How many.
        busy: usize,
        /// How many items wait in the queue, if that is known.
        backlog: Option<usize>,
    },
    /// Workers wait for items.
    Source {
        /// How many workers wait.
        idle: usize,
    },
    /// What comes out of the pool is not taken as fast as it is made: results in order, those of a stage, or dead
    /// letters.
    Sink {
        /// How many results or dead letters wait to be taken.
        waiting: usize,
    },
    /// Workers wait while items are set aside: their keys are busy, or their batch is not complete.
    Keys {
        /// How many items are set aside.
        set_aside: usize,
    },
    /// Workers cannot be built, or their service is not ready.
    Handler {
        /// How many workers are kept from working.
        workers: usize,
    },
}

// === impl LimitedBy ===

impl LimitedBy {
    pub(crate) fn of(stats: &PoolStats) -> Self {
        let PoolStats { workers, idle, busy, failing, set_aside, held, backlog, .. } = *stats;
        let unready = workers.saturating_sub(busy + idle);
        if stats.paused {
            Self::Pause
        } else if stats.is_held_up() {
            Self::Sink { waiting: stats.held_up }
        } else if stats.present.is_zero() && busy == 0 && failing == 0 {
            // They are on their way to their first item.
            Self::Idle
        } else if failing > 0 || (unready > 0 && idle == 0) {
            Self::Handler { workers: unready.max(failing) }
        } else if idle == 0 && busy > 0 {
            Self::Workers { busy, backlog }
        } else if set_aside > 0 {
            Self::Keys { set_aside }
        } else if held == 0 && backlog.unwrap_or(0) == 0 {
            Self::Idle
        } else {
            Self::Source { idle }
        }
    }
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("idle"),
            Self::Pause => f.write_str("paused"),
            Self::Workers { busy, backlog: Some(0) } => {
                write!(f, "limited by workers: all {busy} are busy, but nothing waits")
            }
            Self::Workers { busy, backlog: Some(backlog) } => write!(
                f,
                "limited by workers: all {busy} are busy and {backlog} items wait; more workers, or a faster handler, \
                 would help"
            ),
            Self::Workers { busy, backlog: None } => write!(f, "limited by workers: all {busy} are busy"),
            Self::Source { idle } => write!(f, "limited by the source: {idle} workers wait for items"),
            Self::Sink { waiting } => write!(
                f,
                "limited by the sink: {waiting} results or dead letters wait to be taken; a faster reader, or more room, \
                 would help"
            ),
            Self::Keys { set_aside } => {
                write!(f, "limited by keys or batches: {set_aside} items are set aside while workers wait")
            }
            Self::Handler { workers } => write!(
                f,
                "limited by the handler: {workers} workers cannot be built or wait for their service"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(workers: usize, idle: usize, busy: usize) -> PoolStats {
        let mut stats = PoolStats::new(workers, idle, false, 0);
        (stats.busy, stats.held) = (busy, busy);
        stats
    }

    #[test]
    fn each_limit_has_its_advice() {
        let told = |stats: PoolStats| stats.limited_by().to_string();
        assert_eq!(told(stats(4, 4, 0)), "idle");
        assert_eq!(told(PoolStats { paused: true, ..stats(4, 4, 0) }), "paused");
        assert_eq!(told(stats(4, 0, 4)), "limited by workers: all 4 are busy");
        assert_eq!(
            told(PoolStats { backlog: Some(0), ..stats(4, 0, 4) }),
            "limited by workers: all 4 are busy, but nothing waits"
        );
        assert_eq!(told(stats(4, 1, 3)), "limited by the source: 1 workers wait for items");
        assert_eq!(
            told(PoolStats { set_aside: 7, ..stats(4, 1, 3) }),
            "limited by keys or batches: 7 items are set aside while workers wait"
        );
        assert_eq!(
            told(stats(4, 0, 1)),
            "limited by the handler: 3 workers cannot be built or wait for their service"
        );
        assert_eq!(
            told(PoolStats { failing: 1, ..stats(4, 2, 1) }),
            "limited by the handler: 1 workers cannot be built or wait for their service"
        );
    }
}
