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
const TOOLS: &[Tool] = &[NGINX, RSYSLOG, VIPS, WALLPAPERS_16, WALLPAPERS_20];

/// A package of a language, which is used by a script of crates/forebay-bench/peers.
struct Library {
    name: &'static str,
    why: &'static str,
    /// The release that is compared with; a newer one is a decision.
    version: &'static str,
}

/// From npm, since Debian has none of them.
const NPM: &[Library] = &[
    Library { name: "sharp", why: "a peer of `cargo xtask bench images`", version: "0.35.5" },
    // The newest that runs on Node.js 20.
    Library { name: "p-queue", why: "a peer of `cargo xtask bench api`", version: "9.3.5" },
    Library { name: "bottleneck", why: "another one", version: "2.19.5" },
];

/// From PyPI.
const PYPI: &[Library] = &[
    Library { name: "aiolimiter", why: "a peer of `cargo xtask bench api`", version: "1.3.0" },
    Library { name: "aiohttp", why: "its HTTP", version: "3.14.5" },
];

/// `nginx-light` and its like are empty and bring this one.
const NGINX: Tool = Tool {
    name: "nginx",
    why: "the limited server of api-client's tests and of `cargo xtask demo api`",
    package: "nginx",
    program: "usr/sbin/nginx",
};

const RSYSLOG: Tool = Tool {
    name: "rsyslog",
    why: "the peer of `cargo xtask bench logs`",
    package: "rsyslog",
    program: "usr/sbin/rsyslogd",
};

const VIPS: Tool = Tool {
    name: "vips",
    why: "a peer of `cargo xtask bench images`",
    package: "libvips-tools",
    program: "usr/bin/vipsthumbnail",
};

const WALLPAPERS_16: Tool = Tool {
    name: "wallpapers-16.04",
    why: "photographs for `cargo xtask bench images`",
    package: "lomiri-wallpapers-16.04",
    program: "usr/share/backgrounds/Picture_1A_by_freespace.jpg",
};

const WALLPAPERS_20: Tool = Tool {
    name: "wallpapers-20.04",
    why: "more of them",
    package: "lomiri-wallpapers-20.04",
    program: "usr/share/backgrounds/Kleiber_by_Lukas_Baubkus.jpg",
};

// === impl Tools ===

