//! What a text looks like to a rule: case, accents, width and punctuation folded, cut into words.

use std::ops::Range;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How much of a message is read, in characters: as much as WhatsApp lets a customer type. What is longer was not
/// typed, and the time that a message takes must have an end.
pub const TEXT_CAP: usize = 4_096;

/// How much must stand between quotation marks to be somebody else's words and no emphasis, in characters of scripts
/// without spaces; a word of other scripts counts as three.
const QUOTE_WEIGHT_MIN: usize = 8;

/// A folded text, cut into tokens: words (single characters in scripts without spaces) and breaks between clauses.
#[derive(Debug, Default)]
pub(super) struct Folded {
    text: String,
    tokens: Vec<Option<Range<usize>>>,
}

impl Folded {
    /// Folds and cuts a customer's message: at most [`TEXT_CAP`] characters, without what it quotes.
    pub(super) fn message(text: &str) -> Self {
        let capped: String = text.chars().take(TEXT_CAP).collect();
        let whole = Self::all(&capped);
        match without_quotes(&capped) {
            Some(own) => {
                let own = Self::all(&own);
                // A message that is quoted as a whole is the customer's own.
                if own.words().next().is_none() {
                    whole
                } else {
                    own
                }
            }
            None => whole,
        }
    }

    /// Folds and cuts a text as it stands.
    pub(super) fn all(text: &str) -> Self {
        let mut folded = Self::default();
        let spelled = fold(text);
        let mut chars = spelled.chars().peekable();
        let mut word = String::new();
        while let Some(c) = chars.next() {
            match kind(c) {
                Kind::Letter => word.push(c),
                Kind::Apostrophe => {
                    // "l'agent" is two words, "don't" and "quelqu'un" are one.
                    if matches!(word.as_str(), "qu") || word.chars().count() == 1 {
                        folded.end_word(&mut word);
                    } else if !chars.peek().is_some_and(|c| kind(*c) == Kind::Letter) {
                        folded.end_word(&mut word);
                    }
                }
                Kind::Character => {
                    folded.end_word(&mut word);
                    word.push(c);
                    folded.end_word(&mut word);
                }
                Kind::Space => folded.end_word(&mut word),
                Kind::Break => {
                    folded.end_word(&mut word);
                    folded.end_clause();
                }
            }
        }
        folded.end_word(&mut word);
        folded
    }

    /// Gives the tokens in order; a break is `None`.
    pub(super) fn tokens(&self) -> impl Iterator<Item = Option<&str>> {
        self.tokens
            .iter()
            .map(|token| token.clone().and_then(|range| self.text.get(range)))
    }

    /// Gives the words alone.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.tokens().flatten()
    }

    fn end_word(&mut self, word: &mut String) {
        if !word.is_empty() {
            let start = self.text.len();
            self.text.push_str(word);
            self.tokens.push(Some(start..self.text.len()));
            word.clear();
        }
    }

    fn end_clause(&mut self) {
        if !matches!(self.tokens.last(), Some(None)) {
            self.tokens.push(None);
        }
    }
}

/// Folds what writers do not agree on: width and compatibility forms, accents, case, apostrophes. Japanese voicing
/// marks stay: without them "だ" would be "た".
pub(super) fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if is_apostrophe(c) { '\'' } else { c })
        .nfkd()
        .filter(|c| !is_combining_mark(*c) || matches!(c, '\u{3099}' | '\u{309A}'))
        .default_case_fold()
        .nfkc()
        .collect()
}

/// Tells whether a script puts no spaces between words, so that each character stands for itself.
pub(super) fn is_spaceless(c: char) -> bool {
    is_kana(c)
        || matches!(c,
            '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
            | '\u{20000}'..='\u{3FFFF}' | '\u{0E00}'..='\u{0EFF}' | '\u{1780}'..='\u{17FF}')
}

/// Tells whether a character is Japanese and of no other language.
pub(super) fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{30FC}' | '\u{FF66}'..='\u{FF9D}')
}

#[derive(PartialEq, Eq)]
enum Kind {
    Letter,
    Character,
    Apostrophe,
    Space,
    Break,
}

fn kind(c: char) -> Kind {
    match c {
        '\'' => Kind::Apostrophe,
        c if is_spaceless(c) => Kind::Character,
        c if c.is_alphanumeric() => Kind::Letter,
        '.' | ',' | ';' | ':' | '!' | '?' | '(' | ')' | '[' | ']' | '\n' | '\r' | '¿' | '¡' => {
            Kind::Break
        }
        '–' | '—' | '…' | '\u{2190}'..='\u{2BFF}' | '\u{3001}' | '\u{3002}' => Kind::Break,
        '\u{1F000}'..='\u{1FAFF}' => Kind::Break,
        _ => Kind::Space,
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{02BC}' | '\u{2032}' | '`' | '\u{00B4}'
    )
}

/// Joiners, marks of direction and other characters that nobody sees.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Puts a break in the place of everything quoted at length; `None` where nothing is.
fn without_quotes(text: &str) -> Option<String> {
    let mut own = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some((before, open, after)) = split_at(rest, |c| closing(c).is_some()) {
        own.push_str(before);
        let close = closing(open).unwrap_or(open);
        match split_at(after, |c| c == close) {
            Some((inner, _, after)) if weight(inner) >= QUOTE_WEIGHT_MIN => {
                found = true;
                own.push_str(". ");
                rest = after;
            }
            Some((inner, _, after)) => {
                own.push_str(inner);
                rest = after;
            }
            None => rest = after,
        }
    }
    own.push_str(rest);
    found.then_some(own)
}

fn split_at(text: &str, is_mark: impl Fn(char) -> bool) -> Option<(&str, char, &str)> {
    let (at, mark) = text.char_indices().find(|(_, c)| is_mark(*c))?;
    Some((&text[..at], mark, &text[at + mark.len_utf8()..]))
}

fn closing(open: char) -> Option<char> {
    match open {
        '"' => Some('"'),
        '\u{201C}' => Some('\u{201D}'),
        '\u{201E}' => Some('\u{201C}'),
        '«' => Some('»'),
        '»' => Some('«'),
        '「' => Some('」'),
        '『' => Some('』'),
        _ => None,
    }
}

fn weight(text: &str) -> usize {
    let folded = Folded::all(text);
    let of = |word: &str| if word.starts_with(is_spaceless) { 1 } else { 3 };
    folded.words().map(of).sum()
}
