//! A subscriber that keeps events, for tests on one thread.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

/// The events of this thread, from its making until it is dropped, each as `LEVEL message field=value …`.
pub(crate) struct Events {
    kept: Arc<Mutex<Vec<(Level, String)>>>,
    _default: DefaultGuard,
}

struct Keeper(Arc<Mutex<Vec<(Level, String)>>>);

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Events {
    pub(crate) fn keep() -> Self {
        // Where there is one subscriber only, `tracing` asks that of the thread that comes to an event first whether
        // anybody wants it, for all: another test's thread has none. With a second one it asks both.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(Keeper(Arc::default())));
        let kept = Arc::new(Mutex::new(Vec::new()));
        let default = tracing::subscriber::set_default(Keeper(Arc::clone(&kept)));
        Self { kept, _default: default }
    }

    pub(crate) fn at(&self, level: Level) -> Vec<String> {
        let kept = self.kept.lock().unwrap();
        kept.iter().filter(|(at, _)| *at == level).map(|(_, line)| line.clone()).collect()
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("forebay_pool")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.0.lock().unwrap().push((*event.metadata().level(), line.message + &line.fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    /// Without the quotes.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        } else {
            write!(self.fields, " {}={value:?}", field.name()).unwrap();
        }
    }
}
