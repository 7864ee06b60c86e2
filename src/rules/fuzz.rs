//! Messages and phrases that no person writes, and a second machine to compare with, slow and simple.

use std::collections::BTreeSet;

use caseless::Caseless;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::fold::{fold, is_spaceless};
use super::pattern::{Node, Word};
use super::*;
use crate::fuzz;

/// The most characters that one folds to: what writes "sallallahou alayhe wasallam" as one sign.
const FOLDS_TO: usize = 18;

/// Signs with much to fold: marks that join and do not, signs that other signs stand for, quotation marks.
const SIGNS: [&str; 3] = [
    "eEiIosßéüñİıŉǆſﬃΣςかガﾊﾞﾟ한각कि\u{301}\u{308}\u{323}\u{327}\u{345}\u{3099}\u{309a}\u{b4}",
    "\u{1ffd}\u{1fef}\u{37e}\u{2126}\u{212b}\u{fb2c}\u{f900}\u{2019}'`\"“”«»「」  .,\u{200d}",
    "\u{ad}\u{34f}人１Ａ🎉\u{1d15e}\u{fdfa}",
];

/// Texts of them, of anything, and with quotation.
fn text() -> impl Strategy<Value = String> {
    let signs = SIGNS.concat().chars().collect::<Vec<_>>();
    let sign = prop::sample::select(signs);
    let signs = prop::collection::vec(sign, 0..24).prop_map(String::from_iter);
    let quoted = ("[a-zé\u{301} ]{0,9}", "[a-zé\u{301} ]{9,24}")
        .prop_map(|(a, b)| format!("{a}\"{b}\" {a}"));
    prop_oneof![4 => signs, 1 => fuzz::text(), 1 => quoted]
}

fn tokens(folded: &Folded) -> Vec<Option<String>> {
    folded
        .tokens()
        .map(|token| token.map(str::to_owned))
        .collect()
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn folding_is_done_after_once_and_does_not_grow(text in text()) {
        let once = fold(&text);
        prop_assert_eq!(fold(&once), once.as_str());
        prop_assert!(once.chars().count() <= FOLDS_TO * text.chars().count(), "{once}");
        // Nothing is left that writers do not agree on.
        prop_assert!(once.nfkc().eq(once.chars()), "{once:?} is not composed");
        prop_assert!(once.chars().default_case_fold().eq(once.chars()), "{once:?} has two cases");
        let voices = |c: &char| matches!(c, '\u{3099}' | '\u{309a}');
        let hidden = |c: char| is_combining_mark(c) && !voices(&c) || "\u{200d}\u{ad}\u{feff}\u{202e}".contains(c);
        prop_assert!(!once.contains(hidden), "{once:?}");
    }

    #[test]
    fn it_does_not_matter_how_a_sign_is_composed(text in text()) {
        let composed: String = text.nfc().collect();
        let taken_apart: String = text.nfd().collect();
        prop_assert_eq!(tokens(&Folded::message(&composed)), tokens(&Folded::message(&taken_apart)));
        prop_assert_eq!(tokens(&Folded::message(&composed)), tokens(&Folded::message(&text)));
    }

    #[test]
    fn tokens_are_words_and_single_breaks(text in text(), times in prop_oneof![9 => Just(1_usize), 1 => Just(400_usize)]) {
        let text = text.repeat(times);
        let message = Folded::message(&text);
        let tokens = tokens(&message);
        prop_assert!(tokens.len() <= FOLDS_TO * text.chars().count().min(TEXT_CAP));
        prop_assert!(tokens.windows(2).all(|pair| pair.iter().any(Option::is_some)), "two breaks in a row");
        for word in tokens.into_iter().flatten() {
            prop_assert!(!word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || is_spaceless(c)), "{word:?}");
            prop_assert_eq!(fold(&word), word);
        }
    }
}

/// A part of a phrase over three words.
fn node() -> impl Strategy<Value = Node> {
    let word = prop::sample::select(vec!["a", "b", "c"]);
    let leaf = prop_oneof![
        6 => word.prop_map(|text| Node::Word(Word { text: text.into(), slips: false })),
        1 => Just(Node::Break),
        1 => Just(Node::Any),
        1 => Just(Node::Maybe(Box::new(Node::Gap))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::All),
            2 => prop::collection::vec(inner.clone(), 1..4).prop_map(Node::OneOf),
            1 => inner.prop_map(|inner| Node::Maybe(Box::new(inner))),
        ]
    })
}

/// Gives every way to say a phrase, as the parts that have to be met one after the other.
fn ways(node: &Node) -> Vec<Vec<&Node>> {
    match node {
        Node::Maybe(inner) => ways(inner).into_iter().chain([Vec::new()]).collect(),
        Node::OneOf(choices) => choices.iter().flat_map(ways).collect(),
        Node::All(parts) => parts.iter().fold(vec![Vec::new()], |begun, part| {
            let next = ways(part);
            let mut all = Vec::new();
            for before in begun {
                all.extend(next.iter().map(|after| [before.as_slice(), after].concat()));
            }
            all
        }),
        leaf => vec![vec![leaf]],
    }
}

fn meets(part: &Node, token: Option<&str>) -> bool {
    match (part, token) {
        (Node::Word(word), Some(token)) => &*word.text == token,
        (Node::Break, None) | (Node::Any | Node::Gap, Some(_)) => true,
        _ => false,
    }
}

