//! A list that nearly always has one element at the most, and stores that one inline.

/// Allocates for the second element.
pub(crate) struct Few<X> {
    first: Option<X>,
    more: Vec<X>,
}

// === impl Few ===

impl<X> Few<X> {
    pub(crate) fn push(&mut self, x: X) {
        if self.first.is_none() {
            self.first = Some(x);
        } else {
            self.more.push(x);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// The first element, if it is the only one.
    pub(crate) fn take_only(&mut self) -> Option<X> {
        if self.more.is_empty() { self.first.take() } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    pub(crate) fn extend(&mut self, xs: impl IntoIterator<Item = X>) {
        xs.into_iter().for_each(|x| self.push(x));
    }
}

impl<X> Default for Few<X> {
    fn default() -> Self {
        Self { first: None, more: Vec::new() }
    }
}

impl<X> IntoIterator for Few<X> {
    type Item = X;
    type IntoIter = std::iter::Chain<std::option::IntoIter<X>, std::vec::IntoIter<X>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.more)
    }
}
