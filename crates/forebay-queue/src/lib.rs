//! Under construction.

mod delivery;
mod sink;
mod source;

pub use delivery::{Delivery, End, Receipt, Settle};
pub use sink::{ItemSink, SinkError};
pub use source::{Source, SourceError};
