//! Finds personal data in texts: card numbers, bank accounts, e-mail addresses, phone numbers. Pure: a text in, places out.
//!
//! Two parts use it. What goes to a hosted model can have such data masked and put back (`models.NAME.mask`); what leaves
//! for a customer can have numbers of cards and accounts taken out, for which [`find_payment`] is enough.
//!
//! Numbers are taken for what they are only where a check says so: Luhn's sum and a card's own lengths, the check digits
//! and length of an account's country. Phone numbers have no check, so they need a form that people write them in; the
//! number of an order or of a parcel is left as it is. Digits and signs of full width count as the narrow ones.

mod card;
mod email;
mod iban;
mod phone;

use std::ops::Range;

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The number of a payment card.
    Card,
    /// The number of a bank account, as an IBAN.
    Iban,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 4] = [Self::Card, Self::Iban, Self::Email, Self::Phone];

    /// Gives its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Iban => "iban",
            Self::Email => "email",
            Self::Phone => "phone",
        }
    }
}

/// Something personal in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub range: Range<usize>,
}

/// Finds everything personal, in order; nothing overlaps.
pub fn find(text: &str) -> Vec<Found> {
    search(text, &[email::at, iban::at, card::at, phone::at])
}

/// Finds the numbers of cards and accounts alone, in order; nothing overlaps.
pub fn find_payment(text: &str) -> Vec<Found> {
    search(text, &[iban::at, card::at])
}

/// Tells what begins at a place, and where it ends.
type Finder = fn(&[char], usize) -> Option<(Kind, usize)>;

/// What each finder finds first is taken; the finders stand in the order in which they are believed.
fn search(text: &str, finders: &[Finder]) -> Vec<Found> {
    // Nothing personal is without a digit or an `@`.
    let may_be = |letter: char| matches!(letter, '0'..='9' | '@');
    let glyphs: Vec<(usize, char)> = text
        .char_indices()
        .map(|(at, letter)| (at, narrow(letter)))
        .collect();
    if !glyphs.iter().any(|(_, letter)| may_be(*letter)) {
        return Vec::new();
    }
    let letters: Vec<char> = glyphs.iter().map(|(_, letter)| *letter).collect();
    let byte = |index: usize| glyphs.get(index).map_or(text.len(), |(at, _)| *at);
    let mut taken: Vec<(Range<usize>, Kind)> = Vec::new();
    for finder in finders {
        let mut from = 0;
        while from < letters.len() {
            let found = finder(&letters, from);
            let is_free = |end: usize| {
                let overlaps =
                    |(other, _): &(Range<usize>, Kind)| other.start < end && from < other.end;
                !taken.iter().any(overlaps)
            };
            match found {
                Some((kind, end)) if is_free(end) => {
                    taken.push((from..end, kind));
                    from = end;
                }
                _ => from += 1,
            }
        }
    }
    taken.sort_by_key(|(range, _)| range.start);
    let found = taken.into_iter().map(|(range, kind)| Found {
        kind,
        range: byte(range.start)..byte(range.end),
    });
    found.collect()
}

/// Gives the narrow form of a letter, digit or sign of full width, `-` for every dash and a space for every blank.
fn narrow(letter: char) -> char {
    /// How far the forms of full width stand from ASCII.
    const FULL_WIDTH: u32 = 0xfee0;
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - FULL_WIDTH).unwrap_or(letter),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' | '\t' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        _ => letter,
    }
}

/// Tells whether a number can begin at a place: nothing of a word or of a longer number stands before it.
fn begins(letters: &[char], at: usize) -> bool {
    before(letters, at).is_none_or(|letter| !is_wordy(letter))
}

/// Tells whether a number can end before a place.
fn ends(letters: &[char], at: usize) -> bool {
    letters.get(at).is_none_or(|letter| !is_wordy(*letter))
}

fn before(letters: &[char], at: usize) -> Option<char> {
    letters.get(at.checked_sub(1)?).copied()
}

/// Tells whether a letter joins a number that it stands beside. Scripts without spaces do not.
fn is_wordy(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || is_latin(letter)
}

/// Tells whether it is a letter of Europe's languages outside ASCII.
fn is_latin(letter: char) -> bool {
    matches!(letter, '\u{c0}'..='\u{24f}') && letter.is_alphabetic()
}

/// Digits that stand together, and where they begin and end.
struct Group {
    range: Range<usize>,
    digits: usize,
}

/// Gives the groups of digits from a place on, up to `max` digits and with at most one of `separators` between two.
fn groups(letters: &[char], from: usize, max: usize, separators: &[char]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut at, mut sum) = (from, 0);
    while sum < max {
        let digits = letters[at..]
            .iter()
            .take_while(|letter| letter.is_ascii_digit());
        let digits = digits.count();
        if digits == 0 {
            break;
        }
        groups.push(Group {
            range: at..at + digits,
            digits,
        });
        sum += digits;
        at += digits;
        match letters.get(at) {
            Some(letter) if separators.contains(letter) && at + 1 < letters.len() => at += 1,
            _ => break,
        }
    }
    groups
}

#[cfg(test)]
mod tests;
