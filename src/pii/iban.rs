//! The numbers of bank accounts, as IBANs.

use super::{Kind, begins, ends};

/// Countries and the length of their accounts' numbers, as in SWIFT's registry.
const LENGTHS: [(&str, usize); 87] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("XK", 20),
];

/// Tells whether an account's number begins here, alone or in groups.
pub(super) fn at(letters: &[char], from: usize) -> Option<(Kind, usize)> {
    if !begins(letters, from) || !letters[from].is_ascii_alphabetic() {
        return None;
    }
    let country: String = letters.iter().skip(from).take(2).collect();
    let country = country.to_ascii_uppercase();
    let known = LENGTHS.iter().find(|(code, _)| *code == country);
    let (_, length) = known?;
    let (number, end) = number(letters, from, *length)?;
    (ends(letters, end) && is_right(&number)).then_some((Kind::Iban, end))
}

/// Gives so many letters and digits from a place on, and where they end; one blank, dash or point may stand between two.
fn number(letters: &[char], from: usize, length: usize) -> Option<(String, usize)> {
    let mut number = String::with_capacity(length);
    let mut at = from;
    while number.len() < length {
        let letter = letters.get(at)?;
        let is_between = matches!(letter, ' ' | '-' | '.');
        match letter {
            letter if letter.is_ascii_alphanumeric() => number.push(letter.to_ascii_uppercase()),
            _ if is_between && letters.get(at + 1)?.is_ascii_alphanumeric() => {}
            _ => return None,
        }
        at += 1;
    }
    Some((number, at))
}

/// Tells whether the check digits are right: the number, its first four behind, leaves 1 when it is divided by 97.
fn is_right(number: &str) -> bool {
    let (head, tail) = number.split_at(4);
    let has_check = head.bytes().skip(2).all(|digit| digit.is_ascii_digit());
    let rest = tail
        .chars()
        .chain(head.chars())
        .try_fold(0, |rest: u32, letter| {
            let value = letter.to_digit(36)?;
            let shift = if value < 10 { 10 } else { 100 };
            Some((rest * shift + value) % 97)
        });
    has_check && rest == Some(1)
}
