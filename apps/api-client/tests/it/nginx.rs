//! nginx as a server that limits for real, and that encrypts.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::place::until;

/// nginx on a free port, in a folder of its own. Ended, by its process id, when dropped.
pub(crate) struct Nginx {
    child: Child,
    folder: TempDir,
    port: u16,
    scheme: &'static str,
}

/// What is special about it.
struct Settings {
    scheme: &'static str,
    /// Behind the address that it listens on.
    listen: &'static str,
    more: String,
}

// === impl Nginx ===

impl Nginx {
    /// So many requests a second, and so many at once after silence; what is more is refused with 429.
    pub(crate) fn limited(rate: u32, burst: u32) -> Self {
        // One bucket for all: requests with an empty key would not be limited at all.
        let more = format!(
            "limit_req_zone $server_port zone=all:1m rate={rate}r/s;\nlimit_req zone=all burst={burst} nodelay;\nlimit_req_status 429;"
        );
        Self::start(&[], &Settings { scheme: "http", listen: "", more })
    }

    /// With a certificate and its key, as PEM has them, and HTTP/2 for those who want it.
    pub(crate) fn encrypted(certificate: &str, key: &str) -> Self {
        let more = "ssl_certificate certificate.pem; ssl_certificate_key key.pem;".to_owned();
        let files = [("certificate.pem", certificate), ("key.pem", key)];
        Self::start(&files, &Settings { scheme: "https", listen: "ssl http2", more })
    }

    fn start(files: &[(&str, &str)], settings: &Settings) -> Self {
        let program = program();
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("page", "a page\n")].iter().chain(files) {
            fs::write(folder.path().join(name), content).unwrap();
        }
        // Somebody else may take the port between its choice and nginx's start; then another one is tried.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut child = spawn(&program, folder.path(), port, settings);
            let mut is_up = false;
            until("nginx listens, or has ended", || {
                is_up = TcpStream::connect(("127.0.0.1", port)).is_ok();
                is_up || child.try_wait().unwrap().is_some()
            });
            if is_up && child.try_wait().unwrap().is_none() {
                return Self { child, folder, port, scheme: settings.scheme };
            }
        }
        panic!("nginx does not start: {}", fs::read_to_string(folder.path().join("errors")).unwrap());
    }

    pub(crate) fn url(&self) -> String {
        self.url_as("127.0.0.1")
    }

    /// The same under another name for this machine.
    pub(crate) fn url_as(&self, host: &str) -> String {
        format!("{}://{host}:{}", self.scheme, self.port)
    }

    /// How many requests were answered, and how many refused, by nginx's own log.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let log = self.log();
        let refused = log.lines().filter(|line| line.starts_with("429 ")).count();
        (log.lines().count() - refused, refused)
    }

    /// A line for each request: its status, the version of HTTP, and the number of its connection.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(program: &Path, folder: &Path, port: u16, settings: &Settings) -> Child {
    let Settings { listen, more, .. } = settings;
    // `return` would answer before the limit is asked: only a file is limited. One process needs no other user.
    let config = format!(
        "daemon off;
        master_process off;
        pid pid;
        events {{ worker_connections 1024; }}
        http {{
            client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
            log_format answers '$status $server_protocol $connection';
            access_log log answers;
            {more}
            server {{ listen 127.0.0.1:{port} {listen}; root .; location / {{ try_files /page =404; }} }}
        }}"
    );
    fs::write(folder.join("conf"), config).unwrap();
    let errors = File::create(folder.join("errors")).unwrap();
    let mut nginx = Command::new(program);
    nginx.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(folder.join("conf"));
    nginx.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().unwrap()
}

/// The program, fetched by `cargo xtask tools` if it is not there yet. Tests that run beside each other wait for one of them.
fn program() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_api-client")).ancestors().nth(2).unwrap();
    let lock = File::create(target.join("nginx.lock")).unwrap();
    lock.lock().unwrap();
    let installed = PathBuf::from("/usr/sbin/nginx");
    let unpacked = target.join("tools/root/usr/sbin/nginx");
    if !unpacked.exists() && !installed.exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let fetched = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "xtask", "--", "tools", "nginx"])
            .env("CARGO_TARGET_DIR", target)
            .current_dir(root)
            .output()
            .unwrap();
        assert!(fetched.status.success(), "nginx is needed, and cannot be fetched: {fetched:#?}");
    }
    if unpacked.exists() { unpacked } else { installed }
}
