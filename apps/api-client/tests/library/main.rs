//! The library against real servers, one module for each behaviour.

mod answers; // what comes back: bodies, compression, HTTP/2, connections that are used again
mod bodies; // where they go, and how large they may be
mod classes; // who is sent first
mod clock; // time that goes by in steps, however busy the machine is
mod ending; // dropped, late, closed, drained, aborted
mod hosts; // each its own line, rate and limit
mod pauses; // a refusal holds up everybody; one that is too long fails
mod rates; // how often requests start
mod redirects; // where they lead, and what they must not take along
mod retries; // what is sent again, and what is not
mod server; // the servers
mod stacks; // the same stack around somebody else's client