impl Tools {
    pub(crate) fn run(self) -> Result<()> {
        for name in &self.names {
            let libraries = || NPM.iter().chain(PYPI).map(|library| library.name);
            let mut known = TOOLS.iter().map(|tool| tool.name).chain(libraries());
            if !known.any(|known| known == name) {
                let known: Vec<_> = TOOLS.iter().map(|tool| tool.name).chain(libraries()).collect();
                bail!("no tool is called {name}; there are: {}", known.join(", "));
            }
        }
        let folder = workspace::target("tools")?;
        let is_wanted = |name| self.names.is_empty() || self.names.iter().any(|wanted| wanted == name);
        let mut missing = Vec::new();
        for tool in TOOLS.iter().filter(|tool| is_wanted(tool.name)) {
            println!("{}: {}", tool.name, tool.why);
            if let Err(error) = tool.fetch(&folder) {
                println!("  cannot be unpacked here: {error:#}");
                missing.push(tool.package);
            }
        }
        for library in NPM.iter().filter(|library| is_wanted(library.name)) {
            library.fetch_with_npm(&folder)?;
        }
        for library in PYPI.iter().filter(|library| is_wanted(library.name)) {
            library.fetch_with_pip(&folder)?;
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

// === impl Library ===

impl Library {
    /// Below target/tools/npm; no script of a package runs.
    fn fetch_with_npm(&self, folder: &Path) -> Result<()> {
        println!("{}: {}", self.name, self.why);
        let folder = folder.join("npm");
        if folder.join("node_modules").join(self.name).exists() {
            println!("  already there: {}", workspace::shown(&folder));
            return Ok(());
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let mut npm = Command::new("npm");
        npm.current_dir(&folder).args([
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            ".",
        ]);
        shell::run(npm.arg(format!("{}@{}", self.name, self.version)))
    }

    /// Below target/tools/python, with the system's Python.
    fn fetch_with_pip(&self, folder: &Path) -> Result<()> {
        println!("{}: {}", self.name, self.why);
        let folder = folder.join("python");
        if folder.join(self.name).exists() {
            println!("  already there: {}", workspace::shown(&folder));
            return Ok(());
        }
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(&folder);
        shell::run(pip.arg(format!("{}=={}", self.name, self.version)))
    }
}

/// How to run a script of crates/forebay-bench/peers that uses this package of npm; an error names the command that fetches
/// it.
pub(crate) fn node(script: &str, package: &str) -> Result<Command> {
    let folder = workspace::target("tools")?.join("npm");
    if !folder.join("node_modules").join(package).exists() {
        bail!("{package} is not there; `cargo xtask tools {package}` fetches it");
    }
    // Beside its packages: a script's imports are looked up from where it lies.
    let from = peer(script);
    let to = folder.join(script);
    fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    let mut node = Command::new("node");
    node.arg(to);
    Ok(node)
}

/// How to run a script of crates/forebay-bench/peers that uses this package of PyPI.
pub(crate) fn python(script: &str, package: &str) -> Result<Command> {
    let folder = workspace::target("tools")?.join("python");
    if !folder.join(package).exists() {
        bail!("{package} is not there; `cargo xtask tools {package}` fetches it");
    }
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", folder).arg(peer(script));
    Ok(python)
}

fn peer(script: &str) -> PathBuf {
    workspace::root().join("crates/forebay-bench/peers").join(script)
}

/// `name version` of a package, as it is fetched.
pub(crate) fn library_version(package: &str) -> String {
    let library = NPM.iter().chain(PYPI).find(|library| library.name == package);
    library.map_or_else(|| package.to_owned(), |library| format!("{package} {}", library.version))
}

/// Fetches nginx, unless it is there.
pub(crate) fn fetch_nginx() -> Result<()> {
    if nginx().is_ok() { Ok(()) } else { NGINX.fetch(&workspace::target("tools")?) }
}

/// How to start nginx, unpacked or installed; an error names the command that fetches it.
pub(crate) fn nginx() -> Result<Command> {
    let unpacked = workspace::target("tools")?.join("root").join(NGINX.program);
    if unpacked.exists() {
        return Ok(Command::new(unpacked));
    }
    let installed = NGINX.installed().context("nginx is not there; `cargo xtask tools nginx` fetches it")?;
    Ok(Command::new(installed))
}

/// How to start vipsthumbnail, unpacked or installed.
pub(crate) fn vipsthumbnail() -> Result<Command> {
    let root = workspace::target("tools")?.join("root");
    let unpacked = root.join(VIPS.program);
    if unpacked.exists() {
        let libraries = machine_folder(&root, |folder| folder.join("libvips.so.42").exists())?;
        // BLAS lies in a folder of its own, which the system's alternatives would link to.
        let paths = [libraries.join("blas"), libraries.join("lapack"), libraries.clone()];
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        let mut command = Command::new(unpacked);
        command.env("LD_LIBRARY_PATH", paths.join(":"));
        return Ok(command);
    }
    let installed =
        VIPS.installed().context("vipsthumbnail is not there; `cargo xtask tools vips` fetches it")?;
    Ok(Command::new(installed))
}

/// The photographs of both packages, by name; each is checked against the list in the repository.
pub(crate) fn wallpapers() -> Result<Vec<PathBuf>> {
    let list = workspace::root().join("crates/forebay-bench/peers/wallpapers.sha256");
    let folder = workspace::target("tools")?.join("root/usr/share/backgrounds");
    if !folder.exists() {
        bail!("no photographs; `cargo xtask tools wallpapers-16.04 wallpapers-20.04` fetches them");
    }
    shell::run(Command::new("sha256sum").args(["--check", "--quiet"]).arg(&list).current_dir(&folder))?;
    let names = fs::read_to_string(&list).with_context(|| format!("cannot read {}", list.display()))?;
    Ok(names
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .map(|name| folder.join(name))
        .collect())
}

/// `usr/lib/<machine>` of an unpacked tree, whatever the machine.
fn library_folder(root: &Path) -> Result<PathBuf> {
    machine_folder(root, |folder| folder.join("rsyslog").is_dir())
}

fn machine_folder(root: &Path, is_it: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let usr_lib = root.join("usr/lib");
    let entries = fs::read_dir(&usr_lib).with_context(|| format!("cannot list {}", usr_lib.display()))?;
    let mut folders = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_it(path));
    folders.next().with_context(|| format!("not what was expected below {}", usr_lib.display()))
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
