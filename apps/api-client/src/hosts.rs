//! The hosts that are known: as many as there is something to know of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;

use crate::HostStats;
use crate::exchange::Exchange;
use crate::host::Host;
use crate::stack::Settings;

/// A stack for each host, made with its first request.
///
/// Beyond [`MOST`] those are forgotten that have been left alone the longest. One with a request, or with a pause, is not: whoever came
/// back to it would not know of the pause. So there are more only while so many are at work or in a pause at once.
#[derive(Debug)]
pub(crate) struct Hosts {
    exchange: Exchange,
    settings: Settings,
    per_host: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    hosts: BTreeMap<String, Known>,
    /// Limits that were found before, of hosts that are not there.
    limits: BTreeMap<String, f64>,
    uses: u64,
}

#[derive(Debug)]
struct Known {
    host: Arc<Host>,
    /// When it was used last, counted in uses.
    used: u64,
}

/// How many hosts are remembered.
const MOST: usize = 1024;

/// How many limits are remembered; they are small.
const MOST_LIMITS: usize = 16 * MOST;

// === impl Hosts ===

impl Hosts {
    pub(crate) fn new(
        exchange: Exchange,
        settings: Settings,
        per_host: bool,
        limits: impl IntoIterator<Item = (String, f64)>,
    ) -> Self {
        let state = State { hosts: BTreeMap::new(), limits: limits.into_iter().collect(), uses: 0 };
        Self { exchange, settings, per_host, state: Mutex::new(state) }
    }

    pub(crate) const fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The host that a URL without credentials names, and its port where that is not the usual one.
    pub(crate) fn get(&self, url: &Url) -> Arc<Host> {
        let name = if self.per_host { url.authority() } else { "*" };
        let mut state = self.lock();
        state.uses += 1;
        let used = state.uses;
        if let Some(known) = state.hosts.get_mut(name) {
            known.used = used;
            return known.host.clone();
        }
        if state.hosts.len() >= MOST {
            state.forget_idle();
        }
        let limit = state.limits.get(name).copied();
        let host = Arc::new(Host::new(self.exchange.clone(), &self.settings, limit));
        state.hosts.insert(name.to_owned(), Known { host: host.clone(), used });
        host
    }

    pub(crate) fn stats(&self) -> Vec<HostStats> {
        self.lock().hosts.iter().map(|(name, known)| known.host.stats(name)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing is half done where something may panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// Forgets the half of the idle ones that have been left alone the longest, so that the next ones find room without a search.
    fn forget_idle(&mut self) {
        // Whoever got a host from the table holds it until it has counted itself.
        let is_idle = |known: &Known| Arc::strong_count(&known.host) == 1 && known.host.is_idle();
        let mut idle: Vec<_> =
            self.hosts.values().filter(|known| is_idle(known)).map(|known| known.used).collect();
        idle.sort_unstable();
        let Some(&newest) = idle.get(idle.len() / 2) else { return };
        let limits = &mut self.limits;
        self.hosts.retain(|name, known| {
            let stays = known.used > newest || !is_idle(known);
            if let Some(limit) = known.host.limit().filter(|_| !stays && limits.len() < MOST_LIMITS) {
                limits.insert(name.clone(), limit);
            }
            stays
        });
    }
}
