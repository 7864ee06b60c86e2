//! Where addresses stand in a text.

use std::ops::Range;

use super::super::shape::{ends_address, without_trailing};

/// Names that stand for no domain on the Internet, but lead somewhere in a network or an example.
const RESERVED: [&str; 7] = [
    "example",
    "test",
    "invalid",
    "localhost",
    "local",
    "internal",
    "onion",
];

/// Schemes that need no slashes to lead somewhere.
const SCHEMES: [&str; 14] = [
    "http",
    "https",
    "javascript",
    "data",
    "vbscript",
    "file",
    "intent",
    "ftp",
    "sms",
    "smsto",
    "whatsapp",
    "tg",
    "market",
    "itms-apps",
];

/// An address in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) at: Range<usize>,
    pub(super) is_mail: bool,
    /// Whether it may be no address but a sentence that lacks the space behind its end, as in "done.It is".
    pub(super) is_slip: bool,
}

/// Finds what a phone would make a link of.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    for chunk in text.split_inclusive(ends_address) {
        let word = chunk.trim_end_matches(ends_address);
        in_word(word, at, &mut found);
        at += chunk.len();
    }
    found
}

fn in_word(word: &str, offset: usize, found: &mut Vec<Found>) {
    let mut at = 0;
    while at < word.len() {
        let rest = &word[at..];
        let next = scheme(rest).map(|start| (start, schemed(&rest[start..])));
        let bare = bare(rest, next.as_ref().map_or(rest.len(), |(start, _)| *start));
        let (range, is_mail, is_slip) = match (bare, next) {
            (Some(bare), _) => bare,
            (None, Some((start, address))) => (start..start + address.len(), false, false),
            (None, None) => return,
        };
        let end = range.end.max(range.start + 1);
        found.push(Found {
            at: offset + at + range.start..offset + at + range.end,
            is_mail,
            is_slip,
        });
        at += end;
        while !word.is_char_boundary(at) {
            at += 1;
        }
    }
}

/// Gives where an address with a scheme begins.
pub(super) fn scheme(word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    word.match_indices(':').find_map(|(colon, _)| {
        let before = &word[..colon];
        let name = &before[before.trim_end_matches(is_part).len()..];
        let after = word[colon + 1..].chars().next()?;
        let is_known = |name: &str| SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(name));
        let has_slashes =
            word[colon + 1..].starts_with("//") && name.chars().any(|c| c.is_ascii_alphabetic());
        if has_slashes || (is_known(name) && !after.is_whitespace()) {
            return Some(colon - name.len());
        }
        // What is glued to the front of a scheme does not hide it.
        let glued = SCHEMES.iter().find(|known| {
            let start = name.len().checked_sub(known.len());
            start
                .and_then(|start| name.get(start..))
                .is_some_and(|end| end.eq_ignore_ascii_case(known))
        });
        let glued = glued.filter(|_| matches!(after, '/' | '\\'))?;
        Some(colon - glued.len())
    })
}

/// Gives the whole of an address that begins with a scheme. Where letters of East Asia follow one in ASCII, the sentence goes on.
fn schemed(rest: &str) -> &str {
    let colon = rest.find(':').map_or(0, |at| at + 1);
    let start = colon + rest[colon..].len() - rest[colon..].trim_start_matches(['/', '\\']).len();
    without_trailing(&rest[..start + in_ascii(&rest[start..])])
}

/// Gives how much of an address there is before letters of East Asia that follow others.
fn in_ascii(address: &str) -> usize {
    let mut letters = address.char_indices();
    let is_ascii = letters.next().is_some_and(|(_, first)| first.is_ascii());
    let cut = letters.find(|(_, letter)| is_ascii && is_east_asian(*letter));
    cut.map_or(address.len(), |(at, _)| at)
}

