//! The bytes of a connection on their way in: when a head begins, and whether its lines end as they have to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::Pulse;

/// A stream whose arrivals the pulse hears of.
pub(super) struct Wire<S> {
    stream: S,
    pulse: Arc<Pulse>,
    head: Head,
}

/// The head of a request as it comes in.
///
/// The parser takes a bare line feed for the end of a line. A proxy that does not would see one header where we see two,
/// and the two sides would disagree on where a request ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Head {
    /// Nothing yet, or empty lines, which are allowed here and end nothing.
    #[default]
    Start,
    StartReturn,
    /// In a line.
    Text,
    TextReturn,
    /// Behind a line.
    Next,
    NextReturn,
    /// Behind the empty line at the end.
    Whole,
}

/// Says that a line of a head ended in a line feed alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of a request's head ends without a carriage return")]
struct BareLineFeed;

impl Head {
    fn read(&mut self, bytes: &[u8]) -> Result<(), BareLineFeed> {
        for byte in bytes {
            *self = match (*self, byte) {
                (Self::Whole, _) => return Ok(()),
                (Self::Start, b'\r') => Self::StartReturn,
                (Self::Next, b'\r') => Self::NextReturn,
                (_, b'\r') => Self::TextReturn,
                (Self::StartReturn, b'\n') => Self::Start,
                (Self::TextReturn, b'\n') => Self::Next,
                (Self::NextReturn, b'\n') => Self::Whole,
                (_, b'\n') => return Err(BareLineFeed),
                _ => Self::Text,
            };
        }
        Ok(())
    }
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            pulse,
            head: Head::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled().get(before..).unwrap_or_default();
        if !bytes.is_empty() && self.pulse.received() {
            self.head = Head::default();
        }
        let read = self.head.read(bytes);
        Poll::Ready(read.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_an_empty_line_and_what_follows_is_not_looked_at() {
        for (text, expected) in [
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n", Ok(Head::Next)),
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n{\n}", Ok(Head::Whole)),
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", Err(BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", Err(BareLineFeed)),
            ("GET / HTTP/1.1\r\nHost: x\r\n\n", Err(BareLineFeed)),
        ] {
            // However the bytes are cut.
            for size in [1, 3, 1_000] {
                let mut head = Head::default();
                let read = text
                    .as_bytes()
                    .chunks(size)
                    .try_for_each(|piece| head.read(piece));
                assert_eq!(read.map(|()| head), expected, "{text:?}");
            }
        }
    }
}
