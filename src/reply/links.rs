//! Addresses in a text: where they stand, and whether they lead to the business.
//!
//! What counts is what a phone makes a link of: an address with a scheme, and a bare one that ends in a known top-level
//! domain. Hosts are compared in the form that is looked up, so a letter that looks like another is another.

mod find;

use std::collections::BTreeSet;
use std::ops::Range;

use url::{Host, Url};

use super::shape::ends_address;
pub(super) use find::is_east_asian;
use find::{find, scheme};

/// The longest address that is kept, in bytes: no browser needs more, and it has to fit into a message.
const ADDRESS_BYTES: usize = 2_048;

/// Hosts where anybody can put something: of these, only the very addresses that the business names are its own.
const SHARED: [&str; 28] = [
    "bit.ly",
    "t.co",
    "goo.gl",
    "tinyurl.com",
    "is.gd",
    "cutt.ly",
    "rebrand.ly",
    "wa.me",
    "t.me",
    "m.me",
    "linktr.ee",
    "forms.gle",
    "google.com",
    "facebook.com",
    "instagram.com",
    "tiktok.com",
    "youtube.com",
    "youtu.be",
    "linkedin.com",
    "x.com",
    "twitter.com",
    "github.io",
    "github.com",
    "pages.dev",
    "vercel.app",
    "netlify.app",
    "web.app",
    "notion.site",
];

/// Addresses that may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Hosts, as they are looked up, without `www.`; what lies below them counts too.
    hosts: BTreeSet<String>,
    /// The beginnings of addresses on shared hosts: host and path.
    places: BTreeSet<String>,
    /// Mail addresses in small letters.
    mails: BTreeSet<String>,
}

/// Says what is wrong with a domain in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no domain, such as `acme.com`")]
pub struct NoDomain;

impl Allowed {
    /// Allows a domain and all below it.
    pub fn domain(&mut self, domain: &str) -> Result<(), NoDomain> {
        let domain = domain.trim();
        let is_plain =
            !domain.contains(['/', ':', '@', ' ', '?', '#', '*']) && domain.contains('.');
        let host = is_plain
            .then(|| host_of(domain))
            .flatten()
            .ok_or(NoDomain)?;
        self.hosts.insert(host);
        Ok(())
    }

    /// Allows what stands in a text of the business's own.
    pub fn learn(&mut self, text: &str) {
        for found in find(text) {
            let address = &text[found.at.clone()];
            match (found.is_mail, parse(address)) {
                (true, _) => drop(self.mails.insert(mail(address))),
                (false, Some(url)) => {
                    let Some(host) = url.host().as_ref().and_then(host) else {
                        continue;
                    };
                    match is_shared(&host) {
                        true => drop(self.places.insert(place(&host, &url))),
                        false => drop(self.hosts.insert(host)),
                    }
                }
                (false, None) => {}
            }
        }
    }

    /// Tells whether an address leads to the business.
    fn permits(&self, address: &str, is_mail: bool) -> bool {
        if is_mail {
            let mail = mail(address);
            let host = mail.rsplit_once('@').and_then(|(_, host)| host_of(host));
            return self.mails.contains(&mail) || host.is_some_and(|host| self.has(&host));
        }
        let Some(url) = parse(address).filter(|_| address.len() <= ADDRESS_BYTES) else {
            return false;
        };
        let is_open = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none();
        let Some(host) = url.host().as_ref().and_then(host).filter(|_| is_open) else {
            return false;
        };
        let place = place(&host, &url);
        let is_place = |known: &String| {
            let rest = place.strip_prefix(known.as_str());
            let goes_on = |rest: &str| known.ends_with('/') || rest.starts_with(['/', '?']);
            // A shared host by itself says nothing about what lies on it.
            rest.is_some_and(|rest| rest.is_empty() || (known.contains('/') && goes_on(rest)))
        };
        self.has(&host) || self.places.iter().any(is_place)
    }

    fn has(&self, host: &str) -> bool {
        let below = |known: &String| {
            host.strip_suffix(known.as_str())
                .is_some_and(|rest| rest.ends_with('.'))
        };
        self.hosts.contains(host) || self.hosts.iter().any(below)
    }
}

/// What a turn knows about addresses.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    /// Those that the configuration allows.
    pub listed: &'a Allowed,
    /// Those that the business itself uses.
    pub own: &'a Allowed,
    /// Tells whether the customer, or what is known of him, named a mail address.
    pub is_known: &'a dyn Fn(&str) -> bool,
}

impl Links<'_> {
    /// Tells whether an address may be sent.
    pub fn permit(&self, address: &str) -> bool {
        let bare = address
            .get(..7)
            .is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
        let number = address
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("tel:"));
        match (bare, number) {
            (true, _) => self.permits(&address[7..], true),
            (_, true) => address[4..]
                .chars()
                .all(|c| c.is_ascii_digit() || "+-(). ".contains(c)),
            _ => self.permits(address, false),
        }
    }

    fn permits(&self, address: &str, is_mail: bool) -> bool {
        let is_listed = self.listed.permits(address, is_mail) || self.own.permits(address, is_mail);
        if is_mail {
            return is_listed || (self.is_known)(address);
        }
        // An address within the address can be where it leads in the end.
        is_listed && within(address).is_none_or(|inner| self.permits(&inner, false))
    }

    /// Takes out what may not be sent. Gives the text and whether something was taken out.
    pub fn keep(&self, text: &str) -> (String, bool) {
        let mut kept = without_hidden(text);
        let mut is_changed = false;
        for _ in 0..ROUNDS_MAX {
            let found = find(&kept).into_iter();
            let bad: Vec<_> = found
                .filter(|found| !self.permits(&kept[found.at.clone()], found.is_mail))
                .collect();
            if bad.is_empty() {
                return (kept, is_changed);
            }
            is_changed |= bad.iter().any(|found| !found.is_slip);
            for found in bad.into_iter().rev() {
                kept = match found.is_slip {
                    true => spaced(&kept, &found.at),
                    false => without(&kept, &found.at),
                };
            }
        }
        // What still makes addresses after that was written to do so.
        let is_bad = |word: &str| {
            let mut found = find(word).into_iter();
            found.any(|found| !self.permits(&word[found.at.clone()], found.is_mail))
        };
        let words = kept
            .split_inclusive(char::is_whitespace)
            .filter(|word| !is_bad(word.trim()));
        (words.collect(), true)
    }
}

