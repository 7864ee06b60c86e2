//! All phrases as one machine that reads a message word by word.
//!
//! A position automaton: each place in a phrase where a word may stand is a position that knows which positions may
//! follow. A message is tried from each of its words; most end at once, so its cost grows with its length alone.

use super::fold::Folded;
use super::lexicon::{Label, Lexicon};
use super::pattern::{Node, Unreadable, Word};

/// The most positions that one phrase may unfold to: ten times the largest phrase that a person can still follow.
const POSITIONS_PER_PHRASE_MAX: usize = 2_000;

/// A phrase's number, in the order in which phrases were added.
pub(super) type PhraseId = usize;

/// One place where a phrase matches: tokens `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) phrase: PhraseId,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Match {
    /// Tells whether both use a word.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Stretches of a message that a phrase may step over: for each token, where those that begin there end.
pub(super) type Skips = Vec<Vec<usize>>;

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    lexicon: Lexicon,
    positions: Vec<Position>,
    /// Where phrases begin, by the label of their first word.
    begins: Vec<Vec<u32>>,
    begins_with_break: Vec<u32>,
    phrases: usize,
}

#[derive(Debug)]
struct Position {
    accepts: Accepts,
    follow: Vec<u32>,
    /// The phrase, where it may end here.
    ends: Option<PhraseId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Words(Label),
    Break,
    Any,
    Gap,
}

/// A part of a phrase, put into the machine: where it begins, where it ends, whether it may be missing.
#[derive(Default)]
struct Fragment {
    first: Vec<u32>,
    last: Vec<u32>,
    optional: bool,
}

impl Automaton {
    /// Adds a phrase, its classes already replaced by what they hold.
    pub(super) fn add(&mut self, body: &Node) -> Result<PhraseId, Unreadable> {
        let known = self.positions.len();
        let added = self.build(body);
        let checked = self.check(&added, self.positions.len() - known);
        if let Err(unreadable) = checked {
            self.positions.truncate(known);
            return Err(unreadable);
        }
        let phrase = self.phrases;
        self.phrases += 1;
        for at in added.last {
            self.position(at).ends = Some(phrase);
        }
        self.begins.resize(self.lexicon.labels(), Vec::new());
        for at in added.first {
            match self.position(at).accepts {
                Accepts::Words(label) => self.begins[label as usize].push(at),
                _ => self.begins_with_break.push(at),
            }
        }
        Ok(phrase)
    }

    /// Finds every place where a phrase matches.
    pub(super) fn matches(&self, message: &Folded, skips: &Skips) -> Vec<Match> {
        let tokens: Vec<Option<&[Label]>> = message
            .tokens()
            .map(|token| token.map(|word| self.lexicon.look_up(word)))
            .collect();
        let mut found = Vec::new();
        let mut layers: Vec<Vec<u32>> = vec![Vec::new()];
        for start in 0..tokens.len() {
            match tokens[start] {
                Some(labels) => {
                    for label in labels {
                        layers[0].extend(&self.begins[*label as usize]);
                    }
                }
                None => layers[0].extend(&self.begins_with_break),
            }
            if !layers[0].is_empty() {
                self.run(&tokens, start, skips, &mut layers, &mut found);
            }
        }
        found
    }

    /// Follows the phrases that begin at `start`. Layer `n` holds the positions that wait for token `start + n`.
    fn run(
        &self,
        tokens: &[Option<&[Label]>],
        start: usize,
        skips: &Skips,
        layers: &mut Vec<Vec<u32>>,
        found: &mut Vec<Match>,
    ) {
        let mut depth = 0;
        while depth < layers.len() && start + depth < tokens.len() {
            let mut waiting = std::mem::take(&mut layers[depth]);
            waiting.sort_unstable();
            waiting.dedup();
            let at = start + depth;
            for end in skips.get(at).into_iter().flatten() {
                // What begins a phrase is not stepped over: the phrase would begin later.
                if depth > 0 && !waiting.is_empty() {
                    layer(layers, end - start).extend(&waiting);
                }
            }
            for position in &waiting {
                let position = &self.positions[*position as usize];
                if !position.accepts.meets(tokens[at]) {
                    continue;
                }
                layer(layers, depth + 1).extend(&position.follow);
                if let Some(phrase) = position.ends {
                    let end = at + 1;
                    found.push(Match { phrase, start, end });
                }
            }
            waiting.clear();
            layers[depth] = waiting;
            depth += 1;
        }
        layers.iter_mut().for_each(Vec::clear);
    }

