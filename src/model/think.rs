//! Takes reasoning text out of an answer: no customer ever reads it.

/// What opens reasoning text, in lower case.
const OPENING: [&str; 7] = [
    "<think>",
    "<thinking>",
    "<thought>",
    "<reasoning>",
    "[think]",
    "◁think▷",
    "<|channel|>analysis<|message|>",
];

/// What closes it.
const CLOSING: [&str; 7] = [
    "</think>",
    "</thinking>",
    "</thought>",
    "</reasoning>",
    "[/think]",
    "◁/think▷",
    "<|channel|>final<|message|>",
];

/// How often what is left is read again: taking a tag out may make another of what stood around it. Nobody but a
/// trickster writes that even once.
const PASSES_MAX: usize = 4;

/// Gives the text without its reasoning: what stands between two tags, before a closing tag that was never opened, and
/// after an opening tag that is never closed.
pub(super) fn strip(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..PASSES_MAX {
        if !has_tag(&text) {
            return text;
        }
        text = pass(&text);
    }
    if has_tag(&text) { String::new() } else { text }
}

/// Tells whether the text holds a tag of reasoning text.
pub(super) fn has_tag(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    OPENING
        .iter()
        .chain(&CLOSING)
        .any(|tag| lower.contains(tag))
}

fn pass(text: &str) -> String {
    // Lower case of ASCII alone keeps every byte where it was.
    let lower = text.to_ascii_lowercase();
    let tag_at = |tags: &[&str], at: usize| {
        let found = tags.iter().find(|tag| lower[at..].starts_with(**tag));
        found.map(|tag| tag.len())
    };
    let mut kept = String::with_capacity(text.len());
    let mut inside = false;
    let mut from = 0;
    for (at, _) in lower.match_indices(['<', '[', '◁']) {
        if at < from {
            continue;
        }
        if let Some(length) = tag_at(&OPENING, at) {
            if !inside {
                kept.push_str(&text[from..at]);
            }
            inside = true;
            from = at + length;
        } else if let Some(length) = tag_at(&CLOSING, at) {
            if !inside {
                kept.clear();
            }
            inside = false;
            from = at + length;
        }
    }
    if !inside {
        kept.push_str(&text[from..]);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Hello", "Hello")]
    #[case("<think>a</think>Hello", "Hello")]
    #[case("Well, <think>a</think>hello", "Well, hello")]
    #[case("<THINK>a</Think>Hello", "Hello")]
    #[case("a</think>Hello", "Hello")]
    #[case("Hello<think>a", "Hello")]
    #[case("<think>a<think>b</think>c</think>Hello", "Hello")]
    #[case("<think>a</think><think>b</think>Hello", "Hello")]
    #[case("a</think>b</think>Hello", "Hello")]
    #[case("[THINK]a[/THINK]Hello", "Hello")]
    #[case("◁think▷a◁/think▷こんにちは", "こんにちは")]
    #[case(
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Hello",
        "Hello"
    )]
    #[case("<thi<think>a</think>nk>b</think>Hello", "Hello")]
    #[case("<think>", "")]
    #[case("1 < 2 [think about it] <b>", "1 < 2 [think about it] <b>")]
    fn reasoning_is_taken_out(#[case] text: &str, #[case] left: &str) {
        assert_eq!(strip(text), left);
    }

    proptest! {
        #![proptest_config(crate::fuzz::config())]

        #[test]
        fn no_tag_is_ever_left(parts in prop::collection::vec(
            prop_oneof![
                Just("<think>"), Just("</think>"), Just("<thi"), Just("nk>"), Just("</"), Just("<"), Just("é"),
                Just("[THINK]"), Just("◁"), Just("text "),
            ],
            0..24,
        )) {
            prop_assert!(!has_tag(&strip(&parts.concat())));
        }
    }
}
