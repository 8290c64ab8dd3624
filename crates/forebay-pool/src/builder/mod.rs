//! How a pool is described before it starts.
//!
//! The type of the builder says what is still missing, so a pool without a source or a handler does not compile:
//!
//! ```text
//! Builder<Missing, Missing> ── queue | source ──▶ Builder<I, Missing> ── handler… | service… ──▶ Builder<I, Handled>
//!                                                                                                  └─ start ─▶ Pool
//! ```

/// Forms of handlers.
mod forms;
/// What feeds a pool.
mod input;
/// Options that depend on the items' type.
mod items;
/// Calls that come too early.
mod mistakes;
/// Numbers and policies.
mod options;
/// From a description to a pool.
mod start;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_queue::ItemSink;

use crate::DeadLetter;
use crate::order::Places;
use crate::rules::Rules;
use crate::supervisor::HandOn;
use crate::worker::Crew;

use self::options::Options;

pub(crate) use self::forms::clone_of;
pub use self::input::{FromQueue, FromSource, Input};
pub use self::start::StartError;

/// Describes a pool: what feeds it (`I`), and what its workers do (`H`).
///
/// Made by [`Pool::builder`](crate::Pool::builder). Choose one of [`queue`](Self::queue) and [`source`](Self::source), then one form of
/// handler, then [`start`](Self::start); [which form?](crate#which-form-of-handler-do-i-want)
///
/// ```
/// use std::time::Duration;
/// use forebay_pool::{Backoff, Pool, StartError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StartError> {
/// let pool = Pool::builder()
///     .workers(8) // the handler waits most of the time
///     .max_attempts(3)
///     .return_backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(5)))
///     .queue(64)
///     .on_dead_letter(|url: String, reason| eprintln!("{url}: {reason}"))
///     .handler(|url: String| async move { drop(url) /* … */ })
///     .start()?;
/// # let _ = pool.finish().await;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `start`"]
pub struct Builder<I = Missing, H = Missing> {
    options: Options,
    input: I,
    handler: H,
}
/// In a [`Builder`]: not chosen yet.
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, Missing, Pool};
///
/// fn wide(builder: Builder<Missing, Missing>) -> Builder<Missing, Missing> {
///     builder.workers(64)
/// }
/// let builder = wide(Pool::builder());
/// ```
#[derive(Debug)]
pub struct Missing;
/// In a [`Builder`]: the handler is chosen. Its form is no longer in the type.
///
/// Its type is written only where a builder is passed around:
///
/// ```
/// use forebay_pool::{Builder, FromQueue, Handled, Pool};
///
/// let builder: Builder<FromQueue<u32>, Handled<u32>> = Pool::builder().queue(10).handler(|_| async {});
/// ```
pub struct Handled<T> {
    crew: Arc<dyn Crew<T>>,
    rules: Rules<T>,
    order: Option<Order>,
    /// Where dead letters go, if not to the source.
    dead_letters: Option<Box<dyn ItemSink<DeadLetter<T>>>>,
}

/// What a handler with ordered results brings along.
struct Order {
    places: Arc<dyn Places>,
    /// Hands on what is ready, until it is dropped.
    hand_on: HandOn,
}
// === impl Builder ===

impl Builder {
    pub(crate) fn new() -> Self {
        Self { options: Options::new(), input: Missing, handler: Missing }
    }
}

impl<I, H> Builder<I, H> {
    /// For code that measures the time of a handler itself.
    pub(crate) fn take_timeout(&mut self) -> Option<Duration> {
        self.options.timeout.take()
    }
}

impl<I, H> fmt::Debug for Builder<I, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("options", &self.options).finish_non_exhaustive()
    }
}

// === impl Handled ===

impl<T> fmt::Debug for Handled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handled").field("rules", &self.rules).finish_non_exhaustive()
    }
}
