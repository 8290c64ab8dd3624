//! A stream, which is decompressed if it begins so.

use std::io::{self, ErrorKind, Read};

use super::{
    compressed::{Decoder, Format},
    stream::Stream,
};

/// Reads a stream of which the first bytes tell what it is. Never blocks, as the stream does not.
#[derive(Debug)]
pub(super) struct Unpacked {
    content: Content,
    /// After a stop a compressed stream may end anywhere, too.
    is_ending: bool,
}

#[derive(Debug)]
enum Content {
    /// Too little is there to tell. Always some, but for the moment when it becomes one of the others.
    Begin(Option<Stream>),
    Plain(Stream),
    Packed(Format, Decoder<Stream>),
}

// === impl Unpacked ===

impl Unpacked {
    pub(super) fn new(stream: Stream) -> Self {
        Self { content: Content::Begin(Some(stream)), is_ending: false }
    }

    /// How it is compressed, as far as that is known.
    pub(super) fn format(&self) -> Option<Format> {
        match self.content {
            Content::Packed(format, _) => Some(format),
            Content::Begin(_) | Content::Plain(_) => None,
        }
    }

    /// As [`Stream::end`].
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        let stream = match &mut self.content {
            Content::Begin(stream) => stream.as_mut(),
            Content::Plain(stream) => Some(stream),
            Content::Packed(_, decoder) => decoder.source(),
        };
        if let Some(stream) = stream {
            stream.end();
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Content::Begin(begin) = &mut self.content
            && let Some(stream) = begin
        {
            let format = Format::of(stream.begin(Format::may_come)?);
            let stream = begin.take().expect("it was just there");
            self.content = match format {
                None => Content::Plain(stream),
                Some(format) => Content::Packed(format, format.decoder(stream)?),
            };
        }
        match &mut self.content {
            Content::Begin(_) => Ok(0),
            Content::Plain(stream) => stream.read(buffer),
            Content::Packed(_, decoder) => match decoder.read(buffer) {
                Err(error) if self.is_ending && error.kind() == ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}
