//! Which fields of a record are written: a list of the paths that filters have, too.

use std::fmt;
use std::str::FromStr;

use super::ast::{Path, Spanned};
use super::error::{Fault, FilterError};
use super::lookup::Lookup;
use super::parser;
use crate::record::{Record, Value};

/// A list of fields, in the order in which they are written.
///
/// Each is found as in a [`Filter`](super::Filter), under the other names of `level`, `message` and `time` as well, and
/// written under the name that stands in the list: so records of many programs come to have one form. Values stay as
/// they are spelled. A nested field is written flat, as `request.method`, which filters find again.
///
/// `Display` shows how the list was understood; that text parses to the same list.
///
/// ```
/// use log_processor::filter::Fields;
/// use log_processor::process::{Edges, OutputFormat, Processor, ProcessorOptions};
///
/// let fields: Fields = "level, request.method, user".parse()?;
/// assert_eq!(fields.to_string(), "level,request.method,user");
///
/// let (fields, format) = (Some(fields), OutputFormat::Json);
/// let processor = Processor::new(ProcessorOptions { fields, format, ..ProcessorOptions::default() });
/// let line = br#"{"request":{"method":"GET","path":"/"},"severity":"INFO"}"#;
/// let processed = processor.process(line.to_vec(), Edges::default());
/// assert_eq!(processed.bytes, b"{\"level\":\"INFO\",\"request.method\":\"GET\"}\n");
/// # Ok::<(), log_processor::filter::FilterError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Fields {
    fields: Vec<Field>,
    shared: usize,
}

#[derive(Debug, Clone)]
struct Field {
    path: Path,
    name: String,
    lookup: Lookup,
}

// === impl Fields ===

impl Fields {
    /// The fields that a record has, under the names of the list, in its order.
    pub(crate) fn of<'a>(&self, record: &Record<'a>) -> impl Iterator<Item = (&str, Value<'a>)> {
        self.fields.iter().filter_map(|field| Some((field.name.as_str(), field.lookup.find(record)?)))
    }

    /// The names under which fields are written.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    /// How many of the fields may have one and the same part of a line in them: 1 unless one lies within another, as
    /// `a.b` in `a`, or two are found under one name, as `level` and `severity`.
    pub(crate) fn shared(&self) -> usize {
        self.shared
    }

    fn new(paths: Vec<Spanned<Path>>) -> Result<Self, Fault> {
        let mut fields = Vec::<Field>::with_capacity(paths.len());
        for Spanned { node: path, span } in paths {
            let name = path.0.join(".");
            if name.is_empty() {
                return Err(Fault::new(span, "a field without a name", "name it, or leave it out"));
            }
            if fields.iter().any(|field| field.name == name) {
                let what = format!("`{path}` is there twice");
                return Err(Fault::new(
                    span,
                    what,
                    "leave one of them out: few readers take a name that comes twice",
                ));
            }
            fields.push(Field { lookup: Lookup::new(&path), path, name });
        }
        let shared =
            |field: &Field| fields.iter().filter(|other| field.lookup.overlaps(&other.lookup)).count();
        let shared = fields.iter().map(shared).max().unwrap_or(1);
        Ok(Self { fields, shared })
    }
}

impl FromStr for Fields {
    type Err = FilterError;

    /// Parses paths with commas between them.
    ///
    /// # Errors
    /// Names the column and the remedy for what is not understood, for an empty name and for one that comes twice.
    fn from_str(text: &str) -> Result<Self, FilterError> {
        parser::parse_fields(text)
            .and_then(Self::new)
            .map_err(|fault| FilterError::new("fields", text, fault))
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, field) in self.fields.iter().enumerate() {
            write!(f, "{}{}", if place > 0 { "," } else { "" }, field.path)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        text.parse::<Fields>()
            .map_or_else(|error| error.to_string(), |fields| panic!("understood as {fields}"))
    }

    #[test]
    fn a_list_shows_how_it_was_understood() {
        for (text, shown) in [
            ("level", "level"),
            (" time , level,message ", "time,level,message"),
            ("request.method,tags.0", "request.method,tags.0"),
            (
                r#"'user name',request."user agent","a,b","not""#,
                r#""user name",request."user agent","a,b","not""#,
            ),
        ] {
            let fields: Fields = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(fields.to_string(), shown);
            assert_eq!(shown.parse::<Fields>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_list_is_pointed_at_with_the_remedy() {
        let lists = [
            "",
            " ",
            "level,",
            ",level",
            "level,,message",
            "level message",
            "level;message",
            "request.",
            "user name",
            "not",
            "\"level",
            "level,\"\"",
            "level,message,level",
            "a.b,\"a.b\"",
            "*",
            "500",
        ];
        let shown: Vec<_> = lists.iter().map(|list| refusal(list)).collect();
        insta::assert_snapshot!(shown.join("\n\n"));
    }

    #[test]
    fn it_is_known_how_often_a_part_of_a_line_may_be_written() {
        for (list, shared) in [
            ("level,time,user", 1),
            ("level,message,time", 2),
            ("a,ab,b.a", 1),
            ("a,a.b,a.c", 3),
            ("a.b,a.c,d", 1),
            ("level,severity", 2),
            ("time,t.$date,t", 3),
            ("message,log,log.level,level", 4),
        ] {
            assert_eq!(list.parse::<Fields>().unwrap().shared(), shared, "{list}");
        }
    }
}
