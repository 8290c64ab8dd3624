//! The grammar of filters.
//!
//! ```text
//! or        = and { "or" and }
//! and       = not { "and" not }
//! not       = "not" not | "(" or ")" | "exists" "(" path ")" | condition
//! condition = path ( comparison literal | search text | ( "=~" | "!~" ) text | "in" list | "exists" )
//! list      = "[" literal { "," literal } "]"
//! path      = ( name | text ) { "." ( name | text ) }
//! ```
//! Lists of fields share the last rule: `path { "," path }`.
//!
//! What a rule cannot do without fails for good (`cut`), with a message for people; only tokens that are
//! tried in turn fail quietly.

use std::ops::Range;

use winnow::ascii::{Caseless, multispace0};
use winnow::combinator::{alt, delimited, empty, not, opt, peek, preceded, separated};
use winnow::error::ErrMode;
use winnow::prelude::*;
use winnow::stream::{LocatingSlice, Location, Stream};
use winnow::token::{any, one_of, rest, take_while};

use super::ast::{Comparison, Expr, Literal, Path, Polarity, Search, Spanned};
use super::error::Fault;
use crate::level::Level;
use crate::number::Number;

type Input<'a> = LocatingSlice<&'a str>;
type Parsed<T> = Result<T, ErrMode<Fault>>;

/// Deep enough for any person's filter, shallow enough for any stack.
const MAX_DEPTH: usize = 100;

const WORDS: [&str; 11] =
    ["and", "or", "not", "in", "exists", "contains", "starts_with", "ends_with", "true", "false", "null"];

/// What a field's name is the begin of, for when there is none.
struct Wanted {
    what: &'static str,
    help: &'static str,
}

const CONDITION: Wanted = Wanted {
    what: "a condition",
    help: "a condition looks like `level >= warn`, `status in [500, 502]` or `message contains \"x\"`",
};
const FIELD: Wanted = Wanted {
    what: "the name of a field",
    help: "fields look like `time,level,request.method`, with a comma between two of them",
};
const OPERATOR: &str = "operators are == != < <= > >= =~ !~ in contains starts_with ends_with exists";
const LEVELS: &str = "the levels are trace, debug, info, notice, warn, error, fatal";
const LIST: &str = "a list looks like `[500, 502]` or `[\"a\", \"b\"]`";
const TEXT: &str = "text stands in quotes, as in `message contains \"timeout\"`";

/// Parses a whole expression.
///
/// # Errors
/// The first thing that is not understood.
pub(super) fn parse(text: &str) -> Result<Expr, Fault> {
    whole(&mut LocatingSlice::new(text)).map_err(|error| match error {
        ErrMode::Backtrack(fault) | ErrMode::Cut(fault) => fault,
        ErrMode::Incomplete(_) => unreachable!("the input is all there"),
    })
}

/// Parses a list of fields.
///
/// # Errors
/// The first thing that is not understood.
pub(super) fn parse_fields(text: &str) -> Result<Vec<Spanned<Path>>, Fault> {
    fields(&mut LocatingSlice::new(text)).map_err(|error| match error {
        ErrMode::Backtrack(fault) | ErrMode::Cut(fault) => fault,
        ErrMode::Incomplete(_) => unreachable!("the input is all there"),
    })
}

/// Whether a name can stand without quotes. The first of a path must not look like a number.
pub(super) fn is_name(name: &str, first: bool) -> bool {
    let starts = |c: char| is_name_char(c) && !(first && (c == '-' || c.is_numeric()));
    name.starts_with(starts) && name.chars().all(is_name_char)
}

/// Whether it is a word of the language.
pub(super) fn is_word(name: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(name))
}

fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '@' | '$' | '-')
}

// --- the grammar ---

