use super::*;

fn arrived(bytes: &[u8]) -> BytesMut {
    BytesMut::from(bytes)
}

fn headed(text: &str) -> Result<Option<Head>, WireError> {
    head(&mut arrived(text.as_bytes()))
}

/// Gives the body of what arrives in these pieces, and what is left behind it.
fn body(mut framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), WireError> {
    let (mut buffer, mut body) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match framing.take(&mut buffer)? {
                Taken::Data(data) => body.extend_from_slice(&data),
                Taken::NeedsMore => break,
                Taken::End => return Ok((body, true, buffer.to_vec())),
            }
        }
    }
    Ok((body, false, buffer.to_vec()))
}

#[test]
fn a_request_is_written_in_one_piece() {
    let http = crate::http_client::build(&crate::http_client::Options::default()).unwrap();
    let post = |url: &str| http.post(url);
    let built = post("http://127.0.0.1:9000/v1/chat?a=b%20c")
        .header("authorization", "Bearer key")
        .body("{}");
    let text = String::from_utf8(request(&built.build().unwrap())).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text,
        format!(
            "POST /v1/chat?a=b%20c HTTP/1.1\r\nhost: 127.0.0.1:9000\r\ncontent-length: 2\r\n\
             user-agent: frontdesk/{version}\r\naccept: */*\r\nauthorization: Bearer key\r\n\r\n{{}}"
        )
    );
    let built = post("https://[::1]:443").header("user-agent", "another");
    let built = built.header("host", "evil").header("content-length", "7");
    let built = built.header("transfer-encoding", "chunked");
    let text = String::from_utf8(request(&built.build().unwrap())).unwrap();
    assert_eq!(
        text,
        "POST / HTTP/1.1\r\nhost: [::1]\r\ncontent-length: 0\r\naccept: */*\r\nuser-agent: another\r\n\r\n"
    );
}

#[test]
fn a_head_tells_how_its_body_ends_and_whether_the_connection_stays() {
    use Framing::{ChunkSize, Length, UntilClosed};
    for (text, framing, stays) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            Length(5),
            true,
        ),
        (
            "HTTP/1.1 200\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
            Length(5),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: x, Close\r\n\r\n",
            Length(5),
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\n",
            Length(5),
            false,
        ),
        (
            "HTTP/1.0 200 OK\r\ncontent-length: 5\r\nconnection: keep-alive\r\n\r\n",
            Length(5),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: , Chunked\r\n\r\n",
            ChunkSize,
            true,
        ),
        // Somebody on the way may go by the length.
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            ChunkSize,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: é\r\nconnection: é,close\r\n\r\n",
            Length(5),
            false,
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", UntilClosed, false),
        (
            "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
            Length(0),
            true,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            Length(0),
            true,
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n",
            Length(0),
            true,
        ),
    ] {
        let head = headed(text).unwrap().unwrap();
        assert_eq!((head.framing, head.stays), (framing, stays), "{text}");
    }
}

#[test]
fn a_head_is_waited_for_and_a_wrong_one_is_refused() {
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    for length in 0..whole.len() {
        assert!(headed(&whole[..length]).unwrap().is_none(), "{length}");
    }
    let many = "a: b\r\n".repeat(ANSWER_HEADERS + 1);
    for text in [
        "HTTP/2 200 OK\r\n\r\n".to_owned(),
        "<html>".to_owned(),
        "HTTP/1.1 2000 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 099 Low\r\n\r\n".to_owned(),
        "HTTP/1.1 101 Switching\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 0x5\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length : 5\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n 6\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\na: b\0c\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding:\r\ncontent-length: 5\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
        format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(ANSWER_HEAD_BYTES)),
    ] {
        let refused = headed(&text).map(|_| ());
        assert_eq!(
            refused,
            Err(WireError::Head),
            "{}",
            &text[..20.min(text.len())]
        );
    }
}

