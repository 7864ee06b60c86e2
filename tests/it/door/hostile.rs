//! Requests that mean harm: two in the clothes of one, heads and bodies that nobody should have to read, guessed secrets.

use std::fmt::Write as _;

use frontdesk::http::Limits;
use rstest::rstest;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

/// Posts to the assistant of a world. Gives the status and the answer.
async fn post(world: &World, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Value) {
    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/v1/inbound/support", world.url());
    let request = headers
        .iter()
        .fold(client.post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
    let response = request.body(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn bearer() -> String {
    format!("Bearer {INBOUND_SECRET}")
}

/// Gives a body that is in order but for one field.
fn odd(field: &str) -> Vec<u8> {
    format!(r#"{{"user_id": "u1", "phone_number": "+1555", {field}, "message": "hi"}}"#)
        .into_bytes()
}

/// Gives bodies, and whether one whose template escapes everything is taken.
fn bodies() -> Vec<(Vec<u8>, bool)> {
    let nested = |open: &str, close: &str| {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        (deep.clone().into_bytes(), odd(&format!("\"tier\": {deep}")))
    };
    let (list, list_inside) = nested("[", "]");
    let (object, object_inside) = nested("{\"a\":", "}");
    let refused = [
        b"".to_vec(),
        b" \r\n ".to_vec(),
        b"null".to_vec(),
        b"1e400".to_vec(),
        list,
        list_inside,
        object,
        object_inside,
        odd(r#""tier": 1e400"#),
        odd(r#""user_id": "u2""#),
        odd(r#""message": "another""#),
        odd(r#""tier": "\ud800""#),
        odd(r#""tier": "a\u0000b""#),
        odd("\"tier\": \"a\0b\""),
        [&odd("\"tier\": \"")[..], b"\xff\"}"].concat(),
        br#"{"user_id": ["u1"], "message": "hi"}"#.to_vec(),
        br#"{"user_id": "u1", "phone_number": {}, "message": "hi"}"#.to_vec(),
        br#"{"user_id": "u1", "message": ["hi"]}"#.to_vec(),
        br#"{"user_id": "u1", "message": "\udc00\ud800"}"#.to_vec(),
        [&odd("\"tier\": 1")[..], b" and more"].concat(),
    ];
    let taken = [
        br#"{"user_id": 5, "phone_number": "+1555", "message": "hi"}"#.to_vec(),
        [b"\xef\xbb\xbf", &odd("\"tier\": 1")[..]].concat(),
    ];
    let refused = refused.into_iter().map(|body| (body, false));
    refused
        .chain(taken.into_iter().map(|body| (body, true)))
        .collect()
}

#[rstest]
#[tokio::test]
async fn a_hostile_body_is_kept_one_way_or_the_other(
    #[values("json_escape", "auto")] escaping: &str,
) {
    let world = World::with(&format!("[inbound]\nescaping = \"{escaping}\"")).await;
    let authorization = bearer();
    for (number, (body, taken)) in bodies().into_iter().enumerate() {
        let text = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        // No copy of another: the same words of the same customer would be one.
        world.clock.advance(std::time::Duration::from_mins(1));
        world.rest().await;
        let before = world.app.store().counts().await.unwrap();
        let (status, answer) = post(&world, &[("authorization", &authorization)], body).await;
        let after = world.app.store().counts().await.unwrap();
        // A template that escapes nothing makes a text of much that is no JSON.
        let taken = match escaping {
            "auto" => status == 202,
            _ => taken,
        };
        let kept = (
            status,
            after.waiting - before.waiting,
            after.quarantined - before.quarantined,
        );
        let expected = if taken { (202, 1, 0) } else { (400, 0, 1) };
        assert_eq!(kept, expected, "{number}: {text}: {answer}");
    }
    let before = world.app.store().counts().await.unwrap();
    assert_eq!(post(&world, &[], b"[".repeat(10_000)).await.0, 401);
    let after = world.app.store().counts().await.unwrap();
    assert_eq!(after.quarantined, before.quarantined, "a stranger's body");
    world.end().await;
}

#[rstest]
#[case::packed(&[("content-encoding", "gzip")], b"\x1f\x8b\x08\0\0".to_vec(), 415)]
#[case::one_byte_too_long(&[], vec![b' '; 256 * 1_024 + 1], 413)]
#[tokio::test]
async fn what_is_too_long_or_packed_is_not_kept(
    #[case] headers: &[(&str, &str)],
    #[case] body: Vec<u8>,
    #[case] expected: u16,
) {
    let world = World::start().await;
    let authorization = bearer();
    let headers = [&[("authorization", authorization.as_str())], headers].concat();
    let (status, answer) = post(&world, &headers, body).await;
    assert_eq!(status, expected, "{answer}");
    let counts = world.app.store().counts().await.unwrap();
    assert_eq!((counts.waiting, counts.quarantined), (0, 0));
    world.end().await;
}

#[tokio::test]
async fn a_hundred_megabytes_in_chunks_are_refused_and_not_read() {
    let world = World::start().await;
    let stream = TcpStream::connect(world.app.address()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let head = format!(
        "POST /v1/inbound HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
        bearer()
    );
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65_536));
    let mut sent = 0;
    let flooding = async {
        writing.write_all(head.as_bytes()).await.unwrap();
        while sent < 100_000_000 && writing.write_all(chunk.as_bytes()).await.is_ok() {
            sent += chunk.len();
        }
    };
    let mut answer = Vec::new();
    // The connection may be reset when the answer is through.
    let ((), _) = soon(async { tokio::join!(flooding, reading.read_to_end(&mut answer)) }).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // What the system's own buffers swallow has left as well.
    assert!(sent < 20_000_000, "{sent}");
    world.end().await;
}

#[tokio::test]
async fn a_guesser_learns_nothing_and_both_secrets_of_a_rotation_hold() {
    let world = World::start().await;
    let body = || odd("\"tier\": 1");
    let half = &INBOUND_SECRET[..INBOUND_SECRET.len() - 1];
    let guesses = [
        "Bearer ".to_owned(),
        format!("Bearer {half}"),
        format!("Bearer {INBOUND_SECRET}x"),
        format!("Bearer {}", "x".repeat(INBOUND_SECRET.len())),
        "Bearer the-secret-before-the-rotation".to_owned(),
        format!("Basic {INBOUND_SECRET}"),
    ];
    let nothing = post(&world, &[], body()).await;
    assert_eq!(nothing.0, 401);
    for guess in guesses {
        let answer = post(&world, &[("authorization", &guess)], body()).await;
        assert_eq!(answer, nothing, "{guess}");
    }
    for (secret, customer) in [
        (INBOUND_SECRET, "u1"),
        ("the-next-inbound-secret-of-the-rotation", "u2"),
    ] {
        let header = format!("Bearer {secret}");
        let body = format!(r#"{{"user_id": "{customer}", "message": "hi"}}"#).into_bytes();
        assert_eq!(
            post(&world, &[("authorization", &header)], body).await.0,
            202
        );
    }
    world.end().await;
}
