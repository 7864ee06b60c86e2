//! HTTP/1.1 as a client needs it that sends one request at a time: a request in one piece, the head of an answer, and
//! what a body is made of. No IO: bytes in, meaning out.

use axum::http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, USER_AGENT};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use bytes::{Buf, Bytes, BytesMut};
use httparse::Status;
use reqwest::Url;

use super::OURSELVES;

/// The longest head of an answer, and the longest trailer: what the most generous of the common servers allow.
const ANSWER_HEAD_BYTES: usize = 64 * 1_024;

/// Headers of an answer. Behind two proxies and a gateway there are some fifty.
const ANSWER_HEADERS: usize = 128;

/// The longest line that tells the size of a chunk: sixteen digits, and extensions that nobody sends.
const CHUNK_LINE_BYTES: usize = 256;

/// Says what is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The head cannot be read, or contradicts itself.
    #[error("the answer's head is no HTTP/1.1")]
    Head,
    /// A chunk or a trailer cannot be read.
    #[error("the answer's body is not framed as its head says")]
    Body,
    /// The connection ended first.
    #[error("the connection ended before the answer did")]
    CutOff,
}

/// The head of an answer, and how its body ends.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) answer: Response<()>,
    pub(super) framing: Framing,
    /// Whether the connection can be used again behind the body.
    pub(super) stays: bool,
}

/// What is left of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    UntilClosed,
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer(usize),
}

/// What could be taken of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Data(Bytes),
    End,
    NeedsMore,
}

/// Writes a request.
pub(super) fn request(request: &reqwest::Request) -> Vec<u8> {
    let url = request.url();
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let body = body.unwrap_or_default();
    let mut bytes = Vec::with_capacity(1_024 + body.len());
    let mut put = |parts: &[&[u8]]| {
        for part in parts {
            bytes.extend_from_slice(part);
        }
    };
    put(&[
        request.method().as_str().as_bytes(),
        b" ",
        url.path().as_bytes(),
    ]);
    if let Some(query) = url.query() {
        put(&[b"?", query.as_bytes()]);
    }
    put(&[b" HTTP/1.1\r\n"]);
    let mut line = |name: &HeaderName, value: &[u8]| {
        put(&[name.as_str().as_bytes(), b": ", value, b"\r\n"]);
    };
    line(&HOST, authority(url).as_bytes());
    line(&CONTENT_LENGTH, body.len().to_string().as_bytes());
    let defaults = [(&USER_AGENT, OURSELVES), (&ACCEPT, "*/*")];
    for (name, value) in defaults {
        if !request.headers().contains_key(name) {
            line(name, value.as_bytes());
        }
    }
    // A second word on where the body ends, or on whose it is, would be read by one server so and by another so.
    let ours = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING];
    for (name, value) in request.headers() {
        if !ours.contains(name) {
            line(name, value.as_bytes());
        }
    }
    put(&[b"\r\n", body]);
    bytes
}

/// Gives the host, with its port where that is not the scheme's own.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Takes the head of an answer from the front of what has arrived; interim ones are skipped. `None` while it is not all
/// there.
pub(super) fn head(buffer: &mut BytesMut) -> Result<Option<Head>, WireError> {
    loop {
        let mut space = [httparse::EMPTY_HEADER; ANSWER_HEADERS];
        let mut parsed = httparse::Response::new(&mut space);
        let length = match parsed.parse(buffer).map_err(|_| WireError::Head)? {
            Status::Complete(length) if length <= ANSWER_HEAD_BYTES => length,
            Status::Partial if buffer.len() < ANSWER_HEAD_BYTES => return Ok(None),
            _ => return Err(WireError::Head),
        };
        let head = understood(&parsed)?;
        buffer.advance(length);
        match head.answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => return Err(WireError::Head),
            status if status.is_informational() => {}
            _ => return Ok(Some(head)),
        }
    }
}

fn understood(parsed: &httparse::Response<'_, '_>) -> Result<Head, WireError> {
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for header in parsed.headers.iter() {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| WireError::Head)?;
        let value = HeaderValue::from_bytes(header.value).map_err(|_| WireError::Head)?;
        headers.append(name, value);
    }
    let status = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let is_modern = parsed.version == Some(1);
    let framing = framing(status.ok_or(WireError::Head)?, is_modern, &headers)?;
    let stays = framing != Framing::UntilClosed && stays(is_modern, &headers);
    let mut answer = Response::new(());
    *answer.status_mut() = status.ok_or(WireError::Head)?;
    *answer.version_mut() = if is_modern {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    *answer.headers_mut() = headers;
    Ok(Head {
        answer,
        framing,
        stays,
    })
}

