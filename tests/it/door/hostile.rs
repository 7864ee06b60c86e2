//! Requests that mean harm: two in the clothes of one, heads and bodies that nobody should have to read, guessed secrets.

use std::fmt::Write as _;

use frontdesk::http::Limits;
use rstest::rstest;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BRIEF, House, QUICK, limits};
use crate::world::{INBOUND_SECRET, World, soon};

/// Sends bytes to a listener. Gives the statuses of all answers that come before the connection is closed.
async fn answers(bytes: &[u8]) -> Vec<u16> {
    let limits = Limits {
        head: BRIEF,
        idle: BRIEF,
        ..limits()
    };
    let house = House::open(limits, &[]).await;
    let (mut reading, mut writing) = house.enter("127.0.0.1").await.0.into_split();
    let mut text = Vec::new();
    let talk = async {
        // Either side may find that the connection is closed already.
        let (_, _) = tokio::join!(writing.write_all(bytes), reading.read_to_end(&mut text));
    };
    soon(talk).await;
    house.end().await;
    let text = String::from_utf8(text).unwrap();
    let heads = text.split("HTTP/1.1 ").skip(1);
    heads.map(|head| head[..3].parse().unwrap()).collect()
}

/// Gives a request with these lines in its head and this body, and another request right behind it.
fn with_another(lines: &str, body: &str) -> String {
    format!("POST /body HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n{body}{QUICK}")
}

#[rstest]
#[case::length_and_chunks("Content-Length: 46\r\nTransfer-Encoding: chunked", "0\r\n\r\n", &[200])]
#[case::chunks_and_length("Transfer-Encoding: chunked\r\nContent-Length: 46", "0\r\n\r\n", &[200])]
#[case::chunks_twice("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", &[200])]
#[case::chunks_not_last("Transfer-Encoding: chunked, identity", "0\r\n\r\n", &[400])]
#[case::chunks_misspelt("Transfer-Encoding: xchunked", "0\r\n\r\n", &[400])]
#[case::two_lengths("Content-Length: 0\r\nContent-Length: 41", "", &[400])]
#[case::a_list_of_lengths("Content-Length: 0, 41", "", &[400])]
#[case::a_signed_length("Content-Length: +0", "", &[400])]
#[case::a_folded_line("X: a\r\n Content-Length: 41", "", &[400])]
#[case::a_space_before_the_colon("Content-Length : 41", "", &[400])]
#[case::a_bare_line_feed("X: a\nContent-Length: 41", "", &[])]
#[case::a_bare_line_feed_at_the_end("X: a\r\n\nX: ", "", &[])]
#[case::a_bare_carriage_return("X: a\rContent-Length: 41", "", &[400])]
#[case::a_nul("X: a\0b", "", &[400])]
#[case::a_chunk_with_a_bare_line_feed("Transfer-Encoding: chunked", "1\nx\r\n0\r\n\r\n", &[400])]
#[case::a_chunk_of_sixteen_exabytes("Transfer-Encoding: chunked", "fffffffffffffffff\r\nx", &[400])]
#[case::a_request_as_a_body("Content-Length: 32", "", &[200])]
#[tokio::test]
async fn one_request_is_never_two(
    #[case] lines: &str,
    #[case] body: &str,
    #[case] expected: &[u16],
) {
    assert_eq!(
        answers(with_another(lines, body).as_bytes()).await,
        expected
    );
}

#[tokio::test]
async fn chunks_in_the_older_protocol_are_refused() {
    let text = with_another("Transfer-Encoding: chunked", "0\r\n\r\n").replace("/1.1", "/1.0");
    assert_eq!(answers(text.as_bytes()).await, [400]);
}

#[tokio::test]
async fn two_requests_behind_each_other_are_two() {
    assert_eq!(
        answers([QUICK, QUICK].concat().as_bytes()).await,
        [200, 200]
    );
}

#[rstest]
#[case(63, 1, 200)]
#[case(64, 1, 431)]
#[case(101, 1, 431)]
#[case(1, 40_000, 200)]
#[case(1, 100_000, 431)]
#[tokio::test]
async fn a_head_has_its_bounds(#[case] lines: usize, #[case] length: usize, #[case] status: u16) {
    let mut head = "GET /quick HTTP/1.1\r\nHost: x\r\n".to_owned();
    for number in 0..lines {
        write!(head, "X-{number}: {}\r\n", "x".repeat(length)).unwrap();
    }
    assert_eq!(answers((head + "\r\n").as_bytes()).await, [status]);
}

