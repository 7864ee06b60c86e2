//! Canned texts: what is said by rote, in each language.

use std::collections::BTreeMap;
use std::str::FromStr;

use toml::Spanned;

use super::source::{File, Files, Source, language_tag};
use crate::domain::Language;
use crate::problem::Problem;
use crate::rules::{Action, Rules};

/// The keys of the texts that every language has.
pub mod key {
    /// Said when the assistant could not answer.
    pub const FALLBACK: &str = "fallback";
    /// Said when people are asked to take over while none are there.
    pub const HANDOFF_CLOSED: &str = "handoff_closed";
    /// Said when word is left for people while none are there, and the assistant goes on.
    pub const HANDOFF_MESSAGE: &str = "handoff_message";
    /// Said when people are asked to take over.
    pub const HANDOFF_STARTED: &str = "handoff_started";
    /// Said when it is too late for an answer.
    pub const LATE: &str = "late";
    /// Said when the day's limit of tokens or money is reached.
    pub const LIMIT: &str = "limit";
    /// Said when only pictures, voice or files were sent.
    pub const MEDIA: &str = "media";
    /// Said when several of them were sent.
    pub const MEDIA_SEVERAL: &str = "media_several";
    /// Said when nobody has come in time, and the assistant answers again.
    pub const NO_AGENT: &str = "no_agent";
    /// Said when nobody has come in time, and the customer waits on.
    pub const NO_AGENT_YET: &str = "no_agent_yet";
    /// Asks whether people are to take over.
    pub const OFFER: &str = "offer";
    /// Said when a customer comes back.
    pub const OPTED_IN: &str = "opted_in";
    /// Said when a customer wants no more messages.
    pub const OPTED_OUT: &str = "opted_out";
    /// Said when a customer wants the assistant again instead of people.
    pub const RETURNED: &str = "returned";
}

const REQUIRED: [(&str, &str); 14] = [
    (
        key::FALLBACK,
        "it is sent when the assistant could not answer",
    ),
    (
        key::HANDOFF_CLOSED,
        "it is sent when people are asked to take over while none are there",
    ),
    (
        key::HANDOFF_MESSAGE,
        "it is sent when word is left for people while none are there",
    ),
    (
        key::HANDOFF_STARTED,
        "it is sent when people are asked to take over",
    ),
    (key::LATE, "it is sent when it is too late for an answer"),
    (
        key::LIMIT,
        "it is sent once a day when the day's limit is reached",
    ),
    (
        key::MEDIA,
        "it is sent when only a picture, voice or a file came",
    ),
    (
        key::MEDIA_SEVERAL,
        "it is sent when only pictures, voice or files came, several of them",
    ),
    (
        key::NO_AGENT,
        "it is sent when nobody has come in time, and the assistant answers again",
    ),
    (
        key::NO_AGENT_YET,
        "it is sent when nobody has come in time, and the customer waits on",
    ),
    (key::OFFER, "it asks whether people are to take over"),
    (key::OPTED_IN, "it is sent when a customer comes back"),
    (
        key::OPTED_OUT,
        "it is sent when a customer wants no more messages",
    ),
    (
        key::RETURNED,
        "it is sent when a customer wants the assistant again instead of people",
    ),
];

/// WhatsApp takes 1,024 characters in a message with buttons, the shortest of its kinds: so a text fits them all.
pub(super) const TEXT_UTF16_MAX: usize = 1024;

/// Four times what the shipped folder could need: a file with more is no longer a list of canned texts.
const TEXTS_MAX: usize = 128;

/// Their delimiters would be read by Braze's Liquid, and nothing here fills them in.
const DELIMITERS: [&str; 3] = ["{{", "{%", "{#"];

/// A file of texts, with the places of its keys and values.
type Table = BTreeMap<Spanned<String>, Spanned<toml::Value>>;

/// The texts of all languages of a folder.
pub(super) struct Texts {
    default: Language,
    languages: BTreeMap<Language, BTreeMap<String, String>>,
}

impl Texts {
    /// Reads and checks the text files. Without `rules`, which could not be read then, any key may be named by one.
    pub(super) fn read(
        source: &Source,
        files: &Files,
        default: Language,
        rules: Option<&Rules>,
    ) -> Result<Self, Vec<Problem>> {
        let expected = rules.map(expected);
        let mut languages = BTreeMap::new();
        let mut problems = Vec::new();
        for (path, file) in files {
            let Some(tag) = language_tag(path) else {
                continue;
            };
            let known = languages.keys().copied().collect::<Vec<_>>();
            match language(tag, &known) {
                Ok(language) => {
                    let (texts, mut found) = check(file, expected.as_ref());
                    problems.append(&mut found);
                    languages.insert(language, texts);
                }
                Err(problem) => problems.push(problem.in_file(&file.name)),
            }
        }
        if !languages.contains_key(&default) {
            problems.push(
                Problem::new(
                    "",
                    format!("is missing, and `{default}` is the default language"),
                )
                .in_file(source.name_of(&format!("texts/{default}.toml")))
                .help("write it, or name another default language in the configuration"),
            );
        }
        match problems.as_slice() {
            [] => Ok(Self { default, languages }),
            _ => Err(problems),
        }
    }

    /// Gives a text in a language, else in the default one.
    pub(super) fn get(&self, key: &str, language: Language) -> Option<&str> {
        let of = |language| self.languages.get(&language)?.get(key);
        of(language)
            .or_else(|| of(self.default))
            .map(String::as_str)
    }

