//! What is wrong with inputs: with one of them, or with how all were named.

use std::io;
use std::path::PathBuf;

use forebay_program::glob::PatternError;

use crate::{Name, NameError, shown};

/// Why one input is not processed; the others are. Said behind its name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing has that name.
    #[error("does not exist; check the name")]
    Missing,
    /// A pattern that leads to nothing.
    #[error("matches no file; check the pattern")]
    NoMatch,
    /// The system refused to open or read it.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A pipe, a socket or a device.
    #[error("is {0}, not a file; only files and folders are read")]
    NotAFile(&'static str),
    /// A link back to a folder that it lies in.
    #[error("is a link back to {}, in which it lies; not followed", shown(to))]
    Loop {
        /// That folder.
        to: PathBuf,
    },
    /// Its length changed while it was read.
    #[error("changed while it was read; run again when it is at rest")]
    Changed,
    /// A picture on standard input, which is held in memory.
    #[error(
        "is longer than {most} bytes, a quarter of the memory for pictures; name a file, or raise the memory budget (memory)"
    )]
    TooLong {
        /// In bytes.
        most: u64,
    },
    /// It cannot have a name in the output.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Why the inputs cannot be taken as they were named. Nothing was processed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// A pattern that cannot be understood.
    #[error(
        "the pattern {pattern} cannot be read: {source}; a file of that name is meant by its folder, or by a list"
    )]
    Pattern {
        /// As given.
        pattern: String,
        /// What is wrong.
        source: PatternError,
    },
    /// With a base, all inputs must lie below it.
    #[error("{} does not lie below the base {}; name another --base, or none", shown(path), shown(base))]
    NotBelow {
        /// The input.
        path: PathBuf,
        /// The base.
        base: PathBuf,
    },
    /// The list of names could not be read.
    #[error("the list of inputs on standard input cannot be read: {0}")]
    List(io::Error),
    /// All inputs are the output.
    #[error(
        "{} is both input and output, and the output is not looked into; write to another folder, or name the pictures \
         (a pattern such as {}), if their results are called otherwise",
        shown(path),
        shown(&path.join("*.jpg"))
    )]
    IsOutput {
        /// The folder.
        path: PathBuf,
    },
    /// Two inputs would become one output.
    #[error(
        "{} and {} would both become {output}{}; {}",
        shown(first),
        shown(second),
        and_others(*others),
        if first.parent() == second.parent() {
            "rename one, or leave it out"
        } else {
            "name the common folder with --base, or use two outputs"
        }
    )]
    OneOutput {
        /// An input.
        first: PathBuf,
        /// Another one.
        second: PathBuf,
        /// Below the output.
        output: Name,
        /// How many more inputs would become what another one becomes.
        others: usize,
    },
    /// An output would replace an input.
    #[error("the output {} would replace the input {}; write to another folder", shown(output), shown(input))]
    IsInput {
        /// The output.
        output: PathBuf,
        /// The input.
        input: PathBuf,
    },
}

fn and_others(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", and so it is with 1 other input".to_owned(),
        others => format!(", and so it is with {others} other inputs"),
    }
}
