//! What the fuzz targets share: how long they run, and inputs that are known to hurt.
//!
//! A target is a property of code that reads what strangers wrote, and stands beside that code, in `fuzz`. Each gets 256
//! inputs, and in `tests/run` as many as that says; `PROPTEST_CASES=100000 cargo test --lib fuzz` looks harder. An input
//! that fails becomes a plain test, so nothing of a run is kept on disk.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::Config;
use serde_json::Value;

/// Texts that have broken software: nothing, what other languages mean by nothing, numbers at their ends, invisible and
/// turned characters, marks without letters, letters that change their length, templates, escapes and half escapes.
const NAUGHTY: [&str; 44] = [
    "",
    " ",
    "\t\r\n",
    "null",
    "undefined",
    "NaN",
    "-0",
    "1e400",
    "18446744073709551616",
    "0x1F",
    "true",
    "\\",
    "\\\\",
    "\\\"",
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "\"",
    "\"\"",
    "'",
    "{",
    "}",
    "\"}",
    "[]",
    "{{7*7}}",
    "{% if %}",
    "${x}",
    "%s%n",
    "<b>&amp;</b>",
    "' OR ''='",
    "../../x",
    "\u{0}",
    "\u{7f}\u{1b}[2J",
    "\u{feff}",
    "\u{200b}\u{200d}\u{ad}",
    "\u{202e}abc\u{202c}",
    "\u{2028}\u{2029}\u{85}",
    "e\u{301}\u{301}\u{301}\u{301}",
    "\u{301}",
    "\u{fdfa}\u{fb03}\u{1e9e}\u{130}\u{149}",
    "\u{1ffd}\u{37e}\u{212a}\u{2126}",
    "\u{ff8a}\u{ff9f}\u{3099}\u{304b}\u{3099}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{e0001}",
    "\u{10ffff}\u{e000}\u{fffd}",
];

/// Gives how each target runs: proptest's own way, or as its variables say, but without a file of what failed.
pub fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::default()
    }
}

/// Gives one text that is known to hurt.
pub fn naughty() -> impl Strategy<Value = String> {
    prop::sample::select(NAUGHTY.to_vec()).prop_map(str::to_owned)
}

/// Gives any text: a few pieces, naughty ones among them.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![naughty(), any::<String>(), "[a-zé日 .,'\"]{0,12}"];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Gives any JSON, its objects made of these names.
pub fn json(names: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // Fractions that every reader reads alike: the last digit of others is anybody's.
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let fields = prop::collection::vec((prop::sample::select(names), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            fields.prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

/// Gives bytes with a few of them lost, doubled or replaced.
pub fn spoilt(bytes: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let slips = prop::collection::vec((any::<Index>(), any::<u8>(), 0..3), 0..4);
    (bytes, slips).prop_map(|(mut bytes, slips)| {
        for (at, byte, kind) in slips {
            // Never past the end, however many bytes are lost.
            bytes.push(byte);
            let at = at.index(bytes.len());
            match kind {
                0 => drop(bytes.remove(at)),
                1 => bytes.insert(at, bytes[at]),
                _ => bytes[at] = byte,
            }
        }
        bytes
    })
}
