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
        // Composed, so that "é" counts as one letter however it was typed, also where quotes are looked for.
        let capped: String = text.nfc().take(TEXT_CAP).collect();
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
                    let inside = chars.peek().is_some_and(|c| kind(*c) == Kind::Letter);
                    if !inside || word == "qu" || word.chars().count() == 1 {
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
        .map(plain_apostrophe)
        .nfkd()
        .filter(|c| !is_combining_mark(*c) || matches!(c, '\u{3099}' | '\u{309A}'))
        .default_case_fold()
        .nfkc()
        // Once more, for those that were full-width before.
        .map(plain_apostrophe)
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
        // Arrows, symbols and emoji part clauses as punctuation does.
        '.'
        | ','
        | ';'
        | ':'
        | '!'
        | '?'
        | '('
        | ')'
        | '['
        | ']'
        | '\n'
        | '\r'
        | '¿'
        | '¡'
        | '–'
        | '—'
        | '\u{3001}'
        | '\u{3002}'
        | '\u{2190}'..='\u{2BFF}'
        | '\u{1F000}'..='\u{1FAFF}' => Kind::Break,
        _ => Kind::Space,
    }
}

fn plain_apostrophe(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201B}' | '\u{02BC}' | '\u{2032}' | '`' | '\u{00B4}' => '\'',
        other => other,
    }
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
    while let Some((at, open, close)) = opening(rest) {
        let (before, after) = rest.split_at(at + open.len_utf8());
        own.push_str(before);
        rest = match after.split_once(close) {
            Some((inner, after)) if weight(inner) >= QUOTE_WEIGHT_MIN => {
                found = true;
                own.push_str(". ");
                after
            }
            Some((inner, after)) => {
                own.push_str(inner);
                after
            }
            None => after,
        };
    }
    own.push_str(rest);
    found.then_some(own)
}

/// Finds the next mark that opens a quotation, and the mark that would close it. After a letter or digit it is an inch.
fn opening(text: &str) -> Option<(usize, char, char)> {
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match closing(c) {
            Some(close) if c != '"' || !before.is_alphanumeric() => return Some((at, c, close)),
            _ => before = c,
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> String {
        let folded = Folded::message(text);
        let tokens: Vec<&str> = folded.tokens().map(|token| token.unwrap_or("/")).collect();
        tokens.join(" ")
    }

    #[test]
    fn writers_need_not_agree() {
        for (text, folded) in [
            ("ÇA VA, Señora?", "ca va / senora /"),
            ("Ｈｅｌｌｏ ﾛﾎﾞｯﾄ", "hello ロ ボ ッ ト"),
            ("だめ ダメ ため", "だ め ダ メ た め"),
            ("Straße", "strasse"),
            ("don't don’t don´t don｀t dont", "dont dont dont dont dont"),
            (
                "l’agent d'un ami, qu'un, quelqu'un",
                "l agent d un ami / qu un / quelquun",
            ),
            ("*help* _me_ e-mail", "help me e mail"),
            ("AIとは話す", "ai と は 話 す"),
            ("un\u{200B}sub\u{AD}scribe", "unsubscribe"),
            ("no🙏stop", "no / stop"),
            ("", ""),
        ] {
            assert_eq!(words(text), folded, "{text}");
        }
    }

    #[test]
    fn what_is_quoted_at_length_is_left_out() {
        for (text, folded) in [
            ("she wrote “get me out of here” today", "she wrote / today"),
            ("a \"real\" one", "a real one"),
            ("\"get me out of here\"", "get me out of here /"),
            ("it is 5\" long and 7\" wide", "it is 5 long and 7 wide"),
            ("5\" wide", "5 wide"),
            (
                "cafe\u{301}\" by the door, on the left\"",
                "cafe by the door / on the left",
            ),
            ("\"ok!\" get me \"one!\"", "ok / get me one"),
            ("\"5\" and \"this one too, please\"", "5 and"),
            ("「担当者に代わってほしい」と聞いた", "/ と 聞 い た"),
        ] {
            assert_eq!(
                words(text).trim_end_matches(" /"),
                folded.trim_end_matches(" /"),
                "{text}"
            );
        }
    }

    #[test]
    fn no_more_than_the_cap_is_read() {
        let long = "a ".repeat(TEXT_CAP);
        assert_eq!(Folded::message(&long).words().count(), TEXT_CAP / 2);
    }
}