/// Gives where a way ends that begins at `at`; stretches are stepped over between its parts.
fn ends(
    way: &[&Node],
    tokens: &[Option<&str>],
    skips: &Skips,
    at: usize,
    begun: bool,
) -> BTreeSet<usize> {
    let Some((part, rest)) = way.split_first() else {
        return BTreeSet::from([at]);
    };
    let mut all = BTreeSet::new();
    if begun {
        for end in skips.get(at).into_iter().flatten() {
            all.extend(ends(way, tokens, skips, *end, true));
        }
    }
    if tokens.get(at).is_some_and(|token| meets(part, *token)) {
        all.extend(ends(rest, tokens, skips, at + 1, true));
    }
    all
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn the_machine_finds_what_trying_everything_finds(
        phrases in prop::collection::vec(node(), 1..4),
        message in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "x", "."]), 0..9),
        skipped in prop::collection::vec((0..9_usize, 1..4_usize), 0..4),
    ) {
        let message = Folded::all(&message.join(" "));
        let tokens: Vec<_> = message.tokens().collect();
        let mut skips: Skips = vec![Vec::new(); tokens.len()];
        for (start, length) in skipped {
            if start + length <= tokens.len() {
                skips[start].push(start + length);
            }
        }
        let mut machine = Automaton::default();
        let mut expected = BTreeSet::new();
        for phrase in &phrases {
            let ways = ways(phrase);
            let Ok(number) = machine.add(phrase) else {
                // Refused is what may be nothing, begins with any word, or begins or ends with a gap.
                let odd = |way: &Vec<&Node>| match (way.first(), way.last()) {
                    (Some(first), Some(last)) => matches!(first, Node::Any | Node::Gap) || matches!(last, Node::Gap),
                    _ => true,
                };
                prop_assert!(ways.iter().any(odd), "{phrase:?}");
                return Ok(());
            };
            for (way, start) in ways.iter().flat_map(|way| (0..tokens.len()).map(move |start| (way, start))) {
                expected.extend(ends(way, &tokens, &skips, start, false).into_iter().map(|end| (number, start, end)));
            }
        }
        let found = machine.matches(&message, &skips).into_iter();
        let found: BTreeSet<_> = found.map(|found| (found.phrase, found.start, found.end)).collect();
        prop_assert_eq!(found, expected);
    }
}

/// Phrases as people write them, and as nobody does.
fn phrase() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a", "b", "help", "agent~", "(", ")", "[", "]", "|", "<person>", "<", ">", "...", "…", ".",
        ",", "*", "~", "^", "$", "=", "!", " ", "人", "möchte", "l'ami", "e\u{301}",
    ]);
    let parts = prop::collection::vec(part, 0..12).prop_map(|parts| parts.join(""));
    let deep = (
        1..260_usize,
        prop::sample::select(vec![("(", ")"), ("[", "]"), ("[a|", "]")]),
    )
        .prop_map(|(depth, (open, close))| open.repeat(depth) + "a" + &close.repeat(depth));
    prop_oneof![6 => parts, 2 => "[a-z]{1,4}( [a-z]{1,4}){0,3}", 2 => fuzz::text(), 1 => deep]
}

/// Writes phrases into a file, as TOML quotes them.
fn file(phrases: &[String], except: &[String], members: &[String]) -> String {
    let list = |phrases: &[String]| toml::Value::from(phrases.to_vec()).to_string();
    format!(
        "[vocabulary.en]\nperson = [\"human\"]\nthing = {}\n[[rule]]\nname = \"r\"\naction = \"escalate\"\n\
         phrases.en = {}\nexcept.en = {}\n",
        list(members),
        list(phrases),
        list(except)
    )
}

/// Checks what was read, or why nothing was: each problem points at a place in the file.
fn check(source: &str, messages: &[String]) -> Result<(), TestCaseError> {
    match Rules::parse(source) {
        Ok(rules) => {
            for message in messages {
                detect(message);
                let composed: String = message.nfc().collect();
                let apart: String = message.nfd().collect();
                prop_assert_eq!(rules.screen(&composed), rules.screen(&apart));
            }
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(!problem.message.is_empty());
                if let Some(span) = problem.span {
                    prop_assert!(
                        source.get(span.clone()).is_some(),
                        "{span:?} is no place in the file"
                    );
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(fuzz::config())]

    #[test]
    fn any_phrase_is_a_rule_or_a_problem_with_a_place(
        phrases in prop::collection::vec(phrase(), 0..4), except in prop::collection::vec(phrase(), 0..2),
        members in prop::collection::vec(phrase(), 1..3), messages in prop::collection::vec(text(), 2),
    ) {
        check(&file(&phrases, &except, &members), &messages)?;
    }

    #[test]
    fn any_file_is_rules_or_problems(
        source in prop_oneof![
            fuzz::text(),
            fuzz::spoilt(Just(file(&["help <person>".to_owned()], &["no <person>".to_owned()], &["it".to_owned()]).into_bytes()))
                .prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        ],
        message in text(),
    ) {
        check(&source, &["help human".to_owned(), message])?;
    }

    #[test]
    fn a_phrase_of_plain_words_is_found_where_it_stands(
        words in prop::collection::vec("[a-zéüß]{2,7}", 1..5), before in "[0-9 ]{0,9}", after in "[0-9 ]{0,9}",
        apart: bool, loud: bool,
    ) {
        let phrase = words.join(" ");
        let rules = Rules::parse(&file(std::slice::from_ref(&phrase), &[], &["it".to_owned()])).unwrap();
        let said = format!("{before} {phrase} {after}");
        let said = if apart { said.nfd().collect() } else { said };
        let said = if loud { said.to_uppercase() } else { said };
        prop_assert_eq!(rules.screen(&said).map(|hit| hit.phrase), Some(phrase.as_str()));
        prop_assert_eq!(rules.screen(&format!("{before} {after}")), None);
    }
}
