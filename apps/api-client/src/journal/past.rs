//! What earlier runs have done.

use std::collections::HashMap;

use super::{Key, Record};

/// What earlier runs have done, as far as the next one has to know it.
///
/// Memory: about 30 bytes for each request that was answered.
#[derive(Debug, Default)]
pub struct Past {
    /// How often each request was answered.
    answered: HashMap<Key, u32>,
    /// Begun by the run that is read, without an end so far.
    begun: HashMap<Key, Vec<Unfinished>>,
    /// Begun by a run that was cut off.
    cut_off: HashMap<Key, Vec<Unfinished>>,
    /// Begun again after that, by runs that were cut off before they could say so.
    repeated: Vec<Unfinished>,
    /// Whether there was a run at all.
    has_run: bool,
    /// Where the results of the last run went that said so.
    results: Option<String>,
    /// What was learnt of each host.
    rates: HashMap<String, f64>,
}

/// A request that was in flight when its run was cut off, or failed there: it may have been acted upon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// The line of the input it stood in.
    pub line: u64,
    /// Its id, if it had one.
    pub id: Option<String>,
    /// Where it went, [redacted](crate::redacted()).
    pub url: String,
}

// === impl Past ===

impl Past {
    /// How many requests were answered.
    pub fn answered(&self) -> u64 {
        self.answered.values().map(|&count| u64::from(count)).sum()
    }

    /// Whether there was an earlier run.
    pub fn is_resumed(&self) -> bool {
        self.has_run
    }

    /// Where the results of earlier runs went, if they said so.
    pub(crate) fn results(&self) -> Option<&str> {
        self.results.as_deref()
    }

    /// What was in flight when a run was cut off, or failed and may have been acted upon, and has not been sent again since.
    pub fn unfinished(&self) -> impl Iterator<Item = &Unfinished> {
        self.cut_off.values().flatten()
    }

    /// What runs that were cut off have sent again, and could not say so.
    pub fn repeated(&self) -> impl Iterator<Item = &Unfinished> {
        self.repeated.iter()
    }

    /// The same as `unfinished`, with what makes each the same request.
    pub(super) fn unfinished_by_key(&self) -> impl Iterator<Item = (Key, &Unfinished)> {
        self.cut_off.iter().flat_map(|(&key, same)| same.iter().map(move |one| (key, one)))
    }

    /// What was learnt: the host, and how many requests a second it takes.
    pub fn rates(&self) -> impl Iterator<Item = (&str, f64)> {
        self.rates.iter().map(|(host, &rate)| (host.as_str(), rate))
    }

    /// Whether this request needs no answer any more. Each answer counts once: of two requests that are the same, with one
    /// answered, the first that is asked for is the answered one.
    pub(crate) fn take_answered(&mut self, key: Key) -> bool {
        match self.answered.get_mut(&key) {
            Some(1) => self.answered.remove(&key).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
            None => false,
        }
    }

    /// Whether this request was in flight when a run was cut off.
    pub(crate) fn take_unfinished(&mut self, key: Key) -> bool {
        take(&mut self.cut_off, key).is_some()
    }

    /// Reads one more record.
    pub(super) fn add(&mut self, record: Record<'_>) {
        match record {
            Record::Run { results, .. } => {
                self.has_run = true;
                self.results = results.map(Into::into).or(self.results.take());
                self.end_of_run();
            }
            Record::Start { key, line, id, url } => {
                let unfinished = Unfinished { line, id: id.map(Into::into), url: url.into() };
                // It is sent again now, so its end is that of this run.
                if take(&mut self.cut_off, key).is_some() {
                    self.repeated.push(unfinished.clone());
                }
                self.begun.entry(key).or_default().push(unfinished);
            }
            Record::Repeated { line, id, url } => {
                self.repeated.push(Unfinished { line, id: id.map(Into::into), url: url.into() });
            }
            Record::Reported {} => self.repeated.clear(),
            Record::Answered { key, .. } => {
                take(&mut self.begun, key);
                *self.answered.entry(key).or_default() += 1;
            }
            Record::Failed { key, done, .. } => {
                let failed = take(&mut self.begun, key);
                if done {
                    self.cut_off.entry(key).or_default().extend(failed);
                }
            }
            Record::Withdrawn { key } => drop(take(&mut self.begun, key)),
            Record::Rate { host, per_second } => drop(self.rates.insert(host.into(), per_second)),
        }
    }

    /// The run that was read has ended, in whatever way.
    pub(super) fn end_of_run(&mut self) {
        for (key, begun) in self.begun.drain() {
            self.cut_off.entry(key).or_default().extend(begun);
        }
    }
}

fn take(requests: &mut HashMap<Key, Vec<Unfinished>>, key: Key) -> Option<Unfinished> {
    let same = requests.get_mut(&key)?;
    let taken = same.pop();
    if same.is_empty() {
        requests.remove(&key);
    }
    taken
}
