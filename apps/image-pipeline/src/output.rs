//! What is meant by an output, once it is known what is there: a folder for all results, or a file for one.

use std::path::{Path, PathBuf};

use crate::config::{Config, Output};
use crate::name::is_picture;
use crate::picture::{Format, Target};
use crate::{Name, shown};

/// Why an output cannot take what it is to take. Nothing was processed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Named as a picture of a format that is not written.
    #[error(
        "the output {} has an ending that no result has; let it end in .jpg, .png or .webp, or in / to make a folder",
        shown(path)
    )]
    NotWritten {
        /// As given.
        path: PathBuf,
    },
    /// Its ending says one format, and the settings another one.
    #[error(
        "the output {} is named as {named}, and format is {asked}: leave that out, or let the name end in .{}",
        shown(path),
        asked.extension()
    )]
    Formats {
        /// As given.
        path: PathBuf,
        /// By the ending.
        named: Format,
        /// By the settings.
        asked: Format,
    },
    /// Several inputs for what takes one.
    #[error("{output} takes one picture, and there are {inputs}; name a folder{}", or_this(output, *is_file))]
    Several {
        /// For people.
        output: String,
        /// It is a file, and could be a folder.
        is_file: bool,
        /// How many there are, those among them that cannot be read.
        inputs: usize,
    },
    /// Nothing for what takes one.
    #[error("{output} takes one picture, and there is none in what was named")]
    NoPicture {
        /// For people.
        output: String,
    },
    /// A picture on standard input, and a folder or a bucket to name it in.
    #[error(
        "the picture on standard input has no name: name its result, as in --output small.jpg, or - for standard output"
    )]
    NoName,
}

/// The same with a file as its output, if that is what its name means: an ending that pictures have, no `/` behind it, and
/// no folder there.
///
/// # Errors
///
/// If no result could have that name.
pub(crate) fn settle(config: &Config) -> Result<Config, OutputError> {
    let mut config = config.clone();
    let Output::Folder { path, sync } = &config.output else { return Ok(config) };
    let bytes = path.as_os_str().as_encoded_bytes();
    let is_folder = bytes.ends_with(b"/") || bytes.ends_with(b"/.") || path.is_dir();
    let (false, true, Some(name)) = (is_folder, is_picture(path), path.file_name()) else {
        return Ok(config);
    };
    let not_written = || OutputError::NotWritten { path: path.clone() };
    let name = Name::new(name).map_err(|_| not_written())?;
    let named = name.format().ok_or_else(not_written)?;
    let asked = match config.picture.format {
        Target::Keep => named,
        Target::Jpeg => Format::Jpeg,
        Target::Png => Format::Png,
        Target::WebP => Format::WebP,
    };
    if asked != named {
        return Err(OutputError::Formats { path: path.clone(), named, asked });
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let folder = above.unwrap_or(Path::new(".")).to_owned();
    config.picture.format = match named {
        Format::Jpeg => Target::Jpeg,
        Format::WebP => Target::WebP,
        Format::Png | Format::Gif | Format::Tiff => Target::Png,
    };
    config.output = Output::File { folder, name, sync: *sync };
    Ok(config)
}

fn or_this(output: &str, is_file: bool) -> String {
    if is_file { format!(", or {output}/ to make one of that name") } else { String::new() }
}
