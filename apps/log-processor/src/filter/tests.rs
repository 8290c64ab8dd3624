//! The language as a whole: from text to a decision, and back to text.

use proptest::prelude::*;

use super::ast::{Comparison, Literal, Path, Polarity, Search, Spanned};
use super::{Expr, Filter, parser};
use crate::level::Level;
use crate::parse::{ParseMode, parse};
use crate::record::Record;

fn matches(filter: &str, line: &str) -> bool {
    let filter: Filter = filter.parse().unwrap_or_else(|error| panic!("{error}"));
    let mut record = Record::default();
    parse(ParseMode::Auto, line, &mut record);
    filter.matches(&record)
}

fn refusal(filter: &str) -> String {
    match filter.parse::<Filter>() {
        Ok(filter) => panic!("understood as {filter}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_right_side_decides_how_a_field_is_compared() {
    let line =
        r#"{"status":404,"code":"404","level":"warning","host":"web1","tls":true,"user":null,"n":1e2}"#;
    for filter in [
        "status == 404",
        "status == 404.0",
        "code >= 400",
        "n > 99",
        "status > \"4\"",
        "status != \"0404\"",
        "level == warn",
        "level != error",
        "level > notice",
        "level == \"warning\"",
        "level != \"warn\"",
        "host == 'web1'",
        "host < \"web2\"",
        "tls == true",
        "tls != false",
        "user == null",
        "host != null",
        "host in [\"web0\", \"web1\"]",
        "status in [404, \"x\"]",
        "level in [warn, error]",
    ] {
        assert!(matches(filter, line), "{filter}");
    }
    for filter in [
        "host >= 400",
        "host == 0",
        "host > info",
        "user == \"\"",
        "user contains \"\"",
        "tls == 1",
        "status == null",
        "status in [\"40\", 40]",
    ] {
        assert!(!matches(filter, line), "{filter}");
    }
}

#[test]
fn a_missing_field_makes_every_condition_false() {
    let line = r#"{"a":1}"#;
    for filter in
        ["b == 1", "b != 1", "b < 1", "b == null", "b != null", "b contains \"\"", "b =~ \"\"", "b !~ \"x\""]
    {
        assert!(!matches(filter, line), "{filter}");
        assert!(matches(&format!("not {filter}"), line), "not {filter}");
    }
    assert!(matches("exists(a) and a exists and not exists(b)", line));
}

#[test]
fn text_is_searched() {
    let line = r#"level=error msg="user \"ann\" failed: caf\u00e9" path=/api/v2/users"#;
    for filter in [
        r#"message contains "\"ann\" failed""#,
        r#"message contains 'caf\u{e9}'"#,
        r#"msg starts_with "user""#,
        r#"path ends_with "users""#,
        r#"path =~ "^/api/v\d+/""#,
        r#"path =~ '(?i)USERS'"#,
        r#"message =~ "\"ann\"""#,
        r#"path !~ "^/health""#,
    ] {
        assert!(matches(filter, line), "{filter}");
    }
    assert!(!matches(r#"path =~ "^users""#, line));
}

#[test]
fn not_binds_tighter_than_and_and_that_tighter_than_or() {
    let line = r#"{"t":true,"f":false}"#;
    assert!(matches("t == true or t == true and f == true", line));
    assert!(!matches("(t == true or t == true) and f == true", line));
    assert!(!matches("not t == true and f == true", line));
    assert!(matches("not (t == true and f == true)", line));
    assert!(matches("NOT f == TRUE AND NOT NOT t == true", line));
}

#[test]
fn nested_and_dotted_names_are_found() {
    let line = r#"{"request":{"method":"GET","user agent":"curl","h.x":{"y":1}},"id.orig_h":"10.0.0.1","tags":["a","b"]}"#;
    for filter in [
        r#"request.method == "GET""#,
        r#"request."user agent" == "curl""#,
        r#""request".method exists"#,
        "request.h.x.y == 1",
        r#"request."h.x".y == 1"#,
        r#"id.orig_h starts_with "10.""#,
        r#"tags.1 == "b""#,
        r#"request contains "curl""#,
    ] {
        assert!(matches(filter, line), "{filter}");
    }
    for filter in ["request.path exists", "tags.2 exists", "id exists", "request.method.x exists"] {
        assert!(!matches(filter, line), "{filter}");
    }
}

#[test]
fn level_message_and_time_are_found_under_their_other_names() {
    for (filter, line) in [
        ("level == error", r#"{"severity":"ERROR"}"#),
        ("level == error", r#"{"log.level":"error"}"#),
        ("level == error", r#"{"log":{"level":"error"}}"#),
        ("level == warn", r#"{"level":40,"name":"bunyan"}"#),
        ("level == error", r#"{"PRIORITY":"3"}"#),
        ("level == error", r#"{"Level":"Error"}"#),
        ("level == error", "LEVEL=ERROR msg=x"),
        ("level == error", r#"{"@t":"2016-06-07T03:44:57Z","@mt":"x","@l":"Error"}"#),
        ("level == info", r#"{"t":{"$date":"2022"},"s":"I"}"#),
        ("time starts_with \"2022\"", r#"{"t":{"$date":"2022"},"s":"I"}"#),
        ("level == info", r#"{"severity":"ERROR","level":"info"}"#),
        ("severity == error", r#"{"severity":"ERROR","level":"info"}"#),
        ("level == error", "<35>1 2022-01-19T15:14:32+00:00 host audit 24409 - - text"),
        ("message contains \"GET\"", r#"{"log":"GET /\n","stream":"stdout"}"#),
        ("time > 1500000000", r#"{"ts":1575413096.052279}"#),
    ] {
        assert!(matches(filter, line), "{filter} on {line}");
    }
}

#[test]
fn a_filter_shows_how_it_was_understood() {
    let shown = |text: &str| text.parse::<Filter>().unwrap().to_string();
    assert_eq!(
        shown("a==1 and(b<2 or c=='x y')AND not(d exists)"),
        r#"a == 1 and (b < 2 or c == "x y") and not exists(d)"#
    );
    assert_eq!(
        shown("  level>=WARNING\n  or \"in\".\"x\".\"0\" !~ '\"\\d\"'"),
        r#"level >= warn or "in".x.0 !~ "\"\d\"""#
    );
    assert_eq!(shown("(a exists and b exists) and c exists"), "(exists(a) and exists(b)) and exists(c)");
    assert_eq!(shown("not (not a exists)"), "not not exists(a)");
}

#[test]
fn what_is_not_understood_is_pointed_at_with_the_remedy() {
    let expressions = [
        "",
        "status",
        "status >=",
        "status = 500",
        "level >= wran",
        "status >= 5oo",
        "status >= 500 and",
        "(level >= warn or a exists",
        "level >= warn)",
        "status == 200 status == 404",
        "level >= warn && status == 500",
        "message contains timeout",
        "message contains \"time",
        "path =~ \"^/(a\"",
        "message == \"C:\\dir\"",
        "user > null",
        "status in 500",
        "status in [500 502]",
        "status not in [200]",
        "in == 1",
        "\"héllo wörld\".  == 1",
        "exists a",
        "500 <= status",
    ];
    let shown: Vec<_> = expressions.iter().map(|expression| refusal(expression)).collect();
    insta::assert_snapshot!(shown.join("\n\n"));
}

#[test]
fn nesting_is_bounded() {
    for deep in ["(", "not ", "not ("] {
        let deep = deep.repeat(100_000) + "a exists";
        assert!(refusal(&deep).contains("nested more than 100 deep"));
    }
    let wide = vec!["a == 1"; 10_000].join(" or ");
    assert_eq!(wide.parse::<Filter>().unwrap().to_string(), wide);
}

// --- what is shown parses to the same tree ---

fn spanned<T>(node: T) -> Spanned<T> {
    Spanned { node, span: 0..0 }
}

fn path() -> impl Strategy<Value = Spanned<Path>> {
    let segment =
        prop_oneof!["[a-z@_$][a-z0-9_-]{0,6}", "[0-9]{1,2}", "and|In|not|exists|null", any::<String>()];
    prop::collection::vec(segment, 1..4).prop_map(|segments| spanned(Path(segments)))
}

fn literal() -> impl Strategy<Value = Spanned<Literal>> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        "-?[0-9]{1,40}(\\.[0-9]{1,5})?(e[+-]?[0-9]{1,3})?".prop_map(Literal::Number),
        prop::sample::select(vec![Level::Trace, Level::Notice, Level::Warn, Level::Fatal])
            .prop_map(Literal::Level),
        any::<String>().prop_map(Literal::Text),
    ]
    .prop_map(spanned)
}

/// Patterns as the parser leaves them: any backslash is followed by something, and not by a quote.
fn pattern() -> impl Strategy<Value = Spanned<String>> {
    "([a-zé\"' ^$]|\\\\[d\\\\.n])*".prop_map(spanned)
}

fn condition() -> impl Strategy<Value = Expr> {
    use prop::sample::select;
    let comparisons = [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::AtMost,
        Comparison::Greater,
        Comparison::AtLeast,
    ];
    let searches = [Search::Contains, Search::StartsWith, Search::EndsWith];
    prop_oneof![
        (path(), select(comparisons.to_vec()), literal()).prop_map(|(p, c, l)| Expr::Compare(p, c, l)),
        (path(), select(searches.to_vec()), any::<String>()).prop_map(|(p, s, t)| Expr::Search(
            p,
            s,
            spanned(t)
        )),
        (path(), select(vec![Polarity::Found, Polarity::NotFound]), pattern())
            .prop_map(|(p, polarity, t)| Expr::Match(p, polarity, t)),
        (path(), prop::collection::vec(literal(), 1..4)).prop_map(|(p, l)| Expr::In(p, l)),
        path().prop_map(Expr::Exists),
    ]
}

fn expr() -> impl Strategy<Value = Expr> {
    condition().prop_recursive(5, 24, 4, |inner| {
        let some = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            some.clone().prop_map(Expr::Or),
            some.prop_map(Expr::And),
            inner.prop_map(|expr| Expr::Not(Box::new(expr))),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_shown_parses_to_the_same_tree(expr in expr()) {
        let shown = expr.to_string();
        prop_assert_eq!(parser::parse(&shown), Ok(expr), "{}", shown);
    }

    #[test]
    fn no_text_breaks_the_parser(text in "([a-z.]|\\PC|[\"'\\\\()\\[\\]=~!<>&|, 0-9]| and | in |exists|not )*") {
        if let Err(error) = text.parse::<Filter>() {
            prop_assert!(error.column() <= text.chars().count() + 1);
            prop_assert!(error.to_string().contains("help: "));
        }
    }
}