#[test]
fn a_body_ends_where_its_framing_says() {
    use Framing::{ChunkSize, Length, UntilClosed};
    for (framing, wire, data, ended, rest) in [
        (Length(5), "helloHTTP", "hello", true, "HTTP"),
        (Length(6), "hello", "hello", false, ""),
        (Length(0), "HTTP", "", true, "HTTP"),
        (UntilClosed, "hello", "hello", false, ""),
        (
            ChunkSize,
            "5\r\nhello\r\n0\r\n\r\nHTTP",
            "hello",
            true,
            "HTTP",
        ),
        (
            ChunkSize,
            "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nx: y\r\n\r\nHTTP",
            "hello",
            true,
            "HTTP",
        ),
        (
            ChunkSize,
            "A\r\n0123456789\r\n0\r\n",
            "0123456789",
            false,
            "",
        ),
    ] {
        let bytes: Vec<&[u8]> = wire.as_bytes().chunks(1).collect();
        for pieces in [&[wire.as_bytes()][..], &bytes] {
            // What comes behind the end is not asked for when it comes later.
            let (read, is_end, left) = body(framing, pieces).unwrap();
            assert_eq!(
                (read.as_slice(), is_end),
                (data.as_bytes(), ended),
                "{wire}"
            );
            assert!(rest.as_bytes().starts_with(&left), "{wire}");
        }
    }
}

#[test]
fn chunks_that_contradict_themselves_are_refused() {
    let long_line = format!("5;{}", "x".repeat(CHUNK_LINE_BYTES));
    let long_whole_line = format!("5;{}\r\nhello\r\n", "x".repeat(CHUNK_LINE_BYTES));
    let long_trailer = format!("0\r\n{}", "a: b\r\n".repeat(ANSWER_HEAD_BYTES / 6 + 2));
    let endless_trailer = format!("0\r\n{}", "a".repeat(ANSWER_HEAD_BYTES + 1));
    for wire in [
        "x\r\n",
        // No size at all is not the size of the last one.
        "\r\n\r\n",
        "5\r\nhello\r\n\r\n\r\n",
        ";a\r\n\r\n",
        "5\nhello\n0\n\n",
        "5;a\nb\r\nhello\r\n",
        "5\r\nhelloo\r\n",
        "-5\r\n",
        "11111111111111111\r\n",
        &long_line,
        &long_whole_line,
        &long_trailer,
        &endless_trailer,
    ] {
        let refused = body(Framing::ChunkSize, &[wire.as_bytes()]);
        assert_eq!(
            refused,
            Err(WireError::Body),
            "{}",
            &wire[..10.min(wire.len())]
        );
    }
}

#[test]
fn a_limit_is_the_same_however_the_bytes_arrive() {
    let header = |length: usize| {
        let before = "HTTP/1.1 200 OK\r\na: ";
        format!("{before}{}\r\n\r\n", "b".repeat(length - before.len() - 4))
    };
    for (length, fits) in [(ANSWER_HEAD_BYTES, true), (ANSWER_HEAD_BYTES + 1, false)] {
        let text = header(length);
        assert_eq!(headed(&text).is_ok(), fits, "whole: {length}");
        let part = headed(&text[..length - 1]).map(|head| head.is_none());
        assert_eq!(part.is_ok(), fits, "in two: {length}");
    }
    let chunk = |length: usize| format!("0;{}\r\n\r\n", "x".repeat(length - 4));
    let trailer = |length: usize| format!("0\r\na:{}\r\n\r\n", "x".repeat(length - 6));
    for (wire, fits) in [
        (chunk(CHUNK_LINE_BYTES), true),
        (chunk(CHUNK_LINE_BYTES + 1), false),
        (trailer(ANSWER_HEAD_BYTES), true),
        (trailer(ANSWER_HEAD_BYTES + 1), false),
    ] {
        let bytes = wire.as_bytes();
        for cut in [1, 2, 3, 4, 5].map(|back| bytes.len() - back) {
            let (front, back) = bytes.split_at(cut);
            let read = body(Framing::ChunkSize, &[front, back]);
            let fit = if fits {
                Ok((Vec::new(), true, Vec::new()))
            } else {
                Err(WireError::Body)
            };
            assert_eq!(read, fit, "{} in two at {cut}", wire.len());
        }
        assert_eq!(body(Framing::ChunkSize, &[bytes]).is_ok(), fits);
    }
}
