//! `cargo xtask tools`: servers and peers under `target/tools`, never in the system.
//!
//! The ordinary package client downloads; we only unpack. No package script runs, nothing is
//! registered, no service starts, and removing the folder removes all of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{shell, workspace};

/// Fetches the servers that tests and benches compare with, and unpacks them under target/tools.
///
/// Nothing is installed and nothing is started. A tool that is already there is left alone.
#[derive(Debug, clap::Args)]
pub(crate) struct Tools {
    /// Which tools; all of them when none is named.
    names: Vec<String>,
}

/// One program, as a package of Debian and its relatives.
struct Tool {
    name: &'static str,
    why: &'static str,
    /// The Debian package, which other systems mostly call the same.
    package: &'static str,
    /// Where the program lies in the unpacked tree.
    program: &'static str,
}

/// Grows when a test or a bench needs another one.
const TOOLS: &[Tool] = &[RSYSLOG];

const RSYSLOG: Tool = Tool {
    name: "rsyslog",
    why: "the peer of `cargo xtask bench logs`",
    package: "rsyslog",
    program: "usr/sbin/rsyslogd",
};

// === impl Tools ===

impl Tools {
    pub(crate) fn run(self) -> Result<()> {
        for name in &self.names {
            if !TOOLS.iter().any(|tool| tool.name == name) {
                let known: Vec<_> = TOOLS.iter().map(|tool| tool.name).collect();
                bail!("no tool is called {name}; there are: {}", known.join(", "));
            }
        }
        let folder = workspace::target("tools")?;
        let wanted =
            TOOLS.iter().filter(|tool| self.names.is_empty() || self.names.iter().any(|n| n == tool.name));
        let mut missing = Vec::new();
        for tool in wanted {
            println!("{}: {}", tool.name, tool.why);
            if let Err(error) = tool.fetch(&folder) {
                println!("  cannot be unpacked here: {error:#}");
                missing.push(tool.package);
            }
        }
        if !missing.is_empty() {
            let packages = missing.join(" ");
            bail!(
                "install by hand what could not be unpacked (as root: apt-get install {packages}), and call again"
            );
        }
        Ok(())
    }
}

// === impl Tool ===

impl Tool {
    fn fetch(&self, folder: &Path) -> Result<()> {
        let root = folder.join("root");
        let program = root.join(self.program);
        if program.exists() {
            println!("  already there: {}", workspace::shown(&program));
            return Ok(());
        }
        if let Some(installed) = self.installed() {
            println!("  the system has it: {}", installed.display());
            return Ok(());
        }
        for client in ["apt-get", "dpkg"] {
            if !shell::answers(Command::new(client).arg("--version")) {
                bail!("there is no {client} on this system");
            }
        }
        // Archives of one tool stay apart: two syslog daemons conflict as packages, not as files.
        let archives = folder.join("archives").join(self.name);
        for needed in [folder.join("lists/partial"), archives.join("partial"), root.clone()] {
            fs::create_dir_all(&needed).with_context(|| format!("cannot create {}", needed.display()))?;
        }

        println!(
            "  the list of packages, into our own folder, so that neither root nor the system's lock is needed"
        );
        shell::run(apt_get(folder, &archives).arg("update"))?;
        println!("  the package and what the system lacks of its libraries, downloaded only");
        let install = ["--yes", "--no-install-recommends", "--download-only", "install", self.package];
        shell::run(apt_get(folder, &archives).args(install))?;
        println!("  their files, unpacked beside each other; no package script runs");
        for entry in fs::read_dir(&archives).with_context(|| format!("cannot list {}", archives.display()))? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|extension| extension == "deb") {
                shell::run(Command::new("dpkg").arg("-x").arg(&archive).arg(&root))?;
            }
        }
        if !program.exists() {
            bail!("package {} did not bring {}", self.package, self.program);
        }
        println!("  ready: {}", workspace::shown(&program));
        Ok(())
    }

    /// The program as the system has it, where programs for administrators are not in everybody's PATH.
    fn installed(&self) -> Option<PathBuf> {
        let installed = Path::new("/").join(self.program);
        installed.exists().then_some(installed)
    }
}

/// How to start rsyslogd, unpacked or installed; an error names the command that fetches it.
pub(crate) fn rsyslogd() -> Result<Command> {
    let root = workspace::target("tools")?.join("root");
    let unpacked = root.join(RSYSLOG.program);
    if unpacked.exists() {
        let libraries = library_folder(&root)?;
        let mut command = Command::new(unpacked);
        command.env("LD_LIBRARY_PATH", &libraries).arg("-M").arg(libraries.join("rsyslog"));
        return Ok(command);
    }
    let installed =
        RSYSLOG.installed().context("rsyslog is not there; `cargo xtask tools rsyslog` fetches it")?;
    Ok(Command::new(installed))
}

/// `usr/lib/<machine>` of an unpacked tree, whatever the machine.
fn library_folder(root: &Path) -> Result<PathBuf> {
    let usr_lib = root.join("usr/lib");
    let entries = fs::read_dir(&usr_lib).with_context(|| format!("cannot list {}", usr_lib.display()))?;
    let mut folders =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.join("rsyslog").is_dir());
    folders.next().with_context(|| format!("no modules of rsyslog below {}", usr_lib.display()))
}

/// apt-get with every file of its own in our folder.
fn apt_get(folder: &Path, archives: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("-qq")
        .args(["-o", &format!("Dir::State::Lists={}", folder.join("lists").display())])
        .args(["-o", &format!("Dir::Cache={}", folder.display())])
        .args(["-o", &format!("Dir::Cache::archives={}", archives.display())])
        // The lock belongs to the system's package database, which is only read here.
        .args(["-o", "Debug::NoLocking=1"])
        // Run by root, apt would hand the download to a user who may not write here.
        .args(["-o", "APT::Sandbox::User="]);
    command
}
