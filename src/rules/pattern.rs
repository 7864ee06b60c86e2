//! The notation of phrases, read: what a person writes in `rules.toml`, as a tree.

use std::sync::Arc;

use super::fold::{Folded, fold, is_spaceless};

/// How many words a gap `...` may span: enough for a few words of courtesy, too few to reach another thought.
const GAP_WORDS: usize = 4;

/// The same in a script without spaces, where a token is one character.
const GAP_CHARACTERS: usize = 10;

/// The fewest letters of a word that `~` may follow: one slip in a shorter word makes it another word.
const SLIP_LETTERS_MIN: usize = 5;

/// A phrase, read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Phrase {
    /// Whether it counts even where an `except` matches.
    pub(super) firm: bool,
    pub(super) start: Edge,
    pub(super) end: Edge,
    pub(super) body: Node,
}

impl Phrase {
    /// Refuses brackets at an end that change nothing: mostly `( )` in the place of `[ ]`.
    pub(super) fn check_ends(&self) -> Result<(), Unreadable> {
        let Node::All(parts) = &self.body else {
            return Ok(());
        };
        let ends = [(self.start, parts.first()), (self.end, parts.last())];
        let idle = |(edge, part): &(Edge, Option<&Node>)| {
            *edge == Edge::Anywhere && matches!(part, Some(Node::Maybe(_)))
        };
        if ends.iter().any(idle) {
            return Err(Unreadable::new(
                "it begins or ends with `( )`, which changes nothing there",
                "leave that out, or write `[ ]` where one of them must stand",
            ));
        }
        Ok(())
    }
}

/// Where an end of a phrase must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Anywhere,
    /// At the edge of a clause: next to punctuation, fillers apart.
    Clause,
    /// At the edge of the message, fillers and punctuation apart.
    Message,
}

/// A part of a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Word(Word),
    /// Punctuation between two clauses.
    Break,
    /// Any one word.
    Any,
    /// A step of a gap: one word, or none.
    Gap,
    /// A class of the vocabulary, by name.
    Class(String),
    All(Vec<Node>),
    OneOf(Vec<Node>),
    Maybe(Box<Node>),
}

impl Node {
    /// Tells whether it may be nothing at all. No class is: a member that may be nothing is refused.
    pub(super) fn may_be_nothing(&self) -> bool {
        match self {
            Self::Word(_) | Self::Break | Self::Any | Self::Class(_) => false,
            Self::Gap | Self::Maybe(_) => true,
            Self::All(parts) => parts.iter().all(Self::may_be_nothing),
            Self::OneOf(choices) => choices.iter().any(Self::may_be_nothing),
        }
    }
}

/// A word to be met.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Word {
    /// Folded.
    pub(super) text: Arc<str>,
    /// Whether one slip of the finger is forgiven.
    pub(super) slips: bool,
}

/// Why a phrase cannot be read: what is wrong, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) message: String,
    pub(super) help: String,
}

impl Unreadable {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Reads a phrase.
pub(super) fn parse(source: &str) -> Result<Phrase, Unreadable> {
    let trimmed = source.trim();
    let (firm, trimmed) = match trimmed.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, trimmed),
    };
    let (start, end, body) = if let Some(body) = trimmed.strip_prefix('=') {
        (Edge::Message, Edge::Message, body)
    } else {
        let (start, body) = edge(trimmed.strip_prefix('^'), trimmed);
        let (end, body) = edge(body.strip_suffix('$'), body);
        (start, end, body)
    };
    let mut parser = Parser {
        chars: body.chars().collect(),
        at: 0,
        gap: if body.contains(is_spaceless) {
            GAP_CHARACTERS
        } else {
            GAP_WORDS
        },
    };
    let body = parser.sequence()?;
    match parser.peek() {
        None => Ok(Phrase {
            firm,
            start,
            end,
            body,
        }),
        Some('|') => Err(Unreadable::new(
            "`|` stands outside of brackets",
            "write alternatives as `[this|that]`, or `(this|that)` where they may be missing",
        )),
        Some(c) => Err(Unreadable::new(
            format!("`{c}` closes nothing"),
            "remove it, or open the bracket before it",
        )),
    }
}

