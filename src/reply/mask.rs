//! Numbers of cards and accounts: nobody needs to read his own in a chat.

use crate::pii::{self, Kind};

/// What stands for what is not shown.
const HIDDEN: &str = "••••";

/// Digits and letters at the end that are shown, so that a customer knows which one is meant.
const SHOWN: usize = 4;

/// Masks the numbers of cards and accounts that `is_open` does not know. Gives the text and whether something was masked.
pub fn masked(text: &str, is_open: &dyn Fn(&str) -> bool) -> (String, bool) {
    let mut masked = text.to_owned();
    let mut is_changed = false;
    for found in pii::find_payment(text).into_iter().rev() {
        let number = bare(&text[found.range.clone()]);
        if is_open(&number) {
            continue;
        }
        let end: String = number
            .chars()
            .skip(number.chars().count().saturating_sub(SHOWN))
            .collect();
        let sign = match found.kind {
            Kind::Iban => number.chars().take(2).collect::<String>() + HIDDEN,
            _ => HIDDEN.to_owned(),
        };
        masked.replace_range(found.range, &format!("{sign} {end}"));
        is_changed = true;
    }
    (masked, is_changed)
}

/// Gives the letters and digits alone, in capitals, as numbers are compared.
pub fn bare(text: &str) -> String {
    let letters = text.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_uppercase).collect()
}
