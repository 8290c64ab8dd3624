//! What the program needs of the system: Rust and a C compiler to be built, the C library to run.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// With these, build scripts ask for what is installed, or for tools beside the C compiler.
const ASKING: [&str; 8] =
    ["autotools", "bindgen", "cmake", "meson-next", "nasm-rs", "pkg-config", "system-deps", "vcpkg"];

/// What has code that is no Rust, all of it: each brings its C, and has it compiled by the crate `cc`.
const BRING_THEIR_C: [&str; 2] = ["libwebp-sys", "ring"];

/// What `cargo` prints when it is asked about this package as everybody builds it.
fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    // All that is asked about has been built a moment ago, so nothing has to be fetched.
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args(["--locked", "--offline"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The system that all is built on, and for.
fn host() -> String {
    let version = cargo(&["version", "--verbose"]);
    version.lines().find_map(|line| line.strip_prefix("host: ")).expect("cargo says it").to_owned()
}

/// Name and version of each package that is compiled for the program, build scripts and what they use included.
fn compiled() -> BTreeSet<(String, String)> {
    let tree = cargo(&["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let packages = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.trim_start_matches('v').to_owned()))
    });
    packages.collect()
}

#[test]
fn the_build_needs_rust_and_a_c_compiler_and_asks_the_system_for_nothing() {
    let compiled = compiled();
    assert!(compiled.iter().any(|(name, _)| name == "jpeg-decoder"), "{compiled:?}");
    let asking: Vec<_> = compiled.iter().filter(|(name, _)| ASKING.contains(&name.as_str())).collect();
    assert!(asking.is_empty(), "{asking:?}");

    // What other systems need may never have been fetched.
    let metadata = cargo(&["metadata", "--format-version", "1", "--filter-platform", &host()]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let with_c = metadata["packages"].as_array().unwrap().iter().filter_map(|package| {
        let text = |key: &str| package[key].as_str().map(str::to_owned);
        let (name, version) = (text("name")?, text("version")?);
        let mut needed = package["dependencies"].as_array()?.iter();
        let compiles = needed.any(|needed| needed["kind"] == "build" && needed["name"] == "cc");
        let has_c = compiles || text("links").is_some();
        (has_c && compiled.contains(&(name.clone(), version))).then_some(name)
    });
    let with_c: BTreeSet<_> = with_c.collect();
    assert_eq!(
        with_c,
        BRING_THEIR_C.map(str::to_owned).into(),
        "where does the code of the others come from?"
    );
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_program_loads_the_c_library_and_nothing_else() {
    use std::fs;
    use std::path::Path;
    use std::process::Stdio;

    use crate::place::{Place, until};

    let place = Place::new();
    let mut command = place.command("run - --output out");
    // The list has no end yet, so it waits.
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let process = Path::new("/proc").join(child.id().to_string());
    until("it is past its loader", || fs::read_dir(process.join("task")).unwrap().count() > 1);
    let maps = fs::read_to_string(process.join("maps")).unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());

    let files =
        maps.lines().filter_map(|line| Path::new(line.split_whitespace().nth(5)?).file_name()?.to_str());
    let libraries: BTreeSet<_> = files.filter(|name| name.contains(".so")).collect();
    assert!(libraries.iter().any(|name| name.starts_with("libc.so")), "{maps}");
    // The C library's own parts; older ones have threads and loading apart.
    let own = ["ld-linux", "libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "librt.so"];
    for library in &libraries {
        assert!(own.iter().any(|own| library.starts_with(own)), "{library} of {libraries:?}");
    }
}