fn edge<'a>(stripped: Option<&'a str>, whole: &'a str) -> (Edge, &'a str) {
    match stripped {
        Some(body) => (Edge::Clause, body),
        None => (Edge::Anywhere, whole),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    gap: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn sequence(&mut self) -> Result<Node, Unreadable> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '|' | ')' | ']' => break,
                '(' => parts.push(Node::Maybe(Box::new(self.group(')')?))),
                '[' => parts.push(self.group(']')?),
                '<' => parts.push(self.class()?),
                ',' => {
                    self.at += 1;
                    parts.push(Node::Break);
                }
                '*' => {
                    self.at += 1;
                    parts.push(Node::Any);
                }
                '.' | '…' => parts.push(self.dots()?),
                '>' | '~' | '^' | '$' | '=' | '!' => return Err(misplaced(c)),
                c if c.is_whitespace() => self.at += 1,
                _ => parts.push(self.words()?),
            }
        }
        Ok(Node::All(parts))
    }

    fn group(&mut self, close: char) -> Result<Node, Unreadable> {
        self.at += 1;
        let mut choices = vec![self.sequence()?];
        while self.peek() == Some('|') {
            self.at += 1;
            choices.push(self.sequence()?);
        }
        if self.peek() != Some(close) {
            return Err(Unreadable::new(
                format!("a bracket is open: `{close}` is missing"),
                "close it, in the order in which brackets were opened",
            ));
        }
        self.at += 1;
        if choices
            .iter()
            .any(|choice| *choice == Node::All(Vec::new()))
        {
            return Err(Unreadable::new(
                "an alternative is empty",
                "remove a `|` too many; what may be missing stands in `( )`",
            ));
        }
        Ok(Node::OneOf(choices))
    }

    fn class(&mut self) -> Result<Node, Unreadable> {
        let rest = &self.chars[self.at + 1..];
        let name: String = rest.iter().take_while(|c| **c != '>').collect();
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(plain) || rest.len() == name.len() {
            return Err(Unreadable::new(
                "`<` begins no name of a class",
                "write `<name>`, the name in `a-z`, `0-9` and `_`",
            ));
        }
        self.at += name.len() + 2;
        Ok(Node::Class(name))
    }

    fn dots(&mut self) -> Result<Node, Unreadable> {
        if self.peek() == Some('…') {
            self.at += 1;
        } else if self.chars[self.at..].starts_with(&['.', '.', '.']) {
            self.at += 3;
        } else {
            return Err(Unreadable::new(
                "`.` means nothing in a phrase",
                "leave it out, write `,` for any punctuation or `...` for a gap",
            ));
        }
        let step = Node::Maybe(Box::new(Node::Gap));
        Ok(Node::All(vec![step; self.gap]))
    }

    /// Reads a run of letters, and `~` after it.
    fn words(&mut self) -> Result<Node, Unreadable> {
        let rest = &self.chars[self.at..];
        let run: String = rest
            .iter()
            .take_while(|c| !is_notation(**c) && !c.is_whitespace())
            .collect();
        self.at += run.chars().count();
        let slips = self.peek() == Some('~');
        if slips {
            self.at += 1;
        }
        let mut spellings: Vec<Node> = Vec::new();
        for spelling in spellings_of(&run) {
            let node = spelled(&spelling, slips)?;
            if !spellings.contains(&node) {
                spellings.push(node);
            }
        }
        Ok(match spellings.len() {
            1 => spellings.remove(0),
            _ => Node::OneOf(spellings),
        })
    }
}

fn is_notation(c: char) -> bool {
    matches!(
        c,
        '(' | ')'
            | '['
            | ']'
            | '|'
            | '<'
            | '>'
            | ','
            | '.'
            | '…'
            | '~'
            | '^'
            | '$'
            | '='
            | '!'
            | '*'
    )
}

/// Gives a run of letters as it stands and, where it has umlauts, as it is typed without them: "möchte", "moechte".
fn spellings_of(run: &str) -> Vec<String> {
    use unicode_normalization::UnicodeNormalization;
    let composed: String = run.nfc().collect::<String>().to_lowercase();
    let typed = composed
        .replace('ä', "ae")
        .replace('ö', "oe")
        .replace('ü', "ue");
    if typed == composed {
        vec![composed]
    } else {
        vec![composed, typed]
    }
}

fn spelled(run: &str, slips: bool) -> Result<Node, Unreadable> {
    let words: Vec<Word> = Folded::all(run)
        .words()
        .map(|text| Word {
            text: text.into(),
            slips,
        })
        .collect();
    if words.is_empty() {
        return Err(Unreadable::new(
            format!("`{run}` holds no letter or digit"),
            "leave it out, or write `,` for any punctuation",
        ));
    }
    let long = |word: &Word| fold(&word.text).chars().count() >= SLIP_LETTERS_MIN;
    if slips && !(words.len() == 1 && words.iter().all(long)) {
        return Err(Unreadable::new(
            format!(
                "`~` follows `{run}`, which is no single word of {SLIP_LETTERS_MIN} letters or more"
            ),
            "leave `~` out: one slip in a short word makes it another word",
        ));
    }
    Ok(match <[Word; 1]>::try_from(words) {
        Ok([word]) => Node::Word(word),
        Err(words) => Node::All(words.into_iter().map(Node::Word).collect()),
    })
}

fn misplaced(c: char) -> Unreadable {
    let help = match c {
        '!' => "`!` stands at the very start: the phrase counts whatever `except` says",
        '=' => "`=` stands at the very start: the phrase is the whole message",
        '^' => "`^` stands at the very start: the phrase begins a clause",
        '$' => "`$` stands at the very end: the phrase ends a clause",
        '~' => "`~` directly follows a word: one slip in it is forgiven",
        _ => "`>` closes the name of a class: `<name>`",
    };
    Unreadable::new(format!("`{c}` is out of place"), help)
}