/// How often a text is looked through: what is left around an address can make another.
const ROUNDS_MAX: usize = 4;

/// Gives an address that stands within the path or the query of another.
fn within(address: &str) -> Option<String> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let start = rest.find(['/', '?', '#', '\\'])?;
    let mut inner = rest[start..].to_owned();
    for _ in 0..2 {
        inner = percent_decoded(&inner);
    }
    let at = inner.find("//").or_else(|| inner.find("\\\\"))?;
    let target = inner[at..].trim_start_matches(['/', '\\']);
    let target: String = target
        .chars()
        .take_while(|c| !ends_address(*c) && *c != '&')
        .collect();
    // Without a dot it is a path that was joined carelessly.
    let host = target
        .split(['/', '?', '#', ':'])
        .next()
        .unwrap_or_default();
    host.contains('.').then(|| format!("https://{target}"))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn parse(address: &str) -> Option<Url> {
    let has_scheme = scheme(address) == Some(0);
    match has_scheme {
        true => Url::parse(address).ok(),
        false => Url::parse(&format!("https://{address}")).ok(),
    }
}

/// Gives a host as it is looked up. Addresses by number are nobody's name.
fn host(host: &Host<&str>) -> Option<String> {
    let Host::Domain(name) = host else {
        return None;
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let name = name
        .strip_prefix("www.")
        .map_or(name.clone(), str::to_owned);
    name.contains('.').then_some(name)
}

fn host_of(domain: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{domain}")).ok()?;
    url.host().as_ref().and_then(host)
}

fn is_shared(host: &str) -> bool {
    let below = |shared: &str| {
        host.strip_suffix(shared)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    SHARED.into_iter().any(below)
}

fn place(host: &str, url: &Url) -> String {
    let query = url
        .query()
        .map_or_else(String::new, |query| format!("?{query}"));
    let path = url.path();
    let path = if path == "/" && query.is_empty() {
        ""
    } else {
        path
    };
    format!("{host}{path}{query}")
}

fn mail(address: &str) -> String {
    address.to_lowercase()
}

/// Takes out what nobody sees. A joiner stays between letters and signs that need it.
fn without_hidden(text: &str) -> String {
    let letters: Vec<char> = text.chars().filter(|letter| !is_hidden(*letter)).collect();
    let is_joiner = |letter: char| matches!(letter, '\u{200c}' | '\u{200d}');
    let needs = |at: Option<usize>| {
        let letter = at.and_then(|at| letters.get(at)).copied();
        letter.is_some_and(|letter| {
            !letter.is_ascii() && !letter.is_whitespace() && !is_joiner(letter)
        })
    };
    let kept = letters.iter().enumerate().filter(|(at, letter)| {
        let (before, after) = (at.checked_sub(1), at.checked_add(1));
        !is_joiner(**letter) || (needs(before) && needs(after))
    });
    kept.map(|(_, letter)| *letter).collect()
}

fn is_hidden(letter: char) -> bool {
    matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
        || (letter.is_control() && !matches!(letter, '\n' | '\t' | '\r'))
}

/// Parts what may be two sentences.
fn spaced(text: &str, at: &Range<usize>) -> String {
    let spaced = text[at.clone()].replace('.', ". ");
    [&text[..at.start], &spaced, &text[at.end..]].concat()
}

/// Takes out an address, with the brackets around it and a space that is one too many.
fn without(text: &str, at: &Range<usize>) -> String {
    let (mut before, mut after) = (&text[..at.start], &text[at.end..]);
    for (open, close) in [
        ('(', ')'),
        ('[', ']'),
        ('<', '>'),
        ('（', '）'),
        ('「', '」'),
        ('"', '"'),
    ] {
        if let (Some(outer), Some(rest)) = (before.strip_suffix(open), after.strip_prefix(close)) {
            (before, after) = (outer, rest);
        }
    }
    let is_gap = |letter: Option<char>| {
        letter.is_none_or(|c| c.is_whitespace() || ".,;:!?)、。".contains(c))
    };
    let left = before.chars().next_back();
    let right = after.chars().next();
    if is_gap(right) && left.is_some_and(|c| c == ' ') {
        return [before.trim_end_matches(' '), after].concat();
    }
    // What stood apart by the address alone is not glued together: it could be an address then.
    let glue = if left.is_none_or(|c| c.is_whitespace() || !c.is_ascii()) || is_gap(right) {
        ""
    } else {
        " "
    };
    [before, glue, after].concat()
}

#[cfg(test)]
mod tests;
