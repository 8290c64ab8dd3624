//! What the README shows is what the program prints, but for digits.

use std::fs;
use std::path::Path;

use crate::nginx::Nginx;
use crate::place::Place;

#[test]
fn the_readme_shows_what_the_program_prints() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (command, shown) = block.split_once('\n').unwrap();
    let arguments = command.strip_prefix("$ api-client ").unwrap();
    // A machine with much else to do has to reach the limit, too, and early enough to find it: there is a line that says so.
    let nginx = Nginx::limited(20, 10);
    let place = Place::new();
    place.write("urls.txt", (1..=150).map(|n| format!("{}/{n}\n", nginx.url())).collect::<String>());
    let printed = place.done(arguments).stdout;
    assert_eq!(without_digits(&printed), without_digits(shown), "{printed}");
}

/// Each number as one `#`.
fn without_digits(text: &str) -> String {
    let mut masked = String::new();
    for char in text.chars() {
        let char = if char.is_ascii_digit() || char == '.' { '#' } else { char };
        if !(char == '#' && masked.ends_with('#')) {
            masked.push(char);
        }
    }
    masked
}
