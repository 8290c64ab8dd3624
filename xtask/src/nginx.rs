//! nginx with a limit, on a port of its own: the server of `demo api` and `bench api`.
//!
//! It answers `/` with a few bytes, refuses with 429 what comes faster than its limit, and logs a line for each answer,
//! from which refusals are counted: what the server saw, not what a client says of itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{shell, tools};

/// How often a client may ask, if that is limited at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// Requests in a second.
    pub(crate) rate: u32,
    /// How many may come at once beyond that.
    pub(crate) burst: u32,
}

/// A running server, which ends with this.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

/// What the server has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
}

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

// === impl Nginx ===

impl Nginx {
    /// Starts a server that keeps all its files in `folder`.
    pub(crate) fn start(folder: &Path, limit: Option<Limit>) -> Result<Self> {
        fs::create_dir_all(folder.join("temp"))
            .with_context(|| format!("cannot create {}", folder.display()))?;
        // The port is free once the listener is gone; nobody else asks for it by number.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        fs::write(folder.join("index.html"), "{\"answer\":42}\n")?;
        fs::write(folder.join("access.log"), "")?;
        fs::write(folder.join("nginx.conf"), configuration(address, limit))?;
        let mut command = tools::nginx()?;
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(folder).stdin(Stdio::null());
        let child = command.spawn().context("cannot start nginx")?;
        let mut server = Self { child, folder: folder.to_owned(), address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("nginx ended with {status}");
            }
            if Instant::now() > deadline {
                bail!("nginx does not listen on {address} after {} s", PATIENCE.as_secs());
            }
            thread::sleep(POLL);
        }
        Ok(server)
    }

    /// What is asked for.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// From now on this is the limit; what was spent of it before counts.
    pub(crate) fn set_limit(&self, limit: Limit) -> Result<()> {
        fs::write(self.folder.join("nginx.conf"), configuration(self.address, Some(limit)))?;
        self.signal("HUP")
    }

    /// What it has answered.
    pub(crate) fn answers(&self) -> Result<Answers> {
        Ok(answers(&fs::read_to_string(self.folder.join("access.log"))?))
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let mut kill = shell::program("kill");
        shell::capture(kill.args(["-s", signal, &self.child.id().to_string()])).map(drop)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // At once: the workers go with their master.
        let _ = self.signal("TERM");
        let _ = self.child.wait();
    }
}

fn answers(log: &str) -> Answers {
    let mut answers = Answers::default();
    for status in log.lines() {
        match status {
            "429" => answers.refused += 1,
            _ => answers.answered += 1,
        }
    }
    answers
}

fn configuration(address: SocketAddr, limit: Option<Limit>) -> String {
    let (zone, rule) = match limit {
        Some(Limit { rate, burst }) => (
            // A refusal is what is wanted here, and no error to be told; the log of answers counts them.
            format!(
                "limit_req_zone $binary_remote_addr zone=one:1m rate={rate}r/s; limit_req_status 429; limit_req_log_level info;"
            ),
            format!("limit_req zone=one burst={burst} nodelay;"),
        ),
        None => Default::default(),
    };
    format!(
        "daemon off; pid nginx.pid; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    log_format status '$status';
    access_log access.log status;
    client_body_temp_path temp/body; proxy_temp_path temp/proxy; fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi; scgi_temp_path temp/scgi;
    keepalive_requests 1000000; tcp_nodelay on;
    {zone}
    server {{
        listen {address};
        location / {{ root .; try_files /index.html =404; {rule} }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_from_the_log() {
        assert_eq!(answers("200\n429\n200\n"), Answers { answered: 2, refused: 1 });
    }
}
