//! What a model must not repeat: a canary that stands in its instructions, and long stretches of these.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// Letters of a canary: nobody writes that many in this order by chance.
const CANARY_LETTERS: usize = 16;

/// Words running that count as a repetition; a character of a script without spaces is half a word. A sentence has
/// fifteen; who quotes a fact from his instructions seldom quotes more.
const OVERLAP_WORDS: usize = 16;

/// What a word weighs, where such a character weighs one.
const WORD: usize = 2;

/// Letters that nobody but the model has seen: where they come up, its instructions did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary(String);

impl Canary {
    /// Makes a new one.
    pub fn new() -> Self {
        let digest = Sha256::digest(Uuid::now_v7().as_bytes());
        let letters = digest.iter().take(CANARY_LETTERS);
        Self(letters.map(|byte| char::from(b'a' + byte % 26)).collect())
    }

    /// Gives the letters.
    pub fn letters(&self) -> &str {
        &self.0
    }

    /// Tells whether a text has it: spaced, in capitals, backwards, shifted along the alphabet, as hexadecimal or base64.
    pub fn is_in(&self, text: &str) -> bool {
        let plain: String = text.nfkc().flat_map(char::to_lowercase).collect();
        let letters: Vec<u8> = plain.bytes().filter(u8::is_ascii_lowercase).collect();
        let canary = self.0.as_bytes();
        let backwards: Vec<u8> = canary.iter().rev().copied().collect();
        let is_said = letters
            .windows(canary.len())
            .any(|said| is_shifted(said, canary) || is_shifted(said, &backwards));
        let is_hex = || {
            let hex: String = plain.chars().filter(char::is_ascii_hexdigit).collect();
            let wanted = self.in_hex();
            hex.contains(&wanted)
        };
        is_said || is_hex() || self.is_in_base64(text)
    }

    fn in_hex(&self) -> String {
        let digit = |four: u8| char::from_digit(u32::from(four), 16).unwrap_or_default();
        let bytes = self.0.bytes();
        bytes
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }

    fn is_in_base64(&self, text: &str) -> bool {
        let text: String = text
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "+/-_".contains(*c))
            .collect();
        // Where it stands in groups of three bytes decides on how it looks.
        (0..3).any(|before| {
            let padded = [&vec![0; before], self.0.as_bytes()].concat();
            let whole = &padded[before.div_ceil(3) * 3..padded.len() / 3 * 3];
            text.contains(&STANDARD_NO_PAD.encode(whole))
        })
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells whether two words are the same but for a shift along the alphabet.
fn is_shifted(said: &[u8], canary: &[u8]) -> bool {
    let shift = |place: usize| (26 + said[place] - canary[place]) % 26;
    (1..canary.len()).all(|place| shift(place) == shift(0))
}

/// Stretches of text that are not to be repeated.
#[derive(Clone, Debug, Default)]
pub struct Instructions(HashSet<u64>);

impl Instructions {
    /// Takes the instructions' own words, in pieces; what also stands in `open` may be said.
    pub fn new<'a>(
        own: impl Iterator<Item = &'a str>,
        open: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut stretches: HashSet<u64> = own.flat_map(stretches).collect();
        for stretch in open.flat_map(self::stretches) {
            stretches.remove(&stretch);
        }
        Self(stretches)
    }

    /// Tells whether a text repeats a long stretch.
    pub fn are_in(&self, text: &str) -> bool {
        !self.0.is_empty()
            && stretches(text)
                .iter()
                .any(|stretch| self.0.contains(stretch))
    }
}

/// Gives every stretch of a text that is just long enough, as a number.
fn stretches(text: &str) -> Vec<u64> {
    let words = words(text);
    let mut found = Vec::new();
    for start in 0..words.len() {
        let mut weight = 0;
        let mut hasher = DefaultHasher::new();
        for (word, of) in &words[start..] {
            word.hash(&mut hasher);
            weight += of;
            if weight >= OVERLAP_WORDS * WORD {
                found.push(hasher.finish());
                break;
            }
        }
    }
    found
}

/// Gives the words of a text in small letters, each with its weight.
fn words(text: &str) -> Vec<(String, usize)> {
    let mut words: Vec<(String, usize)> = Vec::new();
    let mut word = String::new();
    for letter in text.nfkc().flat_map(char::to_lowercase) {
        let is_whole = super::links::is_east_asian(letter);
        if letter.is_alphanumeric() && !is_whole {
            word.push(letter);
            continue;
        }
        // An apostrophe or a hidden letter parts no word.
        if matches!(letter, '\'' | '’' | '\u{200b}'..='\u{200d}' | '\u{ad}') {
            continue;
        }
        if !word.is_empty() {
            words.push((std::mem::take(&mut word), WORD));
        }
        if is_whole {
            words.push((letter.to_string(), 1));
        }
    }
    if !word.is_empty() {
        words.push((word, WORD));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(canary: &Canary, how: &dyn Fn(&str) -> String) -> bool {
        canary.is_in(&format!("As you wish: {} and more", how(canary.letters())))
    }

    #[test]
    fn a_canary_is_known_however_it_is_written() {
        let canary = Canary::new();
        assert_ne!(canary, Canary::new());
        let rot = |by: u8| {
            move |text: &str| {
                text.bytes()
                    .map(|b| char::from(b'a' + (b - b'a' + by) % 26))
                    .collect()
            }
        };
        let spaced = |text: &str| text.chars().flat_map(|c| [c, ' ', '-']).collect();
        let ways: [&dyn Fn(&str) -> String; 9] = [
            &str::to_owned,
            &str::to_uppercase,
            &spaced,
            &|text| text.chars().rev().collect(),
            &rot(3),
            &rot(13),
            &|text| Canary(text.to_owned()).in_hex(),
            &|text| STANDARD_NO_PAD.encode(format!("Reference: {text}. Then")),
            &|text| STANDARD_NO_PAD.encode(format!("12{text}")),
        ];
        for (place, way) in ways.iter().enumerate() {
            assert!(encoded(&canary, way), "{place}: {canary:?}");
        }
        assert!(
            !canary
                .is_in("Nothing of the kind. We are open from 9 to 17. abcdefghijklmnopqrstuvwxyz")
        );
        assert!(!encoded(&canary, &|text| text[..12].to_owned()));
    }

    const OWN: &str = "You are software, not a person; if somebody sincerely asks, say so plainly and offer that a colleague takes over.";

    #[test]
    fn a_long_stretch_is_known_and_a_short_one_is_not() {
        let own = Instructions::new([OWN].into_iter(), [].into_iter());
        assert!(own.are_in(OWN));
        assert!(own.are_in(&OWN.to_uppercase().replace(' ', " \n* ")));
        assert!(own.are_in(&format!("Sure! {} and so on", &OWN[8..])));
        assert!(!own.are_in(
            "If somebody sincerely asks, say so plainly and offer that a colleague takes over."
        ));
        assert!(!own.are_in(""));
        let open = Instructions::new([OWN].into_iter(), [OWN].into_iter());
        assert!(!open.are_in(OWN), "what may be said anyway");
        let japanese = "お客様がご自身の言葉で担当者をお求めになった場合は、すぐに担当者へお取り次ぎください。";
        let own = Instructions::new([japanese].into_iter(), [].into_iter());
        assert!(own.are_in(japanese));
        assert!(!own.are_in("担当者をお求めになった場合は、"));
    }
}
