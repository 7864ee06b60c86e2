//! Profiles: which server the stand-in is. A profile is a row of data; what differs in shape is a small function.

mod odd;
mod servers;

use serde_json::Value;

use super::super::Answer;
use super::hint::Hint;
use super::trouble::{Invalid, Trouble};

/// One server: what it takes, how it complains, how it answers.
#[derive(Debug)]
pub struct Profile {
    /// Its name, by which it is chosen.
    pub name: &'static str,
    /// What is peculiar about it, in one line.
    pub about: &'static str,

    /// Where its API begins; `*` stands for any name of a deployment.
    pub(super) base: &'static str,
    /// What it makes of the query parameter `api-version`.
    pub(super) api_version: ApiVersion,
    /// Where it looks for the key.
    pub(super) key: Key,
    /// The roles that messages may have.
    pub(super) roles: &'static [&'static str],
    /// The types of `response_format` that it takes.
    pub(super) formats: &'static [&'static str],
    /// What it does with a field that it does not know.
    pub(super) unknown: Unknown,
    /// Fields of OpenAI that it does not know.
    pub(super) lacks: &'static [&'static str],
    /// Fields that it takes beyond those of OpenAI.
    pub(super) extra: &'static [&'static str],
    /// Whether it takes no temperature but 1.
    pub(super) fixed_temperature: bool,

    /// How it words a refusal.
    pub(super) refusal: fn(&Invalid) -> Answer,
    /// What it says to every question.
    pub(super) always: Option<Trouble>,
    /// How it says how long to wait.
    pub(super) hints: &'static [Hint],

    /// What stands around an object that it was asked for.
    pub(super) wrap: Wrap,
    /// Where its reasoning stands.
    pub(super) reasoning: Reasoning,
    /// How it writes a tool call.
    pub(super) call: Call,
    /// How it counts tokens.
    pub(super) usage: Usage,
    /// What else is peculiar about its completions.
    pub(super) touch: fn(&mut Value),
}

/// What a server makes of the query parameter `api-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ApiVersion {
    Ignored,
    Needed,
    Forbidden,
}

/// Where a server looks for the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// In `Authorization: Bearer`, which may be missing unless a key is set.
    Bearer,
    /// In the header `api-key`, which has to be there.
    OwnHeader,
    /// In either.
    Either,
}

/// What a server does with what it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    Refused,
    Ignored,
}

/// What a model writes around an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrap {
    /// Nothing; and an object only where the request has a format for it.
    Nothing,
    /// A code fence; an object wherever the messages speak of JSON.
    Fence,
    /// Words; an object wherever the messages speak of JSON.
    Words,
}

/// Where a model's reasoning stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reasoning {
    None,
    /// In this field of the message.
    Field(&'static str),
    /// Nowhere, but it takes so many tokens of the cap.
    Hidden(u64),
    /// In the content, before the answer, between tags.
    Tags,
    /// In the content, before the answer, with a closing tag alone.
    Unopened,
    /// In the content, after the answer, with an opening tag alone.
    Unclosed,
}

/// How a server writes a tool call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The id; empty where the server leaves it so.
    pub(super) id: &'static str,
    /// Whether it has a `type`.
    pub(super) has_type: bool,
    /// Whether the arguments are an object, and no text that holds one.
    pub(super) as_object: bool,
    /// The finish reason.
    pub(super) finish: &'static str,
}

/// How a server counts tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Usage {
    /// As OpenAI does: what its cache held is within the prompt.
    Full,
    /// As `DeepSeek` does: hits and misses of the cache, both within the prompt.
    HitsAndMisses,
    /// As Anthropic does: what its cache held is beside the prompt.
    Beside,
    /// With `null` for the count of the answer.
    Partial,
    /// Without a total.
    NoTotal,
    /// With numbers that have a fraction.
    Floats,
    /// `null`.
    Null,
    /// Not at all.
    Missing,
}

impl Profile {
    /// Gives every profile: first the servers, then single oddities of their answers.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        servers::ALL.iter().chain(odd::ALL)
    }

    /// Finds a profile by its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|profile| profile.name == name)
    }

    /// Gives the base URL on a host, as a client wants it; a deployment is called `stand-in`.
    pub(super) fn url(&self, host: impl std::fmt::Display) -> String {
        format!("http://{host}{}", self.base.replace('*', "stand-in"))
    }

    /// Gives what follows the base in a path; `None` where the path is outside.
    pub(super) fn below<'a>(&self, path: &'a str) -> Option<&'a str> {
        match self.base.split_once('*') {
            Some((start, _)) => {
                let rest = path.strip_prefix(start)?;
                let end = rest.find('/').filter(|end| *end > 0)?;
                Some(&rest[end..])
            }
            // The usual base may be left out: who tries it by hand forgets it.
            None if self.base == "/v1" => Some(path.strip_prefix("/v1").unwrap_or(path)),
            None => path.strip_prefix(self.base),
        }
    }

    /// Tells whether the path names the model, so that the body need not.
    pub(super) fn has_deployments(&self) -> bool {
        self.base.contains('*')
    }

    /// Tells whether it takes this type of `response_format`.
    pub(super) fn takes_format(&self, format: &str) -> bool {
        self.formats.contains(&format)
    }
}

impl Default for &'static Profile {
    fn default() -> Self {
        &servers::OPENAI
    }
}

#[cfg(test)]
mod tests;
