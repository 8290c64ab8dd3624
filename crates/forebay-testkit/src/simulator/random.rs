//! Chance that comes out the same on every machine.

/// A generator of random numbers with a seed (Steele's SplitMix64).
///
/// Everybody in a simulation has one of its own, so that one who asks more often shifts nobody else's chance.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

// === impl Random ===

impl Random {
    /// The generator of that number among those of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Anything from 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        // Its upper 53 bits: as many as a number has.
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Exponentially distributed, with the mean 1.
    ///
    /// By von Neumann's comparisons and not by a logarithm, whose last digit is not the same everywhere.
    pub(super) fn exponential(&mut self) -> f64 {
        let mut whole = 0.0;
        loop {
            let first = self.unit();
            let (mut last, mut falling) = (first, 1_u32);
            loop {
                let next = self.unit();
                if next >= last {
                    break;
                }
                last = next;
                falling += 1;
            }
            if falling % 2 == 1 {
                return whole + first;
            }
            whole += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_numbers_have_the_mean_and_the_variance_of_their_kind() {
        let mut random = Random::new(1, 2);
        let n = 200_000;
        let numbers: Vec<f64> = (0..n).map(|_| random.exponential()).collect();
        let mean = numbers.iter().sum::<f64>() / f64::from(n);
        let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / f64::from(n);
        let beyond_two = numbers.iter().filter(|&&x| x > 2.0).count() as f64 / f64::from(n);
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
        assert!((beyond_two - (-2.0_f64).exp()).abs() < 0.003, "{beyond_two}");
    }
}