/// Tells whether a head leaves the connection open, and leaves no doubt about where its body ends.
fn stays(is_modern: bool, headers: &HeaderMap) -> bool {
    let asked: &[u8] = if is_modern { b"close" } else { b"keep-alive" };
    let is_asked = words(headers, &CONNECTION).any(|word| word.eq_ignore_ascii_case(asked));
    // Beside chunks, a length may be what somebody on the way went by.
    let is_doubtful =
        headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
    is_modern != is_asked && !is_doubtful
}

fn framing(status: StatusCode, is_modern: bool, headers: &HeaderMap) -> Result<Framing, WireError> {
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Framing::Length(0));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        let mut codings = words(headers, &TRANSFER_ENCODING);
        let is_chunked = codings
            .next()
            .is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
        // We ask for no other coding, and HTTP/1.0 knows none.
        return match is_modern && is_chunked && codings.next().is_none() {
            true => Ok(Framing::ChunkSize),
            false => Err(WireError::Head),
        };
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().map(length);
    let Some(first) = lengths.next() else {
        return Ok(Framing::UntilClosed);
    };
    match first {
        Some(length) if lengths.all(|other| other == first) => Ok(Framing::Length(length)),
        _ => Err(WireError::Head),
    }
}

fn length(value: &HeaderValue) -> Option<u64> {
    let digits = value.to_str().ok()?;
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// Gives the words that a header lists, over all its lines.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|word| !word.is_empty())
}

impl Framing {
    /// Takes what there is of the body from the front of what has arrived.
    pub(super) fn take(&mut self, buffer: &mut BytesMut) -> Result<Taken, WireError> {
        loop {
            match self {
                Self::Length(0) => return Ok(Taken::End),
                Self::Chunk(0) => *self = Self::ChunkEnd,
                _ if buffer.is_empty() => return Ok(Taken::NeedsMore),
                Self::UntilClosed => return Ok(Taken::Data(buffer.split().freeze())),
                Self::Length(left) | Self::Chunk(left) => {
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let data = buffer.split_to(buffer.len().min(most)).freeze();
                    *left -= data.len() as u64;
                    return Ok(Taken::Data(data));
                }
                Self::ChunkSize | Self::ChunkEnd | Self::Trailer(_) => {
                    match self.between(buffer)? {
                        Some(next) => *self = next,
                        None => return Ok(Taken::NeedsMore),
                    }
                }
            }
        }
    }

    /// Gives what follows on what stands between the chunks and behind them; `None` while that is not all there.
    fn between(self, buffer: &mut BytesMut) -> Result<Option<Self>, WireError> {
        match self {
            Self::ChunkSize => match httparse::parse_chunk_size(buffer) {
                Ok(Status::Complete((length, size))) if is_chunk_line(&buffer[..length]) => {
                    buffer.advance(length);
                    Ok(Some(match size {
                        0 => Self::Trailer(0),
                        size => Self::Chunk(size),
                    }))
                }
                Ok(Status::Partial) if buffer.len() < CHUNK_LINE_BYTES => Ok(None),
                _ => Err(WireError::Body),
            },
            Self::ChunkEnd if buffer.len() < 2 => Ok(None),
            Self::ChunkEnd if buffer.starts_with(b"\r\n") => {
                buffer.advance(2);
                Ok(Some(Self::ChunkSize))
            }
            Self::Trailer(read) => {
                let end = buffer.windows(2).position(|two| two == b"\r\n");
                let Some(end) = end.filter(|end| read + end + 2 <= ANSWER_HEAD_BYTES) else {
                    let fits = read + buffer.len() < ANSWER_HEAD_BYTES;
                    return if fits { Ok(None) } else { Err(WireError::Body) };
                };
                buffer.advance(end + 2);
                Ok(Some(match end {
                    0 => Self::Length(0),
                    _ => Self::Trailer(read + end + 2),
                }))
            }
            _ => Err(WireError::Body),
        }
    }

    /// Tells whether the end of the connection is the end of the body.
    pub(super) fn ends_with_connection(self) -> bool {
        self == Self::UntilClosed
    }
}

/// Checks what the parser lets through: a line without a size, which is the last chunk to it, one whose extensions hold
/// a line of their own, and one that is too long.
fn is_chunk_line(line: &[u8]) -> bool {
    let has_size = line.first().is_some_and(u8::is_ascii_hexdigit);
    let inside = line.strip_suffix(b"\n").unwrap_or(line);
    has_size && !inside.contains(&b'\n') && line.len() <= CHUNK_LINE_BYTES
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
