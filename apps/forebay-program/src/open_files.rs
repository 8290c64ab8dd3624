//! How many files, and connections among them, the process may have open.

use std::os::fd::AsRawFd;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Some systems allow no more, although they say that there is no bound.
const AT_LEAST: u64 = 10_240;

/// Raises that number as far as it goes without anybody's leave.
///
/// A shell gives 1024, or 256, for the sake of programs that wait by `select`; who waits by anything else need not be bound by that.
/// Where it cannot be raised it stays as it is.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    for wanted in [maximum, Some(AT_LEAST)] {
        let is_more = current.is_some_and(|current| wanted.is_none_or(|wanted| current < wanted));
        if !is_more || setrlimit(Resource::Nofile, Rlimit { current: wanted, maximum }).is_ok() {
            return;
        }
    }
}

/// So many are kept for what a program opens beside its inputs, or a quarter, where few are allowed.
const KEPT: u64 = 16;

/// Whether `file` is one of the last that may be open. Whoever opens as many as there are gives that one up: else the next file of
/// another part of the program, which is opened for a moment only, would be one too many.
///
/// The system gives the lowest number that is free, so the number says how many there are.
pub fn is_among_the_last(file: &impl AsRawFd) -> bool {
    let number = u64::try_from(file.as_raw_fd()).unwrap_or_default();
    getrlimit(Resource::Nofile).current.is_some_and(|most| number >= most - KEPT.min(most / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_allowed_is_used() {
        raise();
        let limit = getrlimit(Resource::Nofile);
        let is_all = limit.current == limit.maximum;
        assert!(is_all || limit.current == Some(AT_LEAST), "{limit:?}");
    }
}
