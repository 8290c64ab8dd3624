//! Where results go: one JSON object a line, and, if wanted, each body in a file of its own.

mod folder;
mod line;
mod lines;
mod name;

pub use folder::{Folder, FolderError};
pub(crate) use line::{Outcome, Unwritten, kind};
pub use lines::{Lines, LinesError};
pub use name::file_name;
