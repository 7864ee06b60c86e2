//! What a text is like, without the text: enough to see that two are nearly the same.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Words that a shape holds; what two long texts begin with tells enough.
const WORDS_MAX: usize = 64;

/// Two texts are nearly the same where of ten of their words at least eight stand in both.
const SAME: (usize, usize) = (8, 10);

/// Words below which a text is short: people say "hello?" again and again, and machines seldom.
const SHORT: usize = 4;

/// The words of a text as numbers, in no order. Numbers in it are left out: machines count their tickets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape(BTreeSet<u64>);

impl Shape {
    /// Takes the shape of texts together.
    pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut words = BTreeSet::new();
        for text in texts {
            for word in text.split(|letter: char| !letter.is_alphanumeric()) {
                if words.len() >= WORDS_MAX {
                    break;
                }
                add(&mut words, word);
            }
        }
        Self(words)
    }

    /// Tells whether another text is nearly the same. One without words is like no other.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let (least, of) = SAME;
        let both = self.0.intersection(&other.0).count();
        let either = self.0.union(&other.0).count();
        either > 0 && both * of >= either * least
    }

    /// Tells whether the text has few words.
    pub(super) fn is_short(&self) -> bool {
        self.0.len() < SHORT
    }
}

/// Adds a word. In scripts without spaces between words each letter counts as one.
fn add(words: &mut BTreeSet<u64>, word: &str) {
    if word.is_empty() || word.chars().any(char::is_numeric) {
        return;
    }
    let is_spaced = |letter: char| u32::from(letter) < 0x2e80;
    match word.chars().all(is_spaced) {
        true => drop(words.insert(number(&word.to_lowercase()))),
        false => words.extend(word.chars().map(|letter| number(&letter.to_string()))),
    }
}

fn number(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn shape(text: &str) -> Shape {
        Shape::of([text].into_iter())
    }

    #[rstest]
    #[case::the_same("Where is my parcel?", "where is my PARCEL", true)]
    #[case::counted(
        "Ticket 4711 was opened for your request.",
        "Ticket 4712 was opened for your request.",
        true
    )]
    #[case::one_word_of_many(
        "Thank you for your message, we will get back to you on Monday",
        "Thank you for your message, we will get back to you on Tuesday",
        true
    )]
    #[case::another("Where is my parcel?", "Where is my invoice?", false)]
    #[case::japanese(
        "お問い合わせありがとうございます",
        "お問い合わせありがとうございます。",
        true
    )]
    #[case::other_japanese("荷物はどこですか", "返品したいです", false)]
    #[case::numbers_alone("4711", "4712", false)]
    #[case::nothing("", "", false)]
    fn what_is_nearly_the_same(#[case] one: &str, #[case] other: &str, #[case] is_like: bool) {
        assert_eq!(shape(one).is_like(&shape(other)), is_like);
        assert_eq!(shape(other).is_like(&shape(one)), is_like);
    }

    #[test]
    fn few_words_are_short_and_a_long_text_holds_no_more_than_it_may() {
        assert!(shape("hello? hello?").is_short() && shape("are you there").is_short());
        assert!(!shape("are you still there").is_short());
        let words: Vec<_> = (0..5_000).map(|n| "x".repeat(n % 90 + 1)).collect();
        let long = words.join(" ");
        assert!(shape(&long).0.len() <= WORDS_MAX);
    }
}
