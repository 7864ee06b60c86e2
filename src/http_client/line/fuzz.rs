//! Answers that no server gives, in pieces that no network makes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::HeaderMap;
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::fuzz;

/// What answers are made of: heads, framing, chunks, ends, and what only looks like them.
const PARTS: [&str; 36] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 503 \r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 101 Switching\r\n\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "content-length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length: 5, 5\r\n",
    "content-length: 18446744073709551615\r\n",
    "transfer-encoding: chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "connection: close\r\n",
    "connection: keep-alive\r\n",
    "a: b\r\n",
    "a : b\r\n",
    " folded\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "hello",
    "5\r\nhello\r\n",
    "5\r\nhello\r\n",
    "1;ext=\"a\"\r\nx\r\n",
    "a \r\n",
    "ffffffffffffffff\r\n",
    "00000000000000005\r\n",
    ";\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "trailer: x\r\n\r\n",
    "\u{0}",
    "é",
    ":",
];

/// A host that has said all before it is asked, and hangs up.
struct Said {
    pieces: VecDeque<Bytes>,
    unread: Arc<AtomicUsize>,
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(piece) = self.pieces.front_mut() {
            let read = piece.split_to(piece.len().min(buffer.remaining()));
            buffer.put_slice(&read);
            self.unread.fetch_sub(read.len(), Ordering::Relaxed);
        }
        self.pieces.retain(|piece| !piece.is_empty());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Said {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What was understood of an answer.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    headers: HeaderMap,
    stays: bool,
    body: Vec<u8>,
    end: Result<(), WireError>,
    /// Bytes behind the end.
    left: usize,
}

/// Reads an answer that arrives in pieces, which end at these places.
fn read(bytes: &[u8], mut cuts: Vec<usize>) -> Result<Read, WireError> {
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.dedup();
    let unread = Arc::new(AtomicUsize::new(bytes.len()));
    let pieces = cuts
        .windows(2)
        .map(|two| Bytes::copy_from_slice(&bytes[two[0]..two[1]]));
    let mut line = Line::new(Said {
        pieces: pieces.collect(),
        unread: Arc::clone(&unread),
    });
    let head = line
        .exchange(b"?".to_vec())
        .now_or_never()
        .expect("all is there")?;
    let (mut framing, mut body) = (head.framing, Vec::new());
    let end = loop {
        let next = std::future::poll_fn(|cx| line.poll_body(cx, &mut framing));
        match next.now_or_never().expect("all is there") {
            Ok(Some(data)) => body.extend_from_slice(&data),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let left = match end {
        Ok(()) => unread.load(Ordering::Relaxed) + line.arrived.len(),
        // How much had been looked at when it broke is nobody's concern.
        Err(_) => 0,
    };
    Ok(Read {
        status: head.answer.status().as_u16(),
        headers: head.answer.into_parts().0.headers,
        stays: head.stays,
        body,
        end,
        left,
    })
}

/// Bytes that resemble an answer, some of them with a line as long as the limits.
fn resembling() -> impl Strategy<Value = Vec<u8>> {
    let begin = prop_oneof![
        4 => Just("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        2 => Just("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"),
        2 => Just("HTTP/1.1 200 OK\r\n"),
        2 => Just(""),
    ];
    let long = prop_oneof![Just(256_usize), Just(64 * 1_024)];
    let long = (long, 0..8_usize, select(vec!["a: ", "0;", "0\r\na: "]));
    let long =
        long.prop_map(|(length, less, front)| format!("{front}{}\r\n", "x".repeat(length - less)));
    let part = prop_oneof![
        30 => select(PARTS.to_vec()).prop_map(str::to_owned),
        1 => long,
        1 => fuzz::text(),
    ];
    let parts = prop::collection::vec(part, 0..12);
    (begin, parts).prop_map(|(begin, parts)| (begin.to_owned() + &parts.concat()).into_bytes())
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    prop::collection::vec(any::<Index>(), 0..7)
}

fn places(cuts: &[Index], length: usize) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(length + 1)).collect()
}

/// Writes a body in chunks of these sizes.
fn chunked(body: &[u8], sizes: &[usize], extension: &str, trailers: &str) -> Vec<u8> {
    let (mut wire, mut rest, mut sizes) = (Vec::new(), body, sizes.iter().cycle());
    while !rest.is_empty() {
        let size = sizes.next().map_or(1, |size| *size).min(rest.len());
        let (chunk, behind) = rest.split_at(size);
        wire.extend_from_slice(format!("{size:X}{extension}\r\n").as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
        rest = behind;
    }
    wire.extend_from_slice(format!("0{extension}\r\n{trailers}\r\n").as_bytes());
    wire
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn any_bytes_are_read_alike_however_they_arrive(
        bytes in prop_oneof![
            6 => resembling(),
            3 => fuzz::spoilt(resembling()),
            1 => any::<Vec<u8>>(),
        ],
        cuts in cuts(),
    ) {
        let whole = read(&bytes, vec![]);
        prop_assert_eq!(&whole, &read(&bytes, places(&cuts, bytes.len())));
        if bytes.len() <= 1_024 {
            prop_assert_eq!(&whole, &read(&bytes, (0..bytes.len()).collect()));
        }
        let taken = whole.map_or(0, |read| read.body.len() + read.left);
        prop_assert!(taken <= bytes.len());
    }

    #[test]
    fn what_was_framed_is_read_and_nothing_behind_it(
        body in prop_oneof![
            any::<Vec<u8>>(),
            fuzz::text().prop_map(String::into_bytes),
            (any::<u8>(), 0..40_000_usize).prop_map(|(byte, times)| vec![byte; times]),
        ],
        sizes in prop::option::of(prop::collection::vec(1..20_000_usize, 1..5)),
        extension in select(vec!["", " ", ";a", ";a=\"b\""]),
        trailers in select(vec!["", "a: b\r\n", "a: b\r\nc: 5\r\n"]),
        interim in select(vec!["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Hints\r\na: b\r\n\r\n"]),
        behind in any::<Vec<u8>>(),
        cuts in cuts(),
    ) {
        let framed = match &sizes {
            Some(_) => "transfer-encoding: chunked".to_owned(),
            None => format!("content-length: {}", body.len()),
        };
        let mut bytes = format!("{interim}HTTP/1.1 200 OK\r\n{framed}\r\n\r\n").into_bytes();
        bytes.extend(match &sizes {
            Some(sizes) => chunked(&body, sizes, extension, trailers),
            None => body.clone(),
        });
        let whole = bytes.len();
        bytes.extend_from_slice(&behind);
        let answer = read(&bytes, places(&cuts, bytes.len())).unwrap();
        prop_assert_eq!((answer.status, answer.stays, answer.end), (200, true, Ok(())));
        prop_assert!(answer.body == body);
        prop_assert_eq!(answer.left, behind.len());

        // What is cut off is never taken for the whole.
        let kept = cuts.first().map_or(0, |cut| cut.index(whole));
        let part = read(&bytes[..kept], vec![]);
        prop_assert!(part.and_then(|part| part.end).is_err());
    }
}