/// Finds a bare address, or one of mail, that begins before `limit`: where, whether it is of mail, whether it may be a slip.
fn bare(word: &str, limit: usize) -> Option<(Range<usize>, bool, bool)> {
    let is_host = |c: char| c.is_alphanumeric() || "-_.\u{ff0e}".contains(c) || is_mark(c);
    let mut at = 0;
    while at < word.len() {
        let start = at + word[at..].find(is_host)?;
        if start >= limit {
            return None;
        }
        let end = start
            + word[start..]
                .find(|c| !is_host(c))
                .unwrap_or(word.len() - start);
        if let Some(found) = host_at(word, start, end) {
            return Some(found);
        }
        at = end;
    }
    None
}

/// Looks whether a run of letters, hyphens and dots is a host.
fn host_at(word: &str, start: usize, end: usize) -> Option<(Range<usize>, bool, bool)> {
    let run = &word[start..end];
    let lead = run.len() - run.trim_start_matches(['.', '-', '_']).len();
    let mut host = &run[lead..];
    // "こちらacme.com": the address begins where its letters do.
    if let Some(first) = host.split(['.', '\u{ff0e}']).next() {
        let tail = first.trim_end_matches(|c: char| c.is_ascii());
        if tail.ends_with(is_east_asian) && tail.len() < first.len() {
            host = &host[tail.len()..];
        }
    }
    let begin = start + run.len() - host.len();
    let host = host.trim_end_matches(['.', '-', '_']);
    let dots = host.matches(['.', '\u{ff0e}']).count();
    let (_, last) = host.rsplit_once(['.', '\u{ff0e}'])?;
    let (last, host) = if is_top(last) {
        (last, host)
    } else {
        let ascii = &last[..in_ascii(last)];
        (ascii, &host[..host.len() - (last.len() - ascii.len())])
    };
    let after = &word[begin + host.len()..];
    let goes_on = after
        .trim_start_matches('.')
        .starts_with(['/', '\\', '?', '#', ':']);
    let is_number = last.bytes().all(|b| b.is_ascii_digit());
    let is_link = is_top(last)
        || (host.len() > 4
            && host
                .get(..4)
                .is_some_and(|www| www.eq_ignore_ascii_case("www.")))
        || (goes_on && is_number && dots == 3);
    if !is_link || host.is_empty() {
        return None;
    }
    let before = &word[..begin];
    if let Some(user) = before.strip_suffix('@') {
        let is_user = |c: char| c.is_alphanumeric() || ".+-_%'".contains(c);
        let name = &user[user.trim_end_matches(is_user).len()..];
        let is_mail = !goes_on && !name.is_empty();
        return Some((begin - 1 - name.len()..begin + host.len(), is_mail, false));
    }
    if let Some(rest) = after.strip_prefix('@') {
        // It is the name of a mail address, or a user before the true host.
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
            .unwrap_or(rest.len());
        if let Some((found, ..)) = host_at(rest, 0, length) {
            let end = begin + host.len() + 1 + found.end;
            let is_mail = !word[end..].starts_with(['/', '\\', ':', '?', '#']);
            let end = if is_mail { end } else { word.len() };
            return Some((begin..end, is_mail, false));
        }
    }
    if !goes_on {
        return Some((begin..begin + host.len(), false, dots == 1 && is_slip(last)));
    }
    let address = &word[begin..];
    let tail = in_ascii(address);
    let address = without_trailing(&address[..tail.max(host.len())]);
    Some((begin..begin + address.len().max(host.len()), false, false))
}

/// Tells whether the end of a host reads like the first word of a sentence: two letters, the first a capital.
fn is_slip(last: &str) -> bool {
    let letters: Vec<char> = last.chars().collect();
    matches!(letters[..], [first, second] if first.is_uppercase() && second.is_lowercase())
}

fn is_top(label: &str) -> bool {
    let Ok(label) = idna::domain_to_ascii(label) else {
        return false;
    };
    label.len() > 1 && (tld::exist(&label) || RESERVED.contains(&label.as_str()))
}

/// Marks that combine with the letter before them.
fn is_mark(letter: char) -> bool {
    unicode_normalization::char::is_combining_mark(letter)
}

/// Letters of scripts that put no space between words, and of Korean.
pub(in super::super) fn is_east_asian(letter: char) -> bool {
    matches!(letter, '\u{3005}'..='\u{3007}' | '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}' | '\u{20000}'..='\u{3ffff}')
}
