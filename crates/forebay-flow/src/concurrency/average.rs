//! Averages that forget.

/// An exponential average whose first samples are averaged arithmetically, so that the first one does not weigh more
/// than others for long.
///
/// `value = value (1 - f) + sample f` with `f = 2 / (window + 1)`, as `ExpAvgMeasurement` of Netflix/concurrency-limits has it.
#[derive(Debug, Clone)]
pub(super) struct ExpAvg {
    factor: f64,
    warmup: u32,
    /// Samples so far, up to `warmup`.
    seen: u32,
    value: f64,
}

// === impl ExpAvg ===

impl ExpAvg {
    pub(super) fn new(window: u32, warmup: u32) -> Self {
        Self { factor: 2.0 / (f64::from(window) + 1.0), warmup, seen: 0, value: 0.0 }
    }

    pub(super) fn add(&mut self, sample: f64) {
        let factor = if self.seen < self.warmup {
            self.seen += 1;
            1.0 / f64::from(self.seen)
        } else {
            self.factor
        };
        self.value += (sample - self.value) * factor;
    }

    /// The average; none before the first sample.
    pub(super) fn get(&self) -> Option<f64> {
        (self.seen > 0).then_some(self.value)
    }
}
