//! The lowest of a fixed number of numbers.

/// A number for each class, and which is the lowest: a tournament tree. Its winner is known at once, and a change takes
/// log2(classes) comparisons.
#[derive(Debug, Clone)]
pub(crate) struct Lowest {
    /// A complete tree: the root at 1, the leaves in the second half.
    nodes: Vec<u64>,
}

/// The number of a class that does not take part.
pub(crate) const NONE: u64 = u64::MAX;

// === impl Lowest ===

impl Lowest {
    pub(crate) fn new(len: usize) -> Self {
        Self { nodes: vec![NONE; 2 * len.next_power_of_two()] }
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, number: u64) {
        let mut node = self.nodes.len() / 2 + at;
        self.nodes[node] = number;
        while node > 1 {
            node /= 2;
            let lower = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
            if self.nodes[node] == lower {
                return;
            }
            self.nodes[node] = lower;
        }
    }

    /// The class with the lowest number, and that number; the first of the classes that share it.
    pub(crate) fn lowest(&self) -> Option<(usize, u64)> {
        let number = self.nodes[1];
        if number == NONE {
            return None;
        }
        let mut node = 1;
        while 2 * node < self.nodes.len() {
            node = if self.nodes[2 * node] == number { 2 * node } else { 2 * node + 1 };
        }
        Some((node - self.nodes.len() / 2, number))
    }
}

#[cfg(test)]
mod tests {
    use super::{Lowest, NONE};

    #[test]
    fn lowest_is_found_after_each_change() {
        for len in [1, 2, 3, 8, 9] {
            let (mut tree, mut numbers) = (Lowest::new(len), vec![NONE; len]);
            assert_eq!(tree.lowest(), None);
            for step in 0..200_usize {
                let (at, number) =
                    (step * 7 % len, if step % 5 == 0 { NONE } else { (step * 37 % 11) as u64 });
                tree.set(at, number);
                numbers[at] = number;
                let lowest = numbers.iter().copied().enumerate().filter(|&(_, number)| number != NONE);
                let lowest = lowest.min_by_key(|&(at, number)| (number, at));
                assert_eq!(tree.lowest(), lowest);
            }
        }
    }
}
