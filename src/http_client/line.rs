//! One connection of the patient client: a request goes out, an answer comes in, nothing else is kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{self, Framing, Head, Taken, WireError};

/// How much is read at once: a model's usual answer. The room for it is on the stack, so a connection that waits has none.
const READ_BYTES: usize = 8 * 1_024;

/// What carries the bytes: TCP, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    /// What has arrived and is not yet understood.
    arrived: BytesMut,
}

impl Line {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            arrived: BytesMut::new(),
        }
    }

    /// Tells whether nothing has happened on a connection that was out of use; what has is its end.
    pub(super) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        self.arrived.is_empty() && self.poll_read(cx).is_pending()
    }

    /// Sends a request and gives the head of its answer, which may come before all of the request has gone. The request
    /// is let go as soon as it has.
    pub(super) async fn exchange(&mut self, request: Vec<u8>) -> Result<Head, WireError> {
        let mut rest = Bytes::from(request);
        // It is empty; this frees what the answer before took.
        self.arrived = BytesMut::new();
        std::future::poll_fn(|cx| {
            let sent = self.poll_send(cx, &mut rest).is_ready();
            let mut head = ready!(self.poll_head(cx))?;
            head.stays &= sent;
            Poll::Ready(Ok(head))
        })
        .await
    }

    /// Sends what is left. One who does not read on may have answered all the same, so that is no error yet.
    fn poll_send(&mut self, cx: &mut Context<'_>, rest: &mut Bytes) -> Poll<()> {
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest)) {
                Ok(count) if count > 0 => rest.advance(count),
                _ => return Poll::Pending,
            }
        }
        *rest = Bytes::new();
        Pin::new(&mut self.stream).poll_flush(cx).map(drop)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, WireError>> {
        loop {
            if let Some(head) = wire::head(&mut self.arrived)? {
                return Poll::Ready(Ok(head));
            }
            if ready!(self.poll_read(cx)).unwrap_or(0) == 0 {
                return Poll::Ready(Err(WireError::CutOff));
            }
        }
    }

    /// Gives the next piece of a body; `None` at its end.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        framing: &mut Framing,
    ) -> Poll<Result<Option<Bytes>, WireError>> {
        loop {
            match framing.take(&mut self.arrived)? {
                Taken::Data(data) => return Poll::Ready(Ok(Some(data))),
                Taken::End => return Poll::Ready(Ok(None)),
                Taken::NeedsMore => match ready!(self.poll_read(cx)) {
                    Ok(0) if framing.ends_with_connection() => return Poll::Ready(Ok(None)),
                    Ok(0) | Err(_) => return Poll::Ready(Err(WireError::CutOff)),
                    Ok(_) => {}
                },
            }
        }
    }

    /// Reads once; 0 is the connection's end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut space = [0; READ_BYTES];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.arrived.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }
}

#[cfg(test)]
mod fuzz;
