//! The numbers of payment cards.

use super::{Group, Kind, before, begins, ends, groups};

/// Digits of the shortest and of the longest card.
const SHORTEST: usize = 13;
const LONGEST: usize = 19;

/// What stands between the groups of a number.
const SEPARATORS: [char; 3] = [' ', '-', '.'];

/// Tells whether a card's number begins here, alone or in groups: as long as its sum allows.
pub(super) fn at(letters: &[char], from: usize) -> Option<(Kind, usize)> {
    let is_phone = before(letters, from) == Some('+');
    if !begins(letters, from) || is_phone || is_fraction(letters, from) {
        return None;
    }
    let groups = groups(letters, from, LONGEST, &SEPARATORS);
    let mut digits = String::new();
    let mut end = None;
    for Group { range, .. } in groups {
        digits.extend(&letters[range.clone()]);
        if ends(letters, range.end) && is_card(&digits) {
            end = Some(range.end);
        }
    }
    Some((Kind::Card, end?))
}

/// Tells whether what begins here is what follows the point of a number.
fn is_fraction(letters: &[char], from: usize) -> bool {
    let is_point = matches!(before(letters, from), Some('.' | ','));
    is_point && from >= 2 && letters[from - 2].is_ascii_digit()
}

/// Tells whether these digits are a card's: a known beginning, a length that goes with it, and Luhn's sum.
fn is_card(digits: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&digits.len()) && is_issued(digits) && luhn(digits)
}

/// Tells whether a network issues cards with such a beginning and length.
fn is_issued(digits: &str) -> bool {
    let beginning = |size: usize| {
        digits
            .get(..size)
            .and_then(|digits| digits.parse::<u32>().ok())
    };
    let (Some(two), Some(four)) = (beginning(2), beginning(4)) else {
        return false;
    };
    let length = digits.len();
    match (two, four) {
        // Visa.
        (40..=49, _) => matches!(length, 13 | 16 | 19),
        // Mastercard, Mir beside it, JCB.
        (35 | 51..=55, _) | (_, 2200..=2204 | 2221..=2720) => matches!(length, 16..=19),
        // American Express.
        (34 | 37, _) => length == 15,
        // Diners Club.
        (30 | 36 | 38 | 39, _) => matches!(length, 14..=19),
        // Maestro, Discover, UnionPay, RuPay, Elo, Hipercard.
        (50 | 56..=69 | 81, _) => true,
        _ => false,
    }
}

/// Tells whether the digits add up: from the right every second one counts double, by its own digits.
fn luhn(digits: &str) -> bool {
    let values = digits
        .bytes()
        .rev()
        .map(|digit| u32::from(digit.wrapping_sub(b'0')));
    let sum: u32 = values
        .enumerate()
        .map(|(place, value)| match place % 2 {
            0 => value,
            _ => value * 2 / 10 + value * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}
