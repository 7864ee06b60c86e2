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
#[derive(Default)]
struct Head {
    /// Whether the line that is being read has anything in it.
    has_text: bool,
    /// Whether any line had.
    has_begun: bool,
    after_return: bool,
    is_whole: bool,
}

/// Says that a line of a head ended in a line feed alone.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line of a request's head ends without a carriage return")]
struct BareLineFeed;

impl Head {
    fn read(&mut self, bytes: &[u8]) -> Result<(), BareLineFeed> {
        for byte in bytes {
            if self.is_whole {
                return Ok(());
            }
            match byte {
                b'\r' => {}
                b'\n' if !self.after_return => return Err(BareLineFeed),
                b'\n' => {
                    // Empty lines before the first one are allowed, and end nothing.
                    self.is_whole = self.has_begun && !self.has_text;
                    self.has_text = false;
                }
                _ => {
                    self.has_text = true;
                    self.has_begun = true;
                }
            }
            self.after_return = *byte == b'\r';
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
        for (text, whole) in [
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n", Ok(false)),
            ("\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n{\n}", Ok(true)),
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
                assert_eq!(read.map(|()| head.is_whole), whole, "{text:?}");
            }
        }
    }
}
