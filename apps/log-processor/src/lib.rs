//! Under construction.

pub mod filter;
pub mod parse;
pub mod process;
