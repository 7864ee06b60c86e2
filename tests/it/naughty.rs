//! Strings that are known to break software, as customers could type them: each comes out of the guide's unescaped body
//! exactly as it went in.

use std::path::Path;

use frontdesk::braze::{Escaping, InboundLimits, parse};
use serde_json::Value;

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

#[test]
#[expect(clippy::print_stderr, reason = "a test that skips says why")]
fn every_naughty_string_arrives_unchanged() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/evaluation/dev/naughty.jsonl");
    let Ok(lines) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: no {}", path.display());
        return;
    };
    for (index, line) in lines.lines().enumerate() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = case["text"].as_str().unwrap();
        for (before, after) in LAYOUTS {
            for escaping in [Escaping::Auto, Escaping::None] {
                let limits = InboundLimits {
                    escaping,
                    ..InboundLimits::default()
                };
                let body = format!("{before}{text}{after}");
                let inbound = parse(body.as_bytes(), "support", &limits);
                let inbound = inbound.unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
                assert_eq!(inbound.text.as_str(), text, "line {}", index + 1);
                assert_eq!(inbound.customer.key().as_str(), "external:u-1");
            }
        }
    }
    assert!(lines.lines().count() > 0, "{} is empty", path.display());
}
