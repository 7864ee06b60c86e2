//! Strings that are known to break software, as customers could type them: each comes out of the guide's unescaped body
//! exactly as it went in.

use std::path::Path;

use frontdesk::braze::{Escaping, InboundLimits, parse};
use serde_json::Value;

use crate::world::World;

/// The guide's body in its own layout, on one line, and without any white space.
const LAYOUTS: [(&str, &str); 3] = [
    (
        "{\n  \"user_id\": \"u-1\",\n  \"phone_number\": \"+15550100\",\n  \"message\": \"",
        "\"\n}",
    ),
    (
        "{\"user_id\": \"u-1\", \"phone_number\": \"+15550100\", \"message\": \"",
        "\"}",
    ),
    (
        "{\"user_id\":\"u-1\",\"phone_number\":\"+15550100\",\"message\":\"",
        "\"}",
    ),
];

/// Gives the strings; none where the evaluation data is not at hand.
#[expect(clippy::print_stderr, reason = "a test that skips says why")]
fn strings() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/evaluation/dev/naughty.jsonl");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no {}", path.display());
        return Vec::new();
    };
    assert!(lines.lines().count() > 0, "{} is empty", path.display());
    let text = |line: &str| {
        let case: Value = serde_json::from_str(line).unwrap();
        case["text"].as_str().unwrap().to_owned()
    };
    lines.lines().map(text).collect()
}

#[tokio::test]
async fn every_naughty_string_reaches_the_model_unchanged() {
    let texts = strings();
    let world = World::start().await;
    let phone = world.phone("support");
    for (index, text) in texts.iter().enumerate() {
        let (before, after) = LAYOUTS[index % LAYOUTS.len()];
        let body = format!("{before}{text}{after}").replace("u-1", &format!("u-{index}"));
        let answered = phone.posts(body).await.unwrap();
        assert_eq!(
            answered.status,
            202,
            "line {}: {:?}",
            index + 1,
            answered.body
        );
    }
    world.pass(std::time::Duration::from_secs(1)).await;
    let asked: std::collections::BTreeSet<String> = world
        .model
        .requests()
        .iter()
        .map(|request| {
            request.json()["messages"][1]["content"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for (index, text) in texts.iter().enumerate() {
        // What says nothing is answered without the model.
        assert!(
            text.trim().is_empty() || asked.contains(text),
            "line {}",
            index + 1
        );
    }
    world.end().await;
}

#[test]
fn every_naughty_string_arrives_unchanged() {
    for (index, text) in strings().iter().enumerate() {
        for (before, after) in LAYOUTS {
            for escaping in [Escaping::Auto, Escaping::None] {
                let limits = InboundLimits {
                    escaping,
                    ..InboundLimits::default()
                };
                let body = format!("{before}{text}{after}");
                let inbound = parse(body.as_bytes(), "support", &limits);
                let inbound = inbound.unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
                assert_eq!(inbound.text.as_str(), *text, "line {}", index + 1);
                assert_eq!(inbound.customer.key().as_str(), "external:u-1");
            }
        }
    }
}
