//! What a number hangs on beside the code: the day, the machine, the compiler.

use std::fs;
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// Today in UTC, as `2026-11-24`.
pub(super) fn today() -> Result<String> {
    Ok(shell::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?.trim().to_owned())
}

/// Cores, processor and kernel.
pub(super) fn description() -> Result<String> {
    let cores = std::thread::available_parallelism()?;
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = model(&processors).unwrap_or("unknown processor");
    let kernel = shell::capture(Command::new("uname").args(["-s", "-r", "-m"]))?;
    Ok(format!("{cores} cores, {processor}, {}", kernel.trim()))
}

pub(super) fn compiler() -> Result<String> {
    let version = shell::capture(shell::program("rustc").arg("--version"))?;
    Ok(version.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}

/// The first line a program says about its version.
pub(super) fn version(command: &mut Command) -> Result<String> {
    Ok(shell::capture(command)?.lines().next().unwrap_or_default().trim().to_owned())
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_as_the_kernel_names_it() {
        assert_eq!(model("processor\t: 0\nmodel name\t: AMD EPYC\n"), Some("AMD EPYC"));
        assert_eq!(model("nothing of the kind"), None);
    }
}