    fn build(&mut self, node: &Node) -> Fragment {
        match node {
            Node::Word(word) => self.place(&[word]),
            Node::Break => self.position_for(Accepts::Break),
            Node::Any => self.position_for(Accepts::Any),
            Node::Gap => self.position_for(Accepts::Gap),
            // INVARIANT: the vocabulary has replaced all classes.
            Node::Class(_) => Fragment::default(),
            Node::All(parts) => self.build_sequence(parts),
            Node::OneOf(choices) => self.build_choice(choices),
            Node::Maybe(inner) => Fragment {
                optional: true,
                ..self.build(inner)
            },
        }
    }

    fn build_sequence(&mut self, parts: &[Node]) -> Fragment {
        let mut whole = Fragment {
            optional: true,
            ..Fragment::default()
        };
        for part in parts {
            let next = self.build(part);
            for at in &whole.last {
                self.position(*at).follow.extend(&next.first);
            }
            if whole.optional {
                whole.first.extend(&next.first);
            }
            if !next.optional {
                whole.last.clear();
            }
            whole.last.extend(next.last);
            whole.optional &= next.optional;
        }
        whole
    }

    /// Puts all single words of a choice in one position, so that a class costs no more than a word.
    fn build_choice(&mut self, choices: &[Node]) -> Fragment {
        let mut words = Vec::new();
        let mut others = Vec::new();
        for choice in choices {
            sort_choice(choice, &mut words, &mut others);
        }
        let mut whole = Fragment::default();
        if !words.is_empty() {
            whole = self.place(&words);
        }
        for other in others {
            let next = self.build(other);
            whole.first.extend(next.first);
            whole.last.extend(next.last);
            whole.optional |= next.optional;
        }
        whole
    }

    fn place(&mut self, words: &[&Word]) -> Fragment {
        let label = self.lexicon.label(words);
        self.position_for(Accepts::Words(label))
    }

    fn position_for(&mut self, accepts: Accepts) -> Fragment {
        let at = u32::try_from(self.positions.len()).unwrap_or(u32::MAX);
        self.positions.push(Position {
            accepts,
            follow: Vec::new(),
            ends: None,
        });
        Fragment {
            first: vec![at],
            last: vec![at],
            optional: false,
        }
    }

    fn position(&mut self, at: u32) -> &mut Position {
        &mut self.positions[at as usize]
    }

    fn check(&self, added: &Fragment, positions: usize) -> Result<(), Unreadable> {
        let accepts = |at: &u32| self.positions[*at as usize].accepts;
        if added.optional {
            return Err(Unreadable::new(
                "it would match any message",
                "at least one word must stand outside of `( )`",
            ));
        }
        if added.first.iter().any(|at| accepts(at) == Accepts::Any) {
            return Err(Unreadable::new(
                "it begins with `*`",
                "leave it out: every message begins with some word",
            ));
        }
        let mut ends = added.first.iter().chain(&added.last);
        if ends.any(|at| accepts(at) == Accepts::Gap) {
            return Err(Unreadable::new(
                "it begins or ends with a gap",
                "`...` stands between two words; leave it out at the ends",
            ));
        }
        if positions > POSITIONS_PER_PHRASE_MAX {
            return Err(Unreadable::new(
                format!("it unfolds to {positions} words, more than {POSITIONS_PER_PHRASE_MAX}"),
                "make two phrases of it, or smaller classes",
            ));
        }
        Ok(())
    }
}

impl Accepts {
    fn meets(self, token: Option<&[Label]>) -> bool {
        match (self, token) {
            (Self::Words(label), Some(labels)) => labels.binary_search(&label).is_ok(),
            (Self::Break, None) | (Self::Any | Self::Gap, Some(_)) => true,
            _ => false,
        }
    }
}

fn layer(layers: &mut Vec<Vec<u32>>, depth: usize) -> &mut Vec<u32> {
    if layers.len() <= depth {
        layers.resize(depth + 1, Vec::new());
    }
    &mut layers[depth]
}

fn sort_choice<'a>(choice: &'a Node, words: &mut Vec<&'a Word>, others: &mut Vec<&'a Node>) {
    match choice {
        Node::Word(word) => words.push(word),
        Node::All(parts) if parts.len() == 1 => sort_choice(&parts[0], words, others),
        Node::OneOf(inner) => {
            for choice in inner {
                sort_choice(choice, words, others);
            }
        }
        other => others.push(other),
    }
}
