//! What programs say on their standard streams.

use std::io::{self, Write};

/// Says a text on standard error.
pub fn tell(text: &str) {
    // A reader that went away has had enough: there is nobody left to tell.
    let _ = write(io::stderr(), text);
}

/// Says what went wrong, on standard error, and why, so far as the message does not say so itself.
pub fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = text + ": " + &cause;
        }
    }
    tell(&format!("error: {text}\n"));
}

/// Prints `text`, which is called `what`, on standard output. Says whether it could, and on standard error why not; a
/// reader that went away has had enough, and is no failure.
pub fn print(what: &str, text: &str) -> bool {
    match write(io::stdout(), text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tell(&format!("error: the {what} cannot be written to standard output: {error}\n"));
            false
        }
        _ => true,
    }
}

fn write(mut stream: impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes()).and_then(|()| stream.flush())
}
