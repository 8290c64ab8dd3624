//! Gets requests answered: as fast as each server allows, without being told its limit, and without losing a request.
//!
//! ```text
//! request ─▶ queue ─▶ retry ─▶ rate ─▶ concurrency ─▶ timeout ─▶ exchange ─▶ response
//!            (100)    budget   10/s    learnt         30 s       reqwest: request and body
//!                              or auto                           one of these stacks for each host
//! ```
//!
//! [`Client`] is this picture; start reading at `stack.rs`, which is one function, a layer a line.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use api_client::{Client, Request};
//! use std::time::Duration;
//!
//! let client = Client::builder().auto().build()?;
//! let answer = client.get("https://example.com/items/1").deadline(Duration::from_secs(60)).send().await?;
//! println!("{} after {} attempts: {:?}", answer.status, answer.attempts, answer.body.bytes());
//!
//! let order = Request::post("https://example.com/orders").body("3 apples").idempotency_key("order-77");
//! client.request(order).await?;
//! # Ok(()) }
//! ```
//!
//! The client does not print, and reads the environment only if it is told to ([`Builder::proxies_of_environment`]).

// What is asked for, and what comes of it.
mod failure;
mod request;
mod response;

// The client: a stack for each host.
mod builder;
mod client;
mod ending;
mod host;
mod hosts;

// The stack, from the outside to the inside.
mod exchange;
mod first_send;
mod refusal;
mod retry;
mod stack;
mod store;
mod time_limit;
mod unrecorded;
mod unsent;

// What a request meets on its way.
mod address;
mod at_once;
mod classes;
mod random;
mod redirect;
mod tally;

// The command, but for what it prints: what it is told, and what it tells.
pub mod config;
pub mod progress;
pub mod report;
pub mod run;

// Its parts: what is requested, where results go, and what is remembered.
mod fetch;
mod headers;
pub mod identity;
pub mod input;
pub mod journal;
mod opening;
pub mod output;
mod redacted;
mod room;
mod scribe;
pub mod span;

pub use builder::{BuildError, Builder, ConcurrencyChoice, IntoRate, RateChoice};
pub use classes::{Class, Classes};
pub use client::{Client, Drained, RequestBuilder};
pub use failure::{BoxError, Failure, Reason, RedirectRefused};
pub use forebay::flow::Rate;
pub use host::HostStats;
pub use redacted::redacted;
pub use request::{Request, Store};
pub use response::{Body, Response};
pub use stack::Stack;

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
