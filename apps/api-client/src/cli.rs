//! The command line.

use std::path::PathBuf;

use api_client::config::{Config, ConfigError, Settings};
use clap::{Parser, Subcommand};

/// Gets every request answered, about as fast as the servers allow, without being told their limits
#[derive(Debug, Parser)]
#[command(version, after_help = OVERVIEW, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send all requests, and write what comes back
    #[command(after_help = EXAMPLES, max_term_width = 100)]
    Fetch(Keys),
}

/// The keys of a run: from flags, from a file, or both.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// Take the keys from this TOML file, named like the flags; flags given beside it win
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

const OVERVIEW: &str = "\
Start with:  api-client fetch --urls urls.txt --out pages
All flags and more examples:  api-client fetch --help";

const EXAMPLES: &str = "\
Examples:
  Every page of a list into a folder, as fast as the server allows:
    api-client fetch --urls urls.txt --out pages
  What another program lists, as lines of JSON for the next one; the limit is known:
    seq -f 'https://api.example/items/%.0f' 1 1000 | api-client fetch --urls - --rate 50/s --burst 10 | jq .status
  A long run that survives being killed; give the same command again, and it goes on:
    api-client fetch --urls urls.txt --jsonl results.jsonl --journal run.journal -H 'Authorization: Bearer …'
  The same from a file with the keys urls, jsonl, journal, header, ...:
    api-client fetch -c fetch.toml

Input:
  A line is a URL, or an object such as
    {\"url\": \"https://api.example/items\", \"method\": \"POST\", \"headers\": {\"X\": \"y\"}, \"body\": {\"a\": 1},
     \"id\": \"a-1\", \"deadline\": \"30s\"}
  on one line. A body that is not text is sent as JSON. Blank lines, and lines that begin with #, are passed over.
  A line that is neither is named, the others are requested all the same, and the exit code is 1.

Classes:
  With --class-field class, {\"url\": …, \"class\": \"high\"} is sent before what waits for the same host and is of a lower
  class; --classes people=4,robots=1 gives shares instead. A line without a class is medium, or of the last class.
  Who is first is decided among the requests in hand, which are a thousand, not among the whole input.

Results:
  A line of JSON for each request as it ends: id, line, url, status, some headers, body (or body_base64, or file and
  bytes with --out), attempts; or error and reason. With --out, a file is called like the id, or like the URL without
  https:// (http~ stands for http://), where / becomes _ (in an id %2F) and what is unusual % and two digits; an answer other than 2xx has ~ and its status
  behind it. Of two requests with the same id, or that are the same in all, the later answer replaces the earlier.

Limits:
  Of 429, 503 and some 403 nothing is lost: the whole host pauses, as long as it says, and the request is sent
  again. It pauses as well when it fails with Retry-After. auto finds how often that host may be asked. With a
  journal it is remembered for the next run.

Retries:
  What failed is sent again if that does no harm: GET, HEAD, PUT, DELETE, OPTIONS, or with an Idempotency-Key.

Secrets:
  A credential in --header goes to the host of the first request only, or to the one that it names:
    -H 'Authorization@api.example: Bearer …'
  Headers are never written anywhere. In the journal, the report and messages, values in a query that look like
  secrets are ***; the lines of results have the URL as it was given.

Signals:
  SIGINT, SIGTERM and SIGHUP (unless nohup ignores it) end the run: what is in flight is finished, what was not
  sent or would have to be sent again is counted. Another one, half a second later or more, ends the process at
  once.

Exit codes:
  0  every request was answered, with whatever status
  1  some were not (they are named), or were not sent, or results could not be written
  2  usage or configuration: nothing was sent
  101  a fault in api-client";

// === impl Keys ===

impl Keys {
    /// The configuration that flags and file make together.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        match self.config {
            Some(file) => Config::load(&file, self.settings),
            None => Config::new(self.settings),
        }
    }
}
