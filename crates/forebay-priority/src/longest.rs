//! Which of many lines is the longest, in O(1).

/// The lengths of lines that grow and shrink by one: a list of lines for each length.
#[derive(Debug, Clone, Default)]
pub(crate) struct Longest {
    /// By length: one of the lines of that length. Reaches up to the longest line there was lately.
    heads: Vec<Option<usize>>,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    len: usize,
    prev: Option<usize>,
    next: Option<usize>,
}

// === impl Longest ===

impl Longest {
    pub(crate) fn set(&mut self, line: usize, len: usize) {
        if self.lines.len() <= line {
            self.lines.resize(line + 1, Line::default());
        }
        self.unlink(line);
        self.lines[line] = Line { len, prev: None, next: None };
        if len > 0 {
            if self.heads.len() <= len {
                self.heads.resize(len + 1, None);
            }
            let next = self.heads[len].replace(line);
            self.lines[line].next = next;
            if let Some(next) = next {
                self.lines[next].prev = Some(line);
            }
        }
        // Lengths change by one, so this takes one step for each earlier step up.
        while self.heads.last().is_some_and(Option::is_none) {
            self.heads.pop();
        }
    }

    /// One of the longest lines, unless all are empty.
    pub(crate) fn longest(&self) -> Option<usize> {
        *self.heads.last()?
    }

    fn unlink(&mut self, line: usize) {
        let Line { len, prev, next } = self.lines[line];
        if len == 0 {
            return;
        }
        match prev {
            Some(prev) => self.lines[prev].next = next,
            None => self.heads[len] = next,
        }
        if let Some(next) = next {
            self.lines[next].prev = prev;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Longest;

    #[test]
    fn longest_is_found_after_each_change() {
        let (mut longest, mut lens) = (Longest::default(), vec![0_usize; 7]);
        for step in 0..3000_usize {
            let line = step * step % 7;
            lens[line] = if step % 3 == 0 { lens[line].saturating_sub(1) } else { lens[line] + 1 };
            if step % 50 > 30 {
                lens[line] = lens[line].saturating_sub(2);
            }
            longest.set(line, lens[line]);
            let most = lens.iter().copied().max().unwrap_or(0);
            assert_eq!(longest.longest().map_or(0, |line| lens[line]), most);
        }
    }
}