async fn post(
    world: &World,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let client = reqwest::Client::builder().build().unwrap();
    let mut request = client
        .post(format!("{}/v1/inbound/support", world.url()))
        .body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn bearer() -> String {
    format!("Bearer {INBOUND_SECRET}")
}

/// A body that is in order but for one field.
fn odd(field: &str) -> Vec<u8> {
    format!(r#"{{"user_id": "u1", "phone_number": "+1555", {field}, "message": "hi"}}"#)
        .into_bytes()
}

#[tokio::test]
async fn probe_bodies() {
    for mode in ["auto", "json_escape"] {
        let world = World::with(&format!("[inbound]\nescaping = \"{mode}\"")).await;
        let mut cases: Vec<(&str, Vec<u8>)> = vec![
            ("empty", vec![]),
            ("white space", b" \r\n ".to_vec()),
            ("null", b"null".to_vec()),
            ("array", b"[]".to_vec()),
            ("string", b"\"hi\"".to_vec()),
            ("1e400 alone", b"1e400".to_vec()),
            ("deep", "[".repeat(10_000).into_bytes()),
            (
                "deep closed",
                ["[".repeat(10_000), "]".repeat(10_000)]
                    .concat()
                    .into_bytes(),
            ),
            (
                "deep field",
                odd(&format!(
                    "\"tier\": {}{}",
                    "[".repeat(10_000),
                    "]".repeat(10_000)
                )),
            ),
            (
                "deep objects",
                odd(&format!(
                    "\"tier\": {}1{}",
                    "{\"a\":".repeat(10_000),
                    "}".repeat(10_000)
                )),
            ),
            ("1e400", odd("\"tier\": 1e400")),
            ("dup", odd("\"user_id\": \"u2\"")),
            ("dup msg", odd("\"message\": \"other\"")),
            ("surrogate", odd(r#""tier": "\ud800""#)),
            ("nul escaped", odd(r#""tier": "a\u0000b""#)),
            ("nul raw", odd("\"tier\": \"a\0b\"")),
            (
                "invalid utf8",
                odd("\"tier\": \"x\"")
                    .into_iter()
                    .map(|b| if b == b'x' { 0xff } else { b })
                    .collect(),
            ),
            (
                "number id",
                br#"{"user_id": 5, "phone_number": "+1555", "message": "hi"}"#.to_vec(),
            ),
            (
                "list id",
                br#"{"user_id": ["u1"], "phone_number": {}, "message": "hi"}"#.to_vec(),
            ),
            (
                "number message",
                br#"{"user_id": "u1", "message": 5}"#.to_vec(),
            ),
            (
                "null message",
                br#"{"user_id": "u1", "message": null}"#.to_vec(),
            ),
            (
                "list message",
                br#"{"user_id": "u1", "message": ["hi"]}"#.to_vec(),
            ),
            (
                "message nul",
                b"{\"user_id\": \"u1\", \"message\": \"a\\u0000b\"}".to_vec(),
            ),
            (
                "message surrogate",
                br#"{"user_id": "u1", "message": "\ud800"}"#.to_vec(),
            ),
            (
                "message surrogate pair swapped",
                br#"{"user_id": "u1", "message": "\udc00\ud800"}"#.to_vec(),
            ),
            (
                "id nul",
                br#"{"user_id": "u\u00001", "message": "m"}"#.to_vec(),
            ),
            (
                "id surrogate",
                br#"{"user_id": "\ud800", "message": "m"}"#.to_vec(),
            ),
        ];
        cases.push((
            "bom",
            [b"\xef\xbb\xbf".to_vec(), odd("\"tier\": 1")].concat(),
        ));
        cases.push((
            "trailing",
            [odd("\"tier\": 2"), b" garbage".to_vec()].concat(),
        ));
        for (name, body) in cases {
            let (status, answer) = post(&world, &[("authorization", &bearer())], body).await;
            let counts = world.app.store().counts().await.unwrap();
            println!(
                "{name}: {status} {} {} {}",
                answer["detail"], counts.waiting, counts.quarantined
            );
        }
        world.end().await;
    }
}
