//! The text that may leave: cleaned, made harmless for Braze, shaped for WhatsApp, kept within its length.

/// The longest text message that WhatsApp takes, in UTF-16 units.
pub const WHATSAPP_TEXT: usize = 4_096;

/// How much of the end may be given up to stop at the end of a sentence instead of in the middle of a word.
const SENTENCE_SEARCH: usize = 400;

/// Makes a text fit to leave. Gives `None` where nothing is left to say.
pub fn prepare(text: &str) -> Option<String> {
    let shaped = whatsapp_markup(text.trim());
    let harmless = break_liquid(&shaped);
    let fitting = cut(&harmless, WHATSAPP_TEXT);
    (!fitting.is_empty()).then(|| fitting.to_owned())
}

/// Makes what a person has typed fit to leave: as it stands, but harmless for Braze. Gives `None` where nothing is left to
/// say.
pub fn typed(text: &str) -> Option<String> {
    let harmless = break_liquid(text.trim());
    (!harmless.is_empty()).then_some(harmless)
}

/// Puts a space into whatever Braze's Liquid could take for a tag, so that no words of a model are ever evaluated.
pub fn break_liquid(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = None;
    for letter in text.chars() {
        if matches!(
            (before, letter),
            (Some('{'), '{' | '%') | (Some('}' | '%'), '}')
        ) {
            safe.push(' ');
        }
        safe.push(letter);
        before = Some(letter);
    }
    safe
}

/// Turns the Markdown that models write into the markup that WhatsApp shows: bold, headings, links.
fn whatsapp_markup(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(whatsapp_line).collect();
    lines.join("\n")
}

fn whatsapp_line(line: &str) -> String {
    let heading = line.trim_start_matches('#');
    let hashes = line.len() - heading.len();
    let inline = |text: &str| plain_links(&text.replace("**", "*").replace("__", "_"));
    match (1..=6).contains(&hashes) && heading.starts_with(' ') {
        true => format!("*{}*", inline(heading).trim().trim_matches('*')),
        false => inline(line),
    }
}

/// Writes `[words](address)` as `words: address`.
fn plain_links(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, words, address, after)) = next_link(rest) {
        plain.push_str(before);
        plain.push_str(words);
        if words != address {
            plain.push_str(": ");
            plain.push_str(address);
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Finds the first link: what stands before it, its words, its address, what stands after it.
fn next_link(text: &str) -> Option<(&str, &str, &str, &str)> {
    let middle = text.find("](")?;
    let open = text[..middle].rfind('[')?;
    let close = middle + 2 + text[middle + 2..].find(')')?;
    let address = &text[middle + 2..close];
    let is_address = address.starts_with("http") && !address.contains(char::is_whitespace);
    is_address.then(|| {
        (
            &text[..open],
            &text[open + 1..middle],
            address,
            &text[close + 1..],
        )
    })
}

/// Cuts to `units` UTF-16 units, at the end of a sentence where one is near.
fn cut(text: &str, units: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, letter)| {
        used += letter.len_utf16();
        used > units
    });
    let Some((end, _)) = end else { return text };
    let kept = &text[..end];
    let search_from = kept
        .char_indices()
        .rev()
        .nth(SENTENCE_SEARCH)
        .map_or(0, |(at, _)| at);
    let sentence = kept[search_from..].rfind(['.', '!', '?', '。', '！', '？', '\n']);
    let stop = sentence.map(|at| search_from + at).map_or(end, |at| {
        at + kept[at..].chars().next().map_or(0, char::len_utf8)
    });
    kept[..stop].trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fuzz;

    fn check(text: &str, leaves: &str) {
        assert_eq!(prepare(text).as_deref(), Some(leaves));
    }

    #[test]
    fn liquid_is_broken_up_and_all_else_kept() {
        check("{{user}} {% if %} }}}}", "{ {user} } { % if % } } } } }");
        check("{a} 100% } fine", "{a} 100% } fine");
        check("{{{{", "{ { { {");
    }

    #[test]
    fn markdown_becomes_whatsapp_markup() {
        check(
            "**Hours**\n## Today\n- 9 to 5",
            "*Hours*\n*Today*\n- 9 to 5",
        );
        check(
            "See [our page](https://a.example/x).",
            "See our page: https://a.example/x.",
        );
        check(
            "[https://a.example](https://a.example)",
            "https://a.example",
        );
        check("#1 in town, array[0](x)", "#1 in town, array[0](x)");
    }

    #[test]
    fn nothing_is_never_sent() {
        assert_eq!(prepare(" \n\t "), None);
    }

    #[test]
    fn a_long_text_ends_with_a_sentence_within_the_limit() {
        let long = format!("{}. {}", "😀".repeat(2_000), "word ".repeat(500));
        let kept = prepare(&long).unwrap();
        assert!(kept.ends_with('.'), "{kept}");
        let unbroken = prepare(&"字".repeat(5_000)).unwrap();
        assert_eq!(unbroken.encode_utf16().count(), WHATSAPP_TEXT);
    }

    /// What a model writes that knows Markdown and Liquid, long and short.
    fn written() -> impl Strategy<Value = String> {
        let mark = prop::sample::select(vec![
            "{",
            "}",
            "%",
            "{{",
            "}}",
            "{%",
            "%}",
            "{%-",
            "-}}",
            "**",
            "__",
            "*",
            "_",
            "[",
            "](http://a)",
            "](",
            ")",
            "# ",
            "###### ",
            "\n",
            ". ",
            " ",
            "\u{200b}",
            "字",
            "😀",
        ]);
        let piece = prop_oneof![4 => mark.prop_map(str::to_owned), 1 => fuzz::text()];
        let some = prop::collection::vec(
            (piece, prop_oneof![9 => Just(1_usize), 1 => 1..3_000_usize]),
            0..12,
        );
        some.prop_map(|pieces| {
            pieces
                .into_iter()
                .map(|(piece, times)| piece.repeat(times))
                .collect()
        })
    }

    proptest! {
        #![proptest_config(fuzz::config())]

        #[test]
        fn nothing_that_leaves_is_liquid_or_too_long_or_empty(text in written()) {
            let Some(leaves) = prepare(&text) else {
                return Ok(());
            };
            for tag in ["{{", "}}", "{%", "%}"] {
                prop_assert!(!leaves.contains(tag), "{leaves}");
            }
            prop_assert!(leaves.encode_utf16().count() <= WHATSAPP_TEXT);
            prop_assert!(!leaves.trim().is_empty());
            prop_assert!(leaves.len() <= 2 * text.len() + 2, "it has grown");
        }

        #[test]
        fn a_short_text_without_marks_leaves_as_it_is(text in "[^\\s{}%*_\\[\\]#\\p{C}][^{}%*_\\[\\]#\\p{C}]{0,40}") {
            prop_assert_eq!(prepare(&text), Some(text.trim().to_owned()));
        }
    }
}
