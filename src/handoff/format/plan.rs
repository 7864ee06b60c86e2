//! How a format says what to ask a desk next, and what it learns from an answer.
//!
//! A format decides by what is known alone, so that a plan goes on where an earlier attempt, or an earlier process,
//! left it: what the help desk named its ticket is kept in the store before anything else is asked.

use reqwest::Method;
use serde_json::Value;

use crate::store::DeskLink;

/// One request that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// What it is for.
    pub(crate) step: Step,
    /// The method.
    pub(crate) method: Method,
    /// What follows the desk's address.
    pub(crate) path: String,
    /// The query, as it is before it is encoded.
    pub(crate) query: Vec<(&'static str, String)>,
    /// Headers besides those of every request.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body, where it has one.
    pub(crate) body: Option<String>,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Looks for the customer by the id that we gave.
    FindContact,
    /// Looks for the customer by number.
    FindByPhone,
    /// Makes the customer known.
    MakeContact,
    /// Looks for what an earlier attempt may have opened.
    FindThread,
    /// Opens the ticket or conversation.
    MakeThread,
    /// Looks for what an earlier attempt may have posted.
    FindPost,
    /// Tells agents something.
    Note,
    /// Says what the customer said, or the event as a whole.
    Post,
    /// Closes the ticket or conversation.
    Close,
}

/// How far a plan has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// What is kept of it: the names at the desk.
    pub(crate) contact: Option<String>,
    /// The ticket or conversation at the desk.
    pub(crate) thread: Option<String>,
    /// What was done in this attempt, or found done.
    pub(crate) done: Vec<Step>,
    /// What the desk would not take: the step goes again without the part that it can do without.
    pub(crate) refused: Vec<Step>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learnt {
    /// The plan goes on.
    Goes,
    /// The desk refused.
    Refused,
    /// The desk did what was asked, but its answer lacks what the plan needs.
    Unreadable,
}

impl Request {
    /// Makes a request without a body.
    pub(crate) fn get(step: Step, path: String) -> Self {
        Self {
            step,
            method: Method::GET,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// Makes a request that carries JSON.
    pub(crate) fn json(step: Step, method: Method, path: String, body: &Value) -> Self {
        Self {
            method,
            body: Some(body.to_string()),
            ..Self::get(step, path)
        }
    }

    /// Makes a request that posts JSON.
    pub(crate) fn post(step: Step, path: String, body: &Value) -> Self {
        Self::json(step, Method::POST, path, body)
    }

    /// Adds a parameter to the query.
    pub(crate) fn ask(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl Progress {
    /// Begins where the store says that an earlier event ended.
    pub(crate) fn from(link: Option<&DeskLink>) -> Self {
        Self {
            contact: link.and_then(|link| link.contact.clone()),
            thread: link.and_then(|link| link.thread.clone()),
            ..Self::default()
        }
    }

    /// Tells whether a step is behind us.
    pub(crate) fn has(&self, step: Step) -> bool {
        self.done.contains(&step)
    }

    /// Notes that a step is behind us.
    pub(crate) fn did(&mut self, step: Step) {
        if !self.has(step) {
            self.done.push(step);
        }
    }

    /// Tells whether the desk would not take a step as it was.
    pub(crate) fn was_refused(&self, step: Step) -> bool {
        self.refused.contains(&step)
    }
}

/// Gives an id of an answer as text: help desks use numbers, and not all of them only those.
pub(crate) fn id(answer: &Value, pointer: &str) -> Option<String> {
    match answer.pointer(pointer)? {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// Gives an id as JSON: a number where it is one, since help desks refuse numbers in quotes.
pub(crate) fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| id.into(), Value::from)
}

/// Gives what a list in an answer holds; nothing where there is none.
pub(crate) fn list<'a>(answer: &'a Value, pointer: &str) -> &'a [Value] {
    let found = answer.pointer(pointer).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}
