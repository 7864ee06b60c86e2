//! E-mail addresses.

use super::{Kind, before, is_latin};

/// Letters of the longest part before the `@`, and of the longest domain (RFC 5321).
const LOCAL_MAX: usize = 64;
const DOMAIN_MAX: usize = 255;

/// Tells whether an address begins here.
pub(super) fn at(letters: &[char], from: usize) -> Option<(Kind, usize)> {
    if !is_local(letters[from]) || before(letters, from).is_some_and(is_local) {
        return None;
    }
    let local = letters[from..]
        .iter()
        .take(LOCAL_MAX)
        .take_while(|letter| is_local(**letter));
    let at = from + local.count();
    if letters.get(at) != Some(&'@') {
        return None;
    }
    let domain = &letters[at + 1..];
    let domain = domain
        .iter()
        .take(DOMAIN_MAX)
        .take_while(|letter| is_domain(**letter));
    let domain: Vec<char> = domain.copied().collect();
    Some((Kind::Email, at + 1 + domain_length(&domain)?))
}

/// Gives how much of this is a domain: labels with points between, the last of them two letters or more. What ends the
/// sentence is not part of it.
fn domain_length(domain: &[char]) -> Option<usize> {
    let mut length = domain.len();
    while length > 0 && matches!(domain[length - 1], '.' | '-') {
        length -= 1;
    }
    let mut labels = domain[..length].split(|letter| *letter == '.');
    let last = labels.next_back()?;
    let is_name = last.len() >= 2 && last.iter().any(|letter| !letter.is_ascii_digit());
    let others: Vec<_> = labels.collect();
    let are_labels = !others.is_empty() && others.iter().all(|label| !label.is_empty());
    (is_name && are_labels).then_some(length)
}

fn is_local(letter: char) -> bool {
    is_domain(letter) || matches!(letter, '_' | '%' | '+' | '\'' | '&' | '~' | '=')
}

fn is_domain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || is_latin(letter) || matches!(letter, '.' | '-')
}
