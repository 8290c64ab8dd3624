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

#[cfg(test)]
mod tests {
    use std::{io::Write, sync::mpsc::sync_channel};

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// More often than zstd lets itself be asked in vain.
    const IN_VAIN: usize = 20;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(content).expect("memory does not fail");
        gzip.finish().expect("memory does not fail")
    }

    /// What a stream that is `packed` brings in `pieces`, if it is asked again and again between them, for `length` bytes at once.
    fn read(pieces: &[&[u8]], length: usize) -> Vec<u8> {
        let (tx, chunks) = sync_channel(1);
        let mut unpacked = Unpacked::new(Stream::of(chunks));
        let (mut content, mut buffer) = (Vec::new(), vec![0; length]);
        let mut read = |content: &mut Vec<u8>| match unpacked.read(&mut buffer) {
            Ok(read) => {
                content.extend_from_slice(&buffer[..read]);
                read > 0
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error} behind {content:?}");
                false
            }
        };
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            tx.send(Ok(piece.to_vec())).expect("the stream is there");
            while read(&mut content) {}
            for _ in 0..IN_VAIN {
                assert!(!read(&mut content), "all that can be told of a piece is told at once");
            }
        }
        drop(tx);
        while read(&mut content) {}
        content
    }

    /// Sixteen calls without a byte in between, and zstd took that for a failure.
    #[test]
    fn content_is_unpacked_however_its_bytes_come() {
        let content = b"one\ntwo\n";
        let zstd = zstd::encode_all(&content[..], 3).expect("memory does not fail");
        for packed in [content.to_vec(), gzip(content), zstd] {
            for first in 0..=packed.len() {
                for second in first..=packed.len() {
                    let pieces = [&packed[..first], &packed[first..second], &packed[second..]];
                    for length in [1, 64] {
                        assert_eq!(read(&pieces, length), content, "{first}, {second}, {length}");
                    }
                }
            }
        }
    }

    #[test]
    fn content_is_unpacked_byte_by_byte() {
        let content = b"one\ntwo\n";
        let zstd = zstd::encode_all(&content[..], 3).expect("memory does not fail");
        for packed in [content.to_vec(), gzip(content), zstd] {
            let pieces: Vec<&[u8]> = packed.chunks(1).collect();
            assert_eq!(read(&pieces, 64), content);
        }
    }
}
