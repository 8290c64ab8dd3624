//! The layers through their public faces, one module for each behaviour.

mod adaptive_rate; // the rows of the table: starts as often as answers allow, reserved and queued
mod auto_traits; // which services and futures cross threads
mod backpressure; // the row of the table: held up, or refused
mod compositions; // each layer in each place that stacks of tower have for it
mod concurrency; // the rows of the table: calls at once, reserved and queued
mod concurrency_body; // permits that are held until a body has ended
mod concurrency_limits; // limits that move, and what they learn
mod concurrency_newest; // last come, first served while calls wait
mod concurrency_races; // many threads: no permit too many, no wake-up and no sample lost
mod counters; // what is counted never goes down, and everybody who asked is counted once
mod faults; // what others' layers are known to do wrong
mod patience; // handles that reserve, and wait for as long as they may
mod produce; // a whole stream, at the pace of its consumer
mod rate; // the rows of the table: starts, reserved and queued
mod rate_credit; // rates whose burst is so large that not every start looks at the clock
mod rate_left; // who leaves before its start: the next one gets it
mod rig; // a service under a layer, polled by hand
mod shed; // the row of the table: decided by how long it took
mod stacks; // the layers between others of tower's
