//! Under construction.

pub mod batch;
pub mod checkpoint;
pub mod commit;
pub mod config;
mod fault;
pub mod filter;
pub mod input;
pub mod output;
pub mod parse;
pub mod picture;
pub mod process;
mod reorder;
pub mod report;
