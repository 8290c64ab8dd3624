//! What the compiler says about common mistakes, word for word, in `mistakes/`.
//!
//! `TRYBUILD=overwrite cargo test -p forebay-pool --test mistakes` writes it anew.

use std::process::Command;

/// Each text says what is wrong, and most say what to do instead.
///
/// The words are those of the compiler in `rust-version`; others have their own, so only that one is asked.
#[test]
fn common_mistakes_are_explained() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("who builds tests has a compiler");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), ".")) {
        trybuild::TestCases::new().compile_fail("tests/mistakes/*.rs");
    }
}
