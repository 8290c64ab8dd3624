//! The contracts of the queue, one module for each.

/// When items came, where somebody wants to know.
mod arrival;

mod acceptance; // what .NET's channels are tested with
mod auto_traits; // which handles and futures cross threads
mod blocking; // threads without a runtime
mod bounded_memory; // contract 4: every buffer has a bound
mod cancel; // contracts 2 and 3: a future that is dropped leaves no trace
mod close; // the end of a queue, and what is left in it
mod conservation; // contract 1: a model, random operations, and counts that add up
mod delivery; // settling: acknowledged, returned, put off, set aside
mod expiry; // time to live, and headers
mod faces; // polled by hand: reserving, and the faces built on it
mod fairness; // contracts 5 and 6: who is served next
mod layer; // the line in front of a service: the row of the table
mod layer_faults; // the faults of tower::buffer, by their numbers
mod lines; // served by a discipline: the seam for priorities
mod model; // what the queue is compared with
mod neighbour; // contracts 11 and 12: the cooperative budget, honest about full
mod overload; // contract 11: what a full queue does
mod permits; // places that are ours before there is an item
mod pressure; // watermarks, told once and in order
mod ranked; // a discipline for tests
mod rendezvous; // capacity 0
mod resizing; // capacity that changes
mod sink; // the queue as an ItemSink
#[cfg(feature = "stream")]
mod streams; // the halves as a Stream and a Sink
mod taps; // many consumers that take by value, each by itself
mod timed; // patience that ends
mod waking; // contract 9: exactly who can go on is woken
mod weights; // contract 4: bounded by weight, too
