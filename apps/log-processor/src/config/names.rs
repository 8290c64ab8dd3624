//! The names of values, which flags and files share.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::ReportFormat;
use crate::parse::ParseMode;
use crate::process::OutputFormat;

impl ValueEnum for ParseMode {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Json, Self::Logfmt, Self::Clf, Self::Plain]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Auto => PossibleValue::new("auto").help("each line by its looks"),
            Self::Json => PossibleValue::new("json").help("one object a line"),
            Self::Logfmt => PossibleValue::new("logfmt").help("key=value pairs"),
            Self::Clf => PossibleValue::new("clf").help("access logs in the common or combined log format"),
            Self::Plain => PossibleValue::new("plain").help("nothing is parsed: the line is the message"),
        })
    }
}

impl ValueEnum for OutputFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Json, Self::Logfmt, Self::Raw]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Json => PossibleValue::new("json").help("one object a line"),
            Self::Logfmt => PossibleValue::new("logfmt").help("key=value pairs"),
            Self::Raw => PossibleValue::new("raw").help(
                "the line as it came, byte for byte; a line end that is missing between two inputs is added",
            ),
        })
    }
}

impl ValueEnum for ReportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("a table for people"),
            Self::Json => PossibleValue::new("json").help("one object on one line"),
        })
    }
}