    /// Gives the language in which texts are said to who speaks `language`.
    pub(super) fn spoken(&self, language: Language) -> Language {
        match self.languages.contains_key(&language) {
            true => language,
            false => self.default,
        }
    }

    /// Gives the languages that have texts.
    pub(super) fn languages(&self) -> impl Iterator<Item = Language> {
        self.languages.keys().copied()
    }
}

/// Gives the keys that each language has to have, and what each is for.
fn expected(rules: &Rules) -> BTreeMap<String, String> {
    let by_rule = rules.iter().filter_map(|rule| match &rule.action {
        Action::Reply { text } | Action::Offer { text } => {
            Some((text.clone(), format!("the rule `{}` says it", rule.name)))
        }
        Action::Escalate
        | Action::OptOut
        | Action::OptIn
        | Action::Return
        | Action::Ignore
        | Action::Assistant { .. } => None,
    });
    let required = REQUIRED.map(|(key, purpose)| (key.to_owned(), purpose.to_owned()));
    by_rule.chain(required).collect()
}

fn language(tag: &str, known: &[Language]) -> Result<Language, Problem> {
    let language = Language::from_str(tag).map_err(|_| {
        Problem::new("", format!("`{tag}` is not a language"))
            .help("name the file by the language's two letters, such as en.toml")
    })?;
    if known.contains(&language) {
        return Err(
            Problem::new("", format!("is a second file for `{language}`"))
                .help("regions are not told apart: keep one of the two"),
        );
    }
    Ok(language)
}

/// Reads one file of texts, and says what is wrong with it.
fn check(
    file: &File,
    expected: Option<&BTreeMap<String, String>>,
) -> (BTreeMap<String, String>, Vec<Problem>) {
    let here = |problem: Problem| problem.in_file(&file.name);
    let mut texts = BTreeMap::new();
    let table = match toml::from_str::<Table>(&file.text) {
        Ok(table) => table,
        Err(error) => {
            let problem = Problem::new("", error.message()).at(error.span());
            return (texts, vec![here(problem)]);
        }
    };
    let mut problems = Vec::new();
    if table.len() > TEXTS_MAX {
        problems.push(here(Problem::new(
            "",
            format!("has more than {TEXTS_MAX} texts"),
        )));
    }
    for (key, value) in table {
        let problem = match expected {
            Some(expected) if !expected.contains_key(key.as_ref()) => {
                let known = expected.keys().map(String::as_str).collect::<Vec<_>>();
                Some(
                    Problem::new(key.as_ref(), "is a text that nothing sends")
                        .at(Some(key.span()))
                        .help(format!("there are: {}", known.join(", "))),
                )
            }
            _ => fault(value.as_ref())
                .or_else(|| unfilled(key.as_ref(), value.as_ref()))
                .map(|fault| Problem::new(key.as_ref(), fault).at(Some(value.span()))),
        };
        problems.extend(problem.map(here));
        if let toml::Value::String(text) = value.into_inner() {
            texts.insert(key.into_inner(), text);
        }
    }
    for (key, purpose) in expected.into_iter().flatten() {
        // A text that is there but is no string has its problem already.
        let is_named = problems.iter().any(|problem| problem.key == *key);
        if !texts.contains_key(key) && !is_named {
            let help = format!("{purpose}; the shipped folder's `texts` has one to copy");
            problems.push(here(Problem::new(key, "is missing").help(help)));
        }
    }
    (texts, problems)
}

/// What is filled in, and in which texts.
const PLACEHOLDERS: [(&str, &str); 2] =
    [(key::HANDOFF_CLOSED, OPENS), (key::HANDOFF_MESSAGE, OPENS)];

/// Stands for when people are back.
pub(super) const OPENS: &str = "{opens}";

/// Says which placeholder of a text nothing fills in, or which one it lacks. Texts without placeholders are sent as they
/// stand.
fn unfilled(key: &str, value: &toml::Value) -> Option<String> {
    let text = value.as_str()?;
    let (_, placeholder) = PLACEHOLDERS.into_iter().find(|(known, _)| *known == key)?;
    let mut rest = text.replace(placeholder, "");
    if rest.len() == text.len() {
        return Some(format!(
            "does not say when: write `{placeholder}` in its place"
        ));
    }
    rest.retain(|letter| matches!(letter, '{' | '}'));
    let message = format!("has a placeholder that nothing fills in: there is only `{placeholder}`");
    (!rest.is_empty()).then_some(message)
}

/// Says what keeps a value from being sent as it is.
fn fault(value: &toml::Value) -> Option<String> {
    let Some(text) = value.as_str() else {
        return Some("must be a text in quotes".to_owned());
    };
    let length = text.encode_utf16().count();
    if text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    if length > TEXT_UTF16_MAX {
        return Some(format!(
            "has {length} characters, {} too many for a WhatsApp message",
            length - TEXT_UTF16_MAX
        ));
    }
    if let Some(delimiter) = DELIMITERS.into_iter().find(|with| text.contains(with)) {
        return Some(format!(
            "contains `{delimiter}`, but texts are sent as they stand: nothing is filled in"
        ));
    }
    let is_control = |character: &char| character.is_control() && *character != '\n';
    let control = text.chars().find(is_control)?;
    Some(format!(
        "contains the control character {}",
        control.escape_unicode()
    ))
}
