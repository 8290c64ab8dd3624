//! Raw output is the input byte for byte, whatever the bytes.

use std::fs;

use crate::place::{Place, Report as _, logs};

/// Sends `content` through and compares.
#[track_caller]
fn passes_unchanged(content: &[u8]) {
    let place = Place::new();
    place.write("in", content);
    place.done("run -i in -o out");
    assert!(place.read("out") == content, "in and out differ");
}

#[test]
fn every_real_log_passes_unchanged() {
    let mut seen = 0;
    for kind in fs::read_dir(logs("")).unwrap() {
        let kind = kind.unwrap().path();
        if kind.is_dir() {
            for log in fs::read_dir(kind).unwrap() {
                passes_unchanged(&fs::read(log.unwrap().path()).unwrap());
                seen += 1;
            }
        }
    }
    assert!(seen >= 20, "only {seen} logs");
}

#[test]
fn an_empty_file_passes_unchanged() {
    passes_unchanged(b"");
}

#[test]
fn a_last_line_without_newline_passes_unchanged() {
    passes_unchanged(b"one\ntwo");
}

#[test]
fn crlf_passes_unchanged() {
    passes_unchanged(b"one\r\ntwo\r\n\r\nthree\rstill three\r\n");
}

#[test]
fn nul_and_invalid_utf8_pass_unchanged() {
    passes_unchanged(b"a\0b\n\xff\xfe\xfd\n\xc3\x28\n\0\0\0\n\n\n\xe2\x82");
}

#[test]
fn every_byte_passes_unchanged() {
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    passes_unchanged(&bytes);
}

#[test]
fn a_line_longer_than_the_limit_passes_unchanged() {
    let mut content = vec![b'x'; 3 << 20];
    content.extend_from_slice(b"\nshort\n");
    passes_unchanged(&content);
}

#[test]
fn a_filtered_line_that_is_longer_than_the_limit_goes_or_stays_as_a_whole() {
    let place = Place::new();
    let long = |first: &str| format!("{first} {}\n", "y".repeat(200_000));
    place.write("in", long("keep") + &long("drop") + "keep short\n" + "drop short\n" + &long("keep"));
    let mut command = place.command("run -i in -o out --parse plain --max-line 10000 --report json -f");
    command.arg("message contains \"keep\"");
    let ended = place.start_command(command).wait();
    assert!(place.text("out") == long("keep") + "keep short\n" + &long("keep"), "pieces were lost or kept");
    assert_eq!(ended.totals(), [5, 3, 2, 0]);
}

#[test]
fn a_gz_file_is_unpacked() {
    let place = Place::new();
    let content = fs::read(logs("syslog/rfc3164_centos.log")).unwrap();
    place.write_gz("in.gz", &content);
    place.done("run -i in.gz -o out");
    assert!(place.read("out") == content);
}

#[test]
fn files_follow_one_another_in_the_order_given() {
    let place = Place::new();
    place.write("b", "b1\nb2\n");
    place.write("a", "a1\na2\n");
    place.write_gz("c.gz", "c1\n");
    place.done("run -i b a c.gz -o out");
    assert_eq!(place.text("out"), "b1\nb2\na1\na2\nc1\n");
}

#[test]
fn a_last_line_without_a_line_end_gets_one_when_another_input_follows() {
    let place = Place::new();
    place.write("a", "a=1");
    place.write("empty", "");
    place.write("b", "b=2\n");
    place.write("c", "c=3");
    let ended = place.done("run -i a empty b c -o out --report json");
    assert_eq!(place.text("out"), "a=1\nb=2\nc=3", "the last one stays as it came");
    assert_eq!(ended.report()["totals"]["bytes_written"], 11);
}
