//! The command line.

use std::env;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Parser, Subcommand};
use image_pipeline::config::{Config, ConfigError, Output, Settings};
use image_pipeline::picture::codecs;

/// Resizes, converts and uploads pictures, in bounded memory
#[derive(Debug, Parser)]
#[command(version, long_version = VERSION.as_str(), after_help = OVERVIEW, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Process all inputs
    #[command(after_help = EXAMPLES, max_term_width = 100)]
    Run(Keys),
    /// Show what a run would do, and fail with what it would fail with before it starts, without doing it
    #[command(max_term_width = 100)]
    Check(Keys),
}

/// The keys of a run: from flags, from a file, or both.
#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    /// Take the keys from this TOML file, named like the flags, INPUT as `input`; flags given beside it win
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// The version, and what decodes and encodes.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let codecs = codecs().into_iter().map(|(what, codec)| format!("\n{what}: {codec}"));
    env!("CARGO_PKG_VERSION").to_owned() + &codecs.collect::<String>()
});

const OVERVIEW: &str = "\
Start with:  image-pipeline run photos --output small --fit 1600x1600
All flags and more examples:  image-pipeline run --help";

const EXAMPLES: &str = "\
Examples:
  A folder of photographs, made smaller for the web; run again, it does only what is missing:
    image-pipeline run photos --output small --fit 1600x1600 --format webp
  Square thumbnails, into a bucket:
    image-pipeline run photos --output s3://my-bucket/thumbs --fill 400x400 --format jpeg
  Each to a height of 1200 pixels; what is lower stays as it is:
    image-pipeline run photos --output small --fit x1200
  One picture, as a file or through a pipe; a picture as an output is replaced with --overwrite only:
    image-pipeline run beach.png --output beach.webp --quality 90
    cat beach.png | image-pipeline run - --output - --format jpeg --width 800 > small.jpg
  The pictures that another program names, with the tree that they are in:
    find photos -name '*.jpg' -newer stamp -print0 | image-pipeline run - -0 --base photos -o small --width 800
  The same from a file with the keys input, output, fit, ...:
    image-pipeline run -c pipeline.toml

One picture:
  An output that is named as a picture (.jpg, .png, .webp, and not a folder that is there) is a file, for exactly
  one input; its ending is the format. With / behind it, it is a folder. Of - as an output the result goes to
  standard output, and the report to standard error. - as an input is a list of names, or one picture, which may
  take a quarter of the memory for pictures.

Names:
  A folder keeps its tree, a glob the path below its part without wildcards, and a file its name only; with
  --base DIR, everything keeps its path below DIR. In folders, what is hidden or not named as a picture is
  passed over; a glob matches what is hidden by its dot only. Two inputs that would become one output, and an
  output that is an input, are errors before anything is done. A result appears as a whole or not at all;
  nothing is written outside of the output. Of an animation, and of several pages, the first is taken, and the
  report lists such inputs.

Memory:
  --memory bounds the whole process: a large picture waits until there is room for it. One that needs more
  than there is in all is decoded smaller, if its format can be (JPEG), or refused.

Object storage:
  Credentials, region and endpoint come from the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
  AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL; or from the machine's role. --endpoint and --region win.
  What fails is tried up to 8 times, unless too much fails. To look what is there takes s3:GetObject and
  s3:ListBucket, to upload s3:PutObject; --overwrite does not look.

Signals:
  SIGINT, SIGTERM and SIGHUP (unless nohup ignores it) end the run: what is in work is finished, what was not
  begun is listed, and the exit code is 130, 143 or 129 if that is anything. Another one, half a second later or
  more, ends the process at once.
  After that, or kill -9, no result is half-written; start the same command again, and it goes on.

Exit codes:
  0  every input has a result
  1  some input has none (it is named, the others were processed), or the output cannot be written
  2  usage or configuration: nothing was processed
  130, 143, 129  stopped by a signal, and something was not begun";

// === impl Keys ===

impl Keys {
    /// The configuration that flags, file and the AWS variables make together.
    pub(crate) fn resolve(self) -> Result<Config, ConfigError> {
        let mut config = match self.config {
            Some(file) => Config::load(&file, self.settings)?,
            None => Config::new(self.settings)?,
        };
        if let Output::Bucket(options) = &mut config.output {
            let variables = env::vars_os().filter_map(|(key, value)| {
                let (key, value) = (key.into_string().ok()?, value.into_string().ok()?);
                key.starts_with("AWS_").then(|| (key.to_ascii_lowercase(), value))
            });
            // Later ones win.
            options.settings = variables.chain(std::mem::take(&mut options.settings)).collect();
        }
        Ok(config)
    }
}
