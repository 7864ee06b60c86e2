//! Whether a customer asks the same again.

use std::collections::HashMap;

use super::fold::Folded;

/// The fewest words of a question that can be asked again: "hello" twice is no trouble.
const WORDS_MIN: usize = 3;

/// The fewest characters of scripts without spaces, where each is a word here.
const CHARACTERS_MIN: usize = 5;

/// How much of two texts is the same, in percent of both together, for them to ask the same. With 75, two words of eight
/// may be others.
const SAME_PERCENT: usize = 75;

/// Tells whether two messages ask nearly the same, by their words: order, case and punctuation make no difference. With other
/// numbers it is about another thing.
pub fn asks_again(one: &str, other: &str) -> bool {
    let (one, other) = (Folded::message(one), Folded::message(other));
    let (ours, theirs): (Vec<_>, Vec<_>) = (one.words().collect(), other.words().collect());
    if !is_enough(&ours) || !is_enough(&theirs) || numbers(&ours) != numbers(&theirs) {
        return false;
    }
    let mut left: HashMap<&str, usize> = HashMap::new();
    for word in &ours {
        *left.entry(word).or_default() += 1;
    }
    let is_shared = |word: &&&str| match left.get_mut(**word) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    };
    let shared = theirs.iter().filter(is_shared).count();
    shared * 2 * 100 >= SAME_PERCENT * (ours.len() + theirs.len())
}

/// Gives the words that hold a digit, in order of the alphabet.
fn numbers<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let is_number = |word: &&&str| word.chars().any(char::is_numeric);
    let mut numbers: Vec<_> = words.iter().filter(is_number).copied().collect();
    numbers.sort_unstable();
    numbers
}

fn is_enough(words: &[&str]) -> bool {
    let is_spaceless = |word: &&str| word.chars().all(super::fold::is_spaceless);
    let least = match words.iter().all(is_spaceless) {
        true => CHARACTERS_MIN,
        false => WORDS_MIN,
    };
    words.len() >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_question_in_nearly_the_same_words_is_asked_again() {
        for (one, other) in [
            ("Where is my parcel?", "where is my parcel???"),
            ("Where is my parcel?", "Where is my parcel now"),
            (
                "When does my parcel arrive",
                "WHEN does my damn parcel arrive!!",
            ),
            ("¿Dónde está mi pedido?", "donde esta mi pedido"),
            ("荷物はいつ届きますか", "荷物はいつ届きますか？？"),
        ] {
            assert!(asks_again(one, other), "{one} / {other}");
        }
        for (one, other) in [
            ("hello", "hello"),
            ("ok thanks", "ok thanks"),
            ("12345", "12345"),
            ("Where is my parcel?", "Where is your shop?"),
            ("Can I pay by card?", "Can I pay by cheque and in parts?"),
            ("My order number is 4711", "My order number is 4712"),
            ("はい", "はい"),
            ("", ""),
        ] {
            assert!(!asks_again(one, other), "{one} / {other}");
        }
    }
}