fn whole(input: &mut Input<'_>) -> Parsed<Expr> {
    let expr = disjunction(0, input)?;
    let (found, span) = ahead(input)?;
    let help = match found {
        "" => return Ok(expr),
        ")" => return cut(span, "this `)` closes nothing", "remove it, or open it with `(`"),
        "&" | "&&" => "write `and`",
        "|" | "||" => "write `or`",
        _ => "conditions are joined by `and` or `or`; text goes in quotes",
    };
    cut(span, format!("expected `and`, `or` or the end, found {}", shown(found)), help)
}

fn fields(input: &mut Input<'_>) -> Parsed<Vec<Spanned<Path>>> {
    let mut fields = Vec::new();
    loop {
        fields.push(path(&FIELD, input)?);
        let (found, span) = ahead(input)?;
        match found {
            "" => return Ok(fields),
            "," => take(input, &span)?,
            _ => {
                let help = "a comma stands between two fields; names with other characters than letters, digits, `_`, \
                            `@`, `$` and `-` go in quotes";
                return cut(span, format!("expected `,` or the end, found {}", shown(found)), help);
            }
        }
    }
}

fn disjunction(depth: usize, input: &mut Input<'_>) -> Parsed<Expr> {
    let operand = |input: &mut Input<'_>| conjunction(depth, input);
    let operands = separated(1.., operand, word("or")).parse_next(input)?;
    Ok(one_or(operands, Expr::Or))
}

fn conjunction(depth: usize, input: &mut Input<'_>) -> Parsed<Expr> {
    let operand = |input: &mut Input<'_>| negation(depth, input);
    let operands = separated(1.., operand, word("and")).parse_next(input)?;
    Ok(one_or(operands, Expr::And))
}

fn one_or(mut operands: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match operands.len() {
        1 => operands.remove(0),
        _ => many(operands),
    }
}

fn negation(depth: usize, input: &mut Input<'_>) -> Parsed<Expr> {
    let (_, span) = ahead(input)?;
    if depth > MAX_DEPTH {
        let help = "`not` binds tighter than `and`, and that tighter than `or`: most parentheses can go";
        return cut(span, format!("nested more than {MAX_DEPTH} deep"), help);
    }
    if opt(word("not")).parse_next(input)?.is_some() {
        return Ok(Expr::Not(Box::new(negation(depth + 1, input)?)));
    }
    if opt(symbol('(')).parse_next(input)?.is_some() {
        let expr = disjunction(depth + 1, input)?;
        if let ("", _) = ahead(input)? {
            return cut(span, "this `(` is never closed", "add `)`");
        }
        expect(')', input, "close the parenthesis, or join conditions by `and` or `or`")?;
        return Ok(expr);
    }
    if opt(word("exists")).parse_next(input)?.is_some() {
        expect('(', input, "write `exists(FIELD)`")?;
        let path = path(&CONDITION, input)?;
        expect(')', input, "write `exists(FIELD)`")?;
        return Ok(Expr::Exists(path));
    }
    condition(input)
}

fn condition(input: &mut Input<'_>) -> Parsed<Expr> {
    let path = path(&CONDITION, input)?;
    let (operator, span) = ahead(input)?;
    take(input, &span)?;
    match operator.to_ascii_lowercase().as_str() {
        "==" => Ok(Expr::Compare(path, Comparison::Equal, literal(input)?)),
        "!=" => Ok(Expr::Compare(path, Comparison::NotEqual, literal(input)?)),
        "<" => Ok(Expr::Compare(path, Comparison::Less, literal(input)?)),
        "<=" => Ok(Expr::Compare(path, Comparison::AtMost, literal(input)?)),
        ">" => Ok(Expr::Compare(path, Comparison::Greater, literal(input)?)),
        ">=" => Ok(Expr::Compare(path, Comparison::AtLeast, literal(input)?)),
        "=~" => Ok(Expr::Match(path, Polarity::Found, quoted(input, pattern_escape)?)),
        "!~" => Ok(Expr::Match(path, Polarity::NotFound, quoted(input, pattern_escape)?)),
        "contains" => Ok(Expr::Search(path, Search::Contains, quoted(input, text_escape)?)),
        "starts_with" => Ok(Expr::Search(path, Search::StartsWith, quoted(input, text_escape)?)),
        "ends_with" => Ok(Expr::Search(path, Search::EndsWith, quoted(input, text_escape)?)),
        "in" => Ok(Expr::In(path, list(input)?)),
        "exists" => Ok(Expr::Exists(path)),
        other => {
            let help = match other {
                "=" | "===" => "write `==`",
                "<>" => "write `!=`",
                "=>" => "write `>=`",
                "=<" => "write `<=`",
                "~" | "~=" => "write `=~ \"PATTERN\"`",
                "not" => "`not` stands in front of the whole condition, as in `not status in [200]`",
                "" | ")" | "and" | "or" => "to ask whether a record has the field, write `exists(FIELD)`",
                _ => OPERATOR,
            };
            cut(span, format!("expected an operator behind `{path}`, found {}", shown(operator)), help)
        }
    }
}

