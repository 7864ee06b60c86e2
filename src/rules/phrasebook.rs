//! `guards.toml`: what an assistant's own words are searched for, in the notation of rules.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::Rules;
use super::file::{ByLanguage, Compiler, Phrases, in_file_order};
use super::fold::Folded;
use crate::problem::Problem;

/// The most guards in a file: a longer list is nobody's any more.
const GUARDS_MAX: usize = 64;

/// What a phrase in an answer stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Banned {
    /// It says that people take over.
    Transfer,
    /// It says that something was done which the assistant cannot do.
    Claim,
    /// It must not be said at all.
    NeverSay,
}

impl Banned {
    const ALL: [Self; 3] = [Self::Transfer, Self::Claim, Self::NeverSay];

    fn as_str(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Claim => "claim",
            Self::NeverSay => "never_say",
        }
    }
}

/// All phrases that answers are searched for, compiled.
#[derive(Debug, Default)]
pub struct Phrasebook {
    /// The phrases, each of the guard whose number it has for a rule.
    phrases: Rules,
    guards: Vec<Banned>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardsFile {
    #[serde(default)]
    vocabulary: ByLanguage<ByLanguage<Phrases>>,
    #[serde(default)]
    guard: Vec<GuardTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardTable {
    name: Spanned<String>,
    kind: Spanned<String>,
    #[serde(default)]
    phrases: ByLanguage<Phrases>,
    #[serde(default)]
    except: ByLanguage<Phrases>,
}

impl Phrasebook {
    /// Reads and compiles a file of guards, or tells all that is wrong with it.
    pub fn parse(source: &str) -> Result<Self, Vec<Problem>> {
        let file: GuardsFile = toml::from_str(source)
            .map_err(|error| vec![Problem::new("", error.message()).at(error.span())])?;
        let mut compiler = Compiler::default();
        let mut problems = Vec::new();
        if file.guard.len() > GUARDS_MAX {
            let message = format!(
                "there are {} guards, more than {GUARDS_MAX}",
                file.guard.len()
            );
            problems.push(Problem::new("guard", message).help("join guards of one kind"));
        }
        compiler.vocabulary(&file.vocabulary);
        let mut names = BTreeSet::new();
        let mut guards = Vec::new();
        for (index, guard) in file.guard.iter().enumerate() {
            let key = format!("guard[{index}]");
            compiler.name(&key, &guard.name, &mut names);
            match kind(&guard.kind) {
                Ok(kind) => guards.push(kind),
                Err(problem) => problems.push(problem.under(&key)),
            }
            if guard.phrases.values().all(Vec::is_empty) {
                problems.push(
                    Problem::new(&key, "it has no phrases, so it finds nothing")
                        .help("add `phrases.en = [\"…\"]`")
                        .at(Some(guard.name.span())),
                );
            }
            for (field, phrases, except) in [
                ("phrases", &guard.phrases, false),
                ("except", &guard.except, true),
            ] {
                for (code, phrases) in in_file_order(phrases) {
                    compiler.phrases(&format!("{key}.{field}"), code, phrases, (index, except));
                }
            }
        }
        problems.append(&mut compiler.problems);
        match problems.as_slice() {
            [] => Ok(Self {
                phrases: compiler.rules,
                guards,
            }),
            _ => Err(problems),
        }
    }

    /// Finds what an answer says that it may not; of several, what stands first in the file.
    pub fn find(&self, answer: &str) -> Option<Banned> {
        let claimed = self.guards(&statements(answer));
        let mut said = self.guards(answer);
        said.retain(|guard| self.guards.get(*guard) == Some(&Banned::NeverSay));
        let first = claimed.into_iter().chain(said).min()?;
        self.guards.get(first).copied()
    }

    fn guards(&self, text: &str) -> Vec<usize> {
        let met = self.phrases.met(&Folded::all(text)).into_iter();
        met.map(|(meaning, _)| meaning.rule).collect()
    }
}

fn kind(name: &Spanned<String>) -> Result<Banned, Problem> {
    let mut known = Banned::ALL.into_iter();
    known
        .find(|kind| kind.as_str() == name.get_ref())
        .ok_or_else(|| {
            Problem::new("kind", format!("there is no kind `{}`", name.get_ref()))
                .help("use `transfer`, `claim` or `never_say`")
                .at(Some(name.span()))
        })
}

/// Gives a text without its questions, which claim nothing. Of a question that follows a statement after a comma, the
/// statement stays; one that begins with `¿` is asked as a whole.
fn statements(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for sentence in text.split_inclusive(['.', '!', '?', '。', '！', '？', '\n']) {
        let asks = sentence.ends_with(['?', '？']) || sentence.ends_with("か。");
        match (asks, sentence.find('¿'), sentence.rfind([',', '、', '，'])) {
            (false, ..) => kept.push_str(sentence),
            (true, Some(start), _) => kept.push_str(&sentence[..start]),
            (true, None, Some(comma)) => kept.push_str(&sentence[..comma]),
            (true, None, None) => {}
        }
        kept.push_str(". ");
    }
    kept
}

#[cfg(test)]
mod tests;
