//! What the disciplines promise, one module for each promise.

mod acceptance; // the tables of others' papers, computed independently
mod bounds; // nobody starves, over a million steps
mod harness; // random steps on a discipline and on a model of it
#[cfg(feature = "tower")]
mod layer; // seats before a service
mod long; // long runs of strict order beside a model
mod merge; // several sources as one
mod models; // what the disciplines are compared with
mod order; // each discipline agrees with its model
mod queue; // a queue that is served by a discipline
mod shares; // what each gets in the long run