fn path(wanted: &Wanted, input: &mut Input<'_>) -> Parsed<Spanned<Path>> {
    let (found, start) = ahead(input)?;
    let mut segments = Vec::new();
    loop {
        let (found, span) = if segments.is_empty() { (found, start.clone()) } else { ahead(input)? };
        let first = segments.is_empty();
        let name = take_while(1.., is_name_char).verify(|name: &str| is_name(name, first));
        if found.starts_with(['"', '\'']) {
            segments.push(quoted(input, text_escape)?.node);
        } else if let Some(name) = opt(preceded(multispace0, name)).parse_next(input)? {
            if first && is_word(name) {
                let what = format!("expected {}, found the word `{name}`", wanted.what);
                return cut(span, what, format!("a field of that name goes in quotes: \"{name}\""));
            }
            segments.push(name.to_owned());
        } else if first {
            return cut(span, format!("expected {}, found {}", wanted.what, shown(found)), wanted.help);
        } else {
            return cut(
                span,
                format!("expected a name behind `.`, found {}", shown(found)),
                "names with other characters than letters, digits, `_`, `@`, `$` and `-` go in quotes",
            );
        }
        if opt('.').parse_next(input)?.is_none() {
            let end = input.previous_token_end();
            return Ok(Spanned { node: Path(segments), span: start.start..end });
        }
    }
}

fn list(input: &mut Input<'_>) -> Parsed<Vec<Spanned<Literal>>> {
    expect('[', input, LIST)?;
    let literals = separated(1.., literal, symbol(',')).parse_next(input)?;
    expect(']', input, LIST)?;
    Ok(literals)
}

fn literal(input: &mut Input<'_>) -> Parsed<Spanned<Literal>> {
    let (found, span) = ahead(input)?;
    if found.starts_with(['"', '\'']) {
        let Spanned { node, span } = quoted(input, text_escape)?;
        return Ok(Spanned { node: Literal::Text(node), span });
    }
    let node = match found.to_ascii_lowercase().as_str() {
        "null" => Literal::Null,
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        _ if Number::parse(found).is_some() => Literal::Number(found.to_owned()),
        _ => match Level::from_word(found) {
            Some(level) => Literal::Level(level),
            None => {
                let help = match found.chars().next() {
                    Some('0'..='9' | '-') => {
                        format!("numbers look like 404, -1, 0.25 or 1e-3; text goes in quotes: \"{found}\"")
                    }
                    Some(c) if is_name_char(c) && !is_word(found) => {
                        format!("text goes in quotes: \"{found}\"; {LEVELS}")
                    }
                    _ => format!("values are numbers, text in quotes, true, false and null; {LEVELS}"),
                };
                return cut(span, format!("expected a value, found {}", shown(found)), help);
            }
        },
    };
    take(input, &span)?;
    Ok(Spanned { node, span })
}

// --- text in quotes ---

