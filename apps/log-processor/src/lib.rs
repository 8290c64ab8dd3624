//! Under construction.

pub mod batch;
pub mod checkpoint;
pub mod commit;
pub mod config;
mod fault;
mod escape;
pub mod filter;
pub mod level;
pub mod number;
pub mod input;
pub mod output;
pub mod parse;
pub mod picture;
pub mod process;
pub mod record;
mod render;
mod reorder;
pub mod report;
