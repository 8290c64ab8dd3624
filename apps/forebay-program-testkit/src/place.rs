//! A folder for each test, and the program in it.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{Ended, Running, terminal};

/// A folder of its own for one test. The program runs in it, so its paths are short and always the same.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    program: &'static str,
}

// === impl Place ===

impl Place {
    /// An empty folder for the program with this path: `env!("CARGO_BIN_EXE_…")`.
    pub fn new(program: &'static str) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder can be made"), program }
    }

    /// Where something with that name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and makes the folders that it is in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).unwrap();
        fs::write(path, content).unwrap();
    }

    /// What is in a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What is in a file of text.
    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("the file is text")
    }

    /// All files below a folder, sorted; none if it is not there.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()) {
                match path.symlink_metadata() {
                    Ok(metadata) if metadata.is_dir() => folders.push(path),
                    // A file that vanishes meanwhile is not there.
                    Ok(_) => files.push(path.strip_prefix(&root).unwrap().display().to_string()),
                    Err(_) => {}
                }
            }
        }
        files.sort();
        files
    }

    /// The program with arguments as a shell would split them at spaces (no quotes), not started yet.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(self.program);
        // Servers of the tests are on this machine, whatever proxy that one has.
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
            command.env_remove(name).env_remove(name.to_ascii_lowercase());
        }
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub fn run(&self, arguments: &str) -> Ended {
        self.command(arguments).output().expect("the program starts").into()
    }

    /// Runs the program to its end, which must be exit code 0.
    #[track_caller]
    pub fn done(&self, arguments: &str) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code(), Some(0), "{ended:#?}");
        ended
    }

    /// Runs the program to its end with a terminal of 120 columns as its standard error. Returns how it ended, and all that
    /// the terminal was sent.
    pub fn run_in_terminal(&self, arguments: &str) -> (Ended, String) {
        terminal::run(self.command(arguments), |_| Stdio::piped())
    }

    /// The same with that terminal as its standard output, too.
    pub fn run_all_in_terminal(&self, arguments: &str) -> (Ended, String) {
        terminal::run(self.command(arguments), |terminal| terminal.try_clone().unwrap().into())
    }

    /// Starts the program.
    pub fn start(&self, arguments: &str) -> Running {
        self.start_command(self.command(arguments))
    }

    /// Starts the program as this command has it, but for where its output goes.
    pub fn start_command(&self, mut command: Command) -> Running {
        // Into files: nobody has to read along for the program not to block.
        let (stdout, stderr) = (self.path(".stdout"), self.path(".stderr"));
        command.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        Running::new(command.spawn().expect("the program starts"), stdout, stderr)
    }
}
