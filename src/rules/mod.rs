//! Named intents: phrases per language, found in what a customer writes, and what to do about them.
//!
//! `rules.toml` explains its notation at its top. A message is folded (`fold`) and cut into words; all phrases of all
//! languages are one machine (`automaton`) that reads it once. Where an `except` phrase of a rule matches, its words
//! are crossed out: no phrase of that rule may use them, but one marked `!`. That is how "I don't want a bot, I want a
//! human" fires and "I don't want a human" does not.

mod automaton;
mod file;
mod fold;
#[cfg(test)]
mod fuzz;
mod language;
mod lexicon;
mod pattern;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::cmp::Reverse;
use std::fmt;

use automaton::{Automaton, Match, Skips};
use fold::Folded;
use pattern::Edge;

pub use fold::TEXT_CAP;
pub use language::detect;

use crate::domain::Language;
use crate::problem::Problem;

/// All rules of an assistant, compiled.
#[derive(Default)]
pub struct Rules {
    named: Vec<Rule>,
    fillers: Automaton,
    phrases: Automaton,
    /// What each phrase of the automaton means, by its number.
    meanings: Vec<Meaning>,
}

/// A named intent and what to do about it. Its phrases are compiled into [`Rules`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, shown in metrics and handed to the desk.
    pub name: String,
    /// What to do.
    pub action: Action,
    /// By what the model recognises it; the model picks only rules that have one.
    pub description: Option<String>,
}

/// What to do about an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask people to take over.
    Escalate,
    /// Send the customer nothing more.
    OptOut,
    /// Send the customer messages again.
    OptIn,
    /// Answer with a canned text.
    Reply {
        /// Its key in `texts/*.toml`.
        text: String,
    },
}

impl Action {
    /// Gives the name that a rules file has for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Escalate => "escalate",
            Self::OptOut => "opt_out",
            Self::OptIn => "opt_in",
            Self::Reply { .. } => "reply",
        }
    }
}

/// A rule that a message met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The language of the phrase that was found, a hint at the customer's: "stop" is said in many.
    pub language: Language,
    /// The phrase, as it is written in the file.
    pub phrase: &'a str,
}

/// What a phrase stands for.
#[derive(Clone, Debug)]
struct Meaning {
    phrase: String,
    rule: usize,
    language: Language,
    except: bool,
    /// Whether it counts even where an `except` matches.
    firm: bool,
    start: Edge,
    end: Edge,
}

impl Rules {
    /// Reads and compiles a rules file. Gives every problem found, with the byte span of the value in the file; a file
    /// that is no TOML, or has a key or type that is not expected, gives the first alone.
    pub fn parse(toml: &str) -> Result<Self, Vec<Problem>> {
        file::parse(toml)
    }

    /// Finds the first rule of the file whose phrases stand in a customer's message. Reads [`TEXT_CAP`] characters.
    pub fn screen<'a>(&'a self, text: &str) -> Option<Hit<'a>> {
        let message = Folded::message(text);
        let fillers = self.fillers.matches(&message, &Skips::new());
        let edges = Edges::of(&message, &fillers);
        let found: Vec<(&Meaning, Match)> = self
            .phrases
            .matches(&message, &edges.skips)
            .into_iter()
            .map(|found| (&self.meanings[found.phrase], found))
            .filter(|(meaning, found)| edges.allow(meaning, found))
            .collect();
        let crossed_out = |meaning: &Meaning, at: &Match| {
            let excepts = found.iter().filter(|(except, _)| except.except);
            let mut excepts = excepts.filter(|(except, _)| except.rule == meaning.rule);
            !meaning.firm && excepts.any(|(_, words)| words.overlaps(at))
        };
        let (meaning, _) = found
            .iter()
            .filter(|(meaning, at)| !meaning.except && !crossed_out(meaning, at))
            .min_by_key(|(meaning, at)| (meaning.rule, Reverse(at.end - at.start), at.phrase))?;
        Some(Hit {
            rule: &self.named[meaning.rule],
            language: meaning.language,
            phrase: &meaning.phrase,
        })
    }

    /// Gives the rules in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.named.iter()
    }

    /// Gives the rule of a name.
    pub fn get(&self, name: &str) -> Option<&Rule> {
        self.iter().find(|rule| rule.name == name)
    }
}

impl fmt::Debug for Rules {
    /// Shows the rules alone: the machine behind them fills megabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phrases = self.meanings.len();
        f.debug_struct("Rules")
            .field("named", &self.named)
            .field("phrases", &phrases)
            .finish_non_exhaustive()
    }
}

/// Where in a message phrases may begin, end and be interrupted.
struct Edges {
    skips: Skips,
    clause_begins: Vec<bool>,
    clause_ends: Vec<bool>,
    message_begins: Vec<bool>,
    message_ends: Vec<bool>,
}

impl Edges {
    fn of(message: &Folded, fillers: &[Match]) -> Self {
        let breaks: Vec<bool> = message.tokens().map(|token| token.is_none()).collect();
        let tokens = breaks.len();
        let mut skips = vec![Vec::new(); tokens];
        let mut back = vec![Vec::new(); tokens + 1];
        for filler in fillers {
            skips[filler.start].push(filler.end);
            back[filler.end].push(filler.start);
        }
        let mut edges = Self {
            skips,
            clause_begins: vec![false; tokens + 1],
            clause_ends: vec![false; tokens + 1],
            message_begins: vec![false; tokens + 1],
            message_ends: vec![false; tokens + 1],
        };
        edges.message_begins[0] = true;
        edges.message_ends[tokens] = true;
        for at in 0..=tokens {
            let after_break = at > 0 && breaks[at - 1];
            edges.message_begins[at] |= after_break && edges.message_begins[at - 1];
            edges.clause_begins[at] |= at == 0 || after_break;
            for end in edges.skips.get(at).into_iter().flatten() {
                edges.message_begins[*end] |= edges.message_begins[at];
                edges.clause_begins[*end] |= edges.clause_begins[at];
            }
        }
        for at in (0..=tokens).rev() {
            let before_break = at < tokens && breaks[at];
            edges.message_ends[at] |= before_break && edges.message_ends[at + 1];
            edges.clause_ends[at] |= at == tokens || before_break;
            for start in &back[at] {
                edges.message_ends[*start] |= edges.message_ends[at];
                edges.clause_ends[*start] |= edges.clause_ends[at];
            }
        }
        edges
    }

    fn allow(&self, meaning: &Meaning, at: &Match) -> bool {
        let begins = match meaning.start {
            Edge::Anywhere => true,
            Edge::Clause => self.clause_begins[at.start],
            Edge::Message => self.message_begins[at.start],
        };
        let ends = match meaning.end {
            Edge::Anywhere => true,
            Edge::Clause => self.clause_ends[at.end],
            Edge::Message => self.message_ends[at.end],
        };
        begins && ends
    }
}