/// Text in double or single quotes. `escape` reads what a backslash begins.
fn quoted(
    input: &mut Input<'_>,
    escape: fn(&mut Input<'_>, &mut String) -> Parsed<()>,
) -> Parsed<Spanned<String>> {
    let (found, ahead) = ahead(input)?;
    let Some(quote) = opt(preceded(multispace0, one_of(['"', '\'']))).parse_next(input)? else {
        return cut(ahead, format!("expected text in quotes, found {}", shown(found)), TEXT);
    };
    let mut text = String::new();
    loop {
        text.push_str(take_while(0.., |c| c != quote && c != '\\').parse_next(input)?);
        match opt(peek(any)).parse_next(input)? {
            Some('\\') => escape(input, &mut text)?,
            Some(_) => {
                any.parse_next(input)?;
                return Ok(Spanned { node: text, span: ahead.start..input.previous_token_end() });
            }
            None => {
                let start = ahead.start;
                return cut(start..start + 1, "this quote is never closed", format!("add `{quote}`"));
            }
        }
    }
}

/// In text a backslash begins one of a few escapes.
fn text_escape(input: &mut Input<'_>, text: &mut String) -> Parsed<()> {
    let start = input.current_token_start();
    let code = take_while(1..=6, |c: char| c.is_ascii_hexdigit())
        .verify_map(|digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
    let (_, kind) = ('\\', opt(any)).parse_next(input)?;
    let decoded = match kind {
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('t') => Some('\t'),
        Some('u') => opt(delimited('{', code, '}')).parse_next(input)?,
        Some(same @ ('"' | '\'' | '\\')) => Some(same),
        _ => None,
    };
    let Some(decoded) = decoded else {
        let help = r#"a backslash is written `\\`; the escapes are \n \r \t \u{e9} \" \' \\"#;
        return cut(start..input.previous_token_end(), "unknown escape", help);
    };
    text.push(decoded);
    Ok(())
}

/// In a pattern a backslash belongs to the pattern, which also knows `\"` and `\'` as the quotes.
fn pattern_escape(input: &mut Input<'_>, pattern: &mut String) -> Parsed<()> {
    let (_, escaped) = ('\\', opt(any)).parse_next(input)?;
    if !matches!(escaped, Some('"' | '\'')) {
        pattern.push('\\');
    }
    pattern.extend(escaped);
    Ok(())
}

// --- tokens ---

/// The next token, for deciding and for messages; empty at the end. Takes nothing.
fn ahead<'a>(input: &mut Input<'a>) -> Parsed<(&'a str, Range<usize>)> {
    let is_operator = |c| "=!<>~&|".contains(c);
    let is_value = |c| is_name_char(c) || c == '.' || c == '+';
    let token = alt((
        take_while(1.., is_value),
        take_while(1.., is_operator),
        (one_of(['"', '\'']), rest).take(),
        any.take(),
        empty.take(),
    ));
    peek(preceded(multispace0, token.with_span())).parse_next(input)
}

/// Takes a token that was ahead.
fn take(input: &mut Input<'_>, span: &Range<usize>) -> Parsed<()> {
    multispace0.void().parse_next(input)?;
    input.next_slice(span.len());
    Ok(())
}

/// A word of the language, in any case, and nothing that merely begins with it.
fn word<'a>(word: &'static str) -> impl Parser<Input<'a>, (), ErrMode<Fault>> {
    let ends = not(one_of(|c| is_name_char(c) || c == '.'));
    (multispace0, Caseless(word), ends).void()
}

fn symbol<'a>(symbol: char) -> impl Parser<Input<'a>, (), ErrMode<Fault>> {
    (multispace0, symbol).void()
}

fn expect(expected: char, input: &mut Input<'_>, help: &str) -> Parsed<()> {
    let (found, span) = ahead(input)?;
    match opt(symbol(expected)).parse_next(input)? {
        Some(()) => Ok(()),
        None => cut(span, format!("expected `{expected}`, found {}", shown(found)), help),
    }
}

fn shown(found: &str) -> String {
    match found {
        "" => "the end".to_owned(),
        text if text.starts_with(['"', '\'']) => "text".to_owned(),
        token => format!("`{token}`"),
    }
}

fn cut<T>(span: Range<usize>, what: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(ErrMode::Cut(Fault::new(span, what, help)))
}
