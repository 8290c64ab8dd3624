//! The README shows what the program prints: the commands between two markers are run, one after the other, in a
//! folder with photographs. `UPDATE_TRANSCRIPTS=1 cargo test -p image-pipeline readme` writes what they print today.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::place::Place;

const OPEN: &str = "<!-- tested transcript -->\n```console\n";
const CLOSE: &str = "```\n<!-- /tested transcript -->";

#[test]
fn the_readme_shows_what_the_program_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(OPEN).expect("the README has a transcript");
    let (shown, after) = rest.split_once(CLOSE).expect("the transcript has an end");
    let place = Place::new();
    place.copy("friends_by_Aitzol_Berasategi.jpg", "photos/2024/friends.jpg");
    place.copy("retina.jpg", "photos/2024/retina.jpg");
    place.copy("grace_hopper.jpg", "photos/portrait.jpg");
    place.write("photos/download.jpg", "<!DOCTYPE html>");
    let printed: String =
        shown.lines().filter_map(|line| line.strip_prefix("$ ")).map(|c| printed(&place, c)).collect();
    if env::var_os("UPDATE_TRANSCRIPTS").is_some() {
        fs::write(&path, format!("{before}{OPEN}{printed}{CLOSE}{after}")).unwrap();
    } else if comparable(shown) != comparable(&printed) {
        panic!(
            "the README shows\n{shown}\nand the program prints\n{printed}\n`UPDATE_TRANSCRIPTS=1` mends it"
        );
    }
}

/// The command, and what a terminal would show after it.
fn printed(place: &Place, command: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_image-pipeline"));
    let path = format!("{}:{}", program.parent().unwrap().display(), env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command} 2>&1")]).current_dir(place.path("")).env("PATH", path);
    format!("$ {command}\n{}", String::from_utf8(shell.output().unwrap().stdout).unwrap())
}

/// Without what another machine or another moment may have otherwise: numbers, the columns that they push apart, and
/// what limited the run.
fn comparable(text: &str) -> String {
    let mut comparable = String::new();
    for line in text.lines().filter(|line| !line.starts_with("limited by")) {
        for char in line.chars() {
            let char = if char.is_ascii_digit() || char == '.' { '#' } else { char };
            if !(matches!(char, '#' | ' ') && comparable.ends_with(char)) {
                comparable.push(char);
            }
        }
        comparable.push('\n');
    }
    comparable
}
