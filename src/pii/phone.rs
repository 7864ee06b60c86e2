//! Phone numbers, in the forms that people write them in.

use super::{Group, Kind, before, begins, ends, groups};

/// Digits of the longest number with a country's code (E.164), and of the shortest that is one.
const LONGEST: usize = 15;
const SHORTEST_ABROAD: usize = 8;

/// Digits of a number with the leading zero of its country: without it, seven are the number of a thing.
const AT_HOME: std::ops::RangeInclusive<usize> = 9..=11;

/// What stands between the groups of a number.
const SEPARATORS: [char; 4] = [' ', '-', '.', '/'];

/// Groupings of numbers that begin with neither a plus nor a zero: North America, Spain and Portugal, Spain, Mexico, Brazil.
const GROUPINGS: [&[usize]; 5] = [
    &[3, 3, 4],
    &[3, 3, 3],
    &[3, 2, 2, 2],
    &[2, 4, 4],
    &[2, 5, 4],
];

/// Tells whether a phone number begins here.
pub(super) fn at(letters: &[char], from: usize) -> Option<(Kind, usize)> {
    if !begins(letters, from) || is_continued(letters, from) {
        return None;
    }
    let end = match letters[from] {
        '+' => abroad(letters, from + 1, 0),
        '(' => bracketed(letters, from),
        '0' if letters.get(from + 1) == Some(&'0') => abroad(letters, from, 2),
        '0' => at_home(letters, from),
        _ => grouped(letters, from),
    }?;
    ends(letters, end).then_some((Kind::Phone, end))
}

/// Tells whether what begins here goes on from digits before it, or from a sign that was looked at.
fn is_continued(letters: &[char], from: usize) -> bool {
    match before(letters, from) {
        Some('+' | '(') => true,
        _ if letters[from] == '+' => false,
        Some(letter) if SEPARATORS.contains(&letter) || matches!(letter, ',' | ':') => {
            from >= 2 && letters[from - 2].is_ascii_digit()
        }
        _ => false,
    }
}

/// A number with its country's code: so many digits more than those that say that it comes. The zero of home may stand in
/// brackets: `+49 (0)30`.
fn abroad(letters: &[char], from: usize, said: usize) -> Option<usize> {
    let (digits, end) = loose(letters, from, LONGEST + said)?;
    let is_one = (SHORTEST_ABROAD..=LONGEST).contains(&digits.saturating_sub(said));
    is_one.then_some(end)
}

/// Counts the digits from a place on, as far as one blank or dash, one bracket, or both hold them together.
fn loose(letters: &[char], from: usize, max: usize) -> Option<(usize, usize)> {
    let (mut digits, mut end) = (0, from);
    let (mut blanks, mut brackets) = (0, 0);
    for (at, letter) in letters.iter().enumerate().skip(from) {
        match letter {
            letter if letter.is_ascii_digit() => {
                (blanks, brackets) = (0, 0);
                digits += 1;
                end = at + 1;
            }
            '(' | ')' => brackets += 1,
            letter if SEPARATORS.contains(letter) => blanks += 1,
            _ => break,
        }
        if blanks > 1 || brackets > 1 || digits == max {
            break;
        }
    }
    (digits > 0).then_some((digits, end))
}

/// A number whose area stands in brackets: `(555) 123-4567`, `(030) 123 456`.
fn bracketed(letters: &[char], from: usize) -> Option<usize> {
    let area = digits(letters, from + 1);
    if !(2..=5).contains(&area) || letters.get(from + 1 + area) != Some(&')') {
        return None;
    }
    let rest = from + area + 2;
    let rest = rest + usize::from(letters.get(rest) == Some(&' '));
    let groups = groups(letters, rest, LONGEST, &SEPARATORS);
    let sum: usize = groups.iter().map(|group| group.digits).sum();
    (8..=11)
        .contains(&(area + sum))
        .then_some(groups.last()?.range.end)
}

/// A number with the leading zero of its country, in groups or without.
fn at_home(letters: &[char], from: usize) -> Option<usize> {
    let groups = groups(letters, from, LONGEST, &SEPARATORS);
    let sum: usize = groups.iter().map(|group| group.digits).sum();
    (AT_HOME.contains(&sum) && !is_date(&groups)).then_some(groups.last()?.range.end)
}

/// A number in one of the groupings, of which no other group follows.
fn grouped(letters: &[char], from: usize) -> Option<usize> {
    let groups = groups(letters, from, LONGEST, &SEPARATORS);
    let sizes: Vec<usize> = groups.iter().map(|group| group.digits).collect();
    let is_one = GROUPINGS.contains(&&sizes[..]) && matches!(letters[from], '1'..='9');
    is_one.then_some(groups.last()?.range.end)
}

/// Tells whether these begin like a date: day, month, year.
fn is_date(groups: &[Group]) -> bool {
    let sizes: Vec<usize> = groups.iter().map(|group| group.digits).collect();
    matches!(sizes[..], [1 | 2, 1 | 2, 4, ..])
}

fn digits(letters: &[char], from: usize) -> usize {
    let rest = letters.get(from..).unwrap_or_default();
    rest.iter()
        .take_while(|letter| letter.is_ascii_digit())
        .count()
}
