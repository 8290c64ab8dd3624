//! The names of classes.

use std::sync::Arc;

use forebay_queue::UnknownClass;

use crate::ConfigError;

/// Named classes, the most urgent first, and which of them is the default.
///
/// ```
/// use forebay_priority::{Class, Classes};
///
/// let classes = Classes::new(["now", "today", "ever"])?.with_default("today")?;
/// assert_eq!(classes.named("ever")?, Class::new(2));
/// assert_eq!(classes.names()[classes.index(Class::DEFAULT)], "today");
/// let unknown = classes.named("never").unwrap_err();
/// assert_eq!(unknown.to_string(), "unknown class \"never\", known are: now, today, ever");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// Shared by the copies that a queue makes of its discipline.
    names: Arc<[String]>,
    default: usize,
}

/// A class by its place among [`Classes`], 0 being the most urgent. The default is [`DEFAULT`](Self::DEFAULT).
///
/// ```
/// use forebay_priority::{Class, Classes};
///
/// assert_eq!(Classes::levels().named("high"), Ok(Class::HIGH));
/// assert_eq!(Class::default(), Class::DEFAULT);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(u16);

// === impl Classes ===

impl Classes {
    /// The most classes that there may be.
    pub const MOST: usize = Class::DEFAULT.0 as usize;

    /// Classes of these names, the most urgent first. The last one is the default; see
    /// [`with_default`](Self::with_default).
    ///
    /// # Errors
    ///
    /// There are no names, more than [`MOST`](Self::MOST), or two that are the same.
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Result<Self, ConfigError> {
        let names: Arc<[String]> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(ConfigError::NoClass);
        }
        if names.len() > Self::MOST {
            return Err(ConfigError::TooManyClasses { most: Self::MOST });
        }
        let mut sorted: Vec<_> = names.iter().collect();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(ConfigError::ClassTwice(pair[0].clone())),
            None => Ok(Self { default: names.len() - 1, names }),
        }
    }

    /// `high`, `medium` and `low`, where `medium` is the default.
    pub fn levels() -> Self {
        let names = ["high", "medium", "low"].map(str::to_owned).into();
        Self { names, default: 1 }
    }

    /// Sets the default class.
    ///
    /// # Errors
    ///
    /// There is no class of that name.
    pub fn with_default(mut self, name: &str) -> Result<Self, ConfigError> {
        self.default = self.index(self.named(name)?);
        Ok(self)
    }

    /// The names, the most urgent first.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The class of that name.
    ///
    /// # Errors
    ///
    /// There is no such class; the error lists the classes that there are.
    pub fn named(&self, name: &str) -> Result<Class, UnknownClass> {
        let at = self.names.iter().position(|known| known == name);
        at.map(|at| Class(at as u16))
            .ok_or_else(|| UnknownClass::new(name, self.names.iter().map(String::as_str)))
    }

    /// The index of a class's name. A class beyond the last counts as the last.
    #[inline]
    pub fn index(&self, class: Class) -> usize {
        let (at, len) = (usize::from(class.0), self.names.len());
        if at < len {
            at
        } else if class == Class::DEFAULT {
            self.default
        } else {
            len - 1
        }
    }

    /// The class, if one is named; otherwise `class` as it is.
    pub(crate) fn relabel(&self, class: Class, name: Option<&str>) -> Result<Class, UnknownClass> {
        name.map_or(Ok(class), |name| self.named(name))
    }
}

// === impl Class ===

impl Class {
    /// The default class, whichever that is.
    pub const DEFAULT: Self = Self(u16::MAX);
    /// The first of [`Classes::levels`].
    pub const HIGH: Self = Self(0);
    /// The second of [`Classes::levels`].
    pub const MEDIUM: Self = Self(1);
    /// The third of [`Classes::levels`].
    pub const LOW: Self = Self(2);

    /// The class at this place, 0 being the most urgent; 65 535 is [`DEFAULT`](Self::DEFAULT).
    pub const fn new(at: u16) -> Self {
        Self(at)
    }
}

impl Default for Class {
    fn default() -> Self {
        Self::DEFAULT
    }
}
