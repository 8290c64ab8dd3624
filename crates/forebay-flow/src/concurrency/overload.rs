//! Overloads that are one.

use forebay_queue::Tick;

/// Calls that were on their way together and are refused are one overload, however many of them there are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Overload {
    /// When the first one was heard of.
    at: Tick,
    /// How far it may lower the limit.
    floor: f64,
}

// === impl Overload ===

impl Overload {
    /// Whether a call that ends now and took so long began after the last one, and so is a new one.
    pub(super) fn is_new(&mut self, rtt: Tick, now: Tick) -> bool {
        // A call that ended long before the last one did so by a clock that went back since.
        let is_new = now.saturating_sub(rtt) >= self.at || now.saturating_add(rtt) < self.at;
        if is_new {
            self.at = now;
        }
        is_new
    }

    /// Lowers a limit to `less`, but all that is one overload to no less than half.
    pub(super) fn lower(&mut self, limit: f64, less: f64, rtt: Tick, now: Tick) -> f64 {
        if self.is_new(rtt, now) {
            self.floor = limit / 2.0;
        }
        limit.min(less.max(self.floor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_refused_together_lower_it_no_further_than_half() {
        let mut overload = Overload::default();
        let mut limit = 100.0;
        // Ten that were on their way at 1000, and one that began after the first of them was heard of.
        for end in 1000..1010 {
            limit = overload.lower(limit, limit * 0.8, 100, end);
        }
        assert_eq!(limit, 50.0);
        assert_eq!(overload.lower(limit, limit * 0.8, 100, 1200), 40.0);
    }
}
