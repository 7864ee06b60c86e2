//! What belongs together in a text and is not cut apart: addresses, code, list items, words in marks.

use std::ops::Range;

/// What ends an address that stands in a text: white space, brackets, quotes, and the punctuation of East Asia.
pub(super) fn ends_address(letter: char) -> bool {
    letter.is_whitespace()
        || letter.is_control()
        || "<>\"“”„«»‹›「」『』（）【】〈〉《》、。！？；：…|`".contains(letter)
}

/// What stands after an address more often than in it.
const TRAILING: [char; 12] = ['.', ',', ';', ':', '!', '?', '\'', '’', '*', '_', '~', ']'];

/// Gives where addresses with a scheme stand.
pub(super) fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in text.match_indices("://") {
        let scheme =
            text[..at].trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c));
        let start = scheme.len();
        if start == at || found.last().is_some_and(|last| start < last.end) {
            continue;
        }
        let length = text[at..].find(ends_address).unwrap_or(text.len() - at);
        let address = without_trailing(&text[start..at + length]);
        found.push(start..start + address.len());
    }
    found
}

/// Takes off what belongs to the sentence around an address.
pub(super) fn without_trailing(address: &str) -> &str {
    let mut address = address;
    loop {
        let shorter = address.trim_end_matches(TRAILING);
        let opened = shorter.matches('(').count();
        let shorter = match shorter.strip_suffix(')') {
            Some(inner) if shorter.matches(')').count() > opened => inner,
            _ => shorter,
        };
        if shorter.len() == address.len() {
            return address;
        }
        address = shorter;
    }
}

/// How much it takes to cut something apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bond {
    /// A list item, or words between marks.
    Loose,
    /// A block of code.
    Firm,
    /// An address, or code within a line.
    Tight,
}

/// Gives what belongs together, with how much so.
pub(super) fn bonds(text: &str) -> Vec<(Range<usize>, Bond)> {
    let mut bonds: Vec<_> = addresses(text)
        .into_iter()
        .map(|at| (at, Bond::Tight))
        .collect();
    let mut block: Option<usize> = None;
    let mut item: Option<Range<usize>> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.trim_end_matches('\n').len());
        at += line.len();
        if line.trim_start().starts_with("```") && line.matches("```").count() == 1 {
            match block.take() {
                Some(opened) => bonds.push((opened..end, Bond::Firm)),
                None => block = Some(start),
            }
            continue;
        }
        if block.is_some() {
            continue;
        }
        let continues = line.starts_with([' ', '\t']) && !line.trim().is_empty();
        item = match item.take() {
            Some(open) if continues && !is_item(line) => Some(open.start..end),
            open => {
                bonds.extend(open.map(|item| (item, Bond::Loose)));
                is_item(line).then_some(start..end)
            }
        };
        marked(&text[start..end], start, &mut bonds);
    }
    bonds.extend(item.map(|item| (item, Bond::Loose)));
    bonds.extend(block.map(|start| (start..text.len(), Bond::Firm)));
    bonds
}

/// Tells whether a line begins an item of a list.
pub(super) fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let rest = match line.chars().next() {
        Some(bullet @ ('-' | '*' | '•' | '–')) => &line[bullet.len_utf8()..],
        Some(digit) if digit.is_ascii_digit() => {
            let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
            match rest.strip_prefix(['.', ')']) {
                Some(rest) if line.len() - rest.len() <= 4 => rest,
                _ => return false,
            }
        }
        _ => return false,
    };
    rest.starts_with([' ', '\t'])
}

/// Finds what stands between two marks on a line.
fn marked(line: &str, offset: usize, bonds: &mut Vec<(Range<usize>, Bond)>) {
    for mark in ['`', '*', '_', '~'] {
        let mut open: Option<usize> = None;
        for (at, _) in line.match_indices(mark) {
            let before = line[..at].chars().next_back();
            let after = line[at + 1..].chars().next();
            let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
            let is_space = |letter: Option<char>| letter.is_none_or(char::is_whitespace);
            match open {
                Some(start) if mark == '`' || (!is_space(before) && !is_word(after)) => {
                    let bond = if mark == '`' {
                        Bond::Tight
                    } else {
                        Bond::Loose
                    };
                    bonds.push((offset + start..offset + at + 1, bond));
                    open = None;
                }
                None if mark == '`' || (!is_word(before) && !is_space(after)) => open = Some(at),
                _ => {}
            }
        }
    }
}
