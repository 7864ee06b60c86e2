//! From text to values: every mistake of shape is found, with its place, not only the first.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;
use crate::problem::Problem;
use crate::redact::LiteralSecret;

/// Environment variables that override keys begin with this; two underscores stand for a dot.
const OVERRIDE: &str = "FRONTDESK__";

/// Mistakes of shape that are looked for; who made more has enough to do.
const MISTAKES: usize = 50;

/// The environment, read once.
#[derive(Clone, Default)]
pub struct Environment(pub(super) BTreeMap<String, String>);

impl Environment {
    /// Reads the process's own. What is not Unicode is left out.
    pub fn of_process() -> Self {
        let text = |name: std::ffi::OsString| name.into_string().ok();
        Self(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
                .collect(),
        )
    }

    /// Makes one of these variables; for tests.
    pub fn of<const N: usize>(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        )
    }

    /// Gives the same with another variable, or with another value of it.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Gives the same with a variable that overrides a key, a path with dots.
    #[must_use]
    pub fn overriding(self, key: &str, value: &str) -> Self {
        let name = key.replace('.', "__").to_ascii_uppercase();
        self.with(&format!("{OVERRIDE}{name}"), value)
    }

    /// Gives the value of a variable.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Gives each variable that overrides a key: its name, the key as a path, the value.
    fn overrides(&self) -> impl Iterator<Item = (&str, Vec<String>, &str)> {
        self.0.iter().filter_map(|(name, value)| {
            let path = name.strip_prefix(OVERRIDE)?.to_ascii_lowercase();
            let path = path.split("__").map(str::to_owned).collect();
            Some((name.as_str(), path, value.as_str()))
        })
    }

    /// Gives the variable whose value stands at a place beyond the text; see [`place_of`].
    pub(super) fn variable_at(&self, text: &str, place: &Range<usize>) -> Option<&str> {
        let index = place.start.checked_sub(text.len() + 1)? / 2;
        self.overrides().nth(index).map(|(name, ..)| name)
    }
}

/// What was read.
pub(super) struct Read {
    /// The configuration, as far as it took shape.
    pub(super) config: Option<Config>,
    /// Whether nothing of the file had to be left out.
    pub(super) is_whole: bool,
    /// Where each key stands.
    pub(super) places: Places,
}

/// Where each key stands in the file.
#[derive(Default)]
pub(super) struct Places(BTreeMap<String, Range<usize>>);

impl Places {
    /// Gives the place of a key, else of the nearest table around it.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        let mut key = key;
        loop {
            if let Some(span) = self.0.get(key) {
                return Some(span.clone());
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

/// Reads a text. What has the wrong shape is reported and left out, until the rest takes shape.
pub(super) fn read(text: &str, environment: &Environment) -> (Read, Vec<Problem>) {
    let (mut root, errors) = DeTable::parse_recoverable(text);
    let mut problems: Vec<Problem> = errors.iter().map(|error| mistake("", error)).collect();
    if !problems.is_empty() {
        return (
            Read {
                config: None,
                is_whole: false,
                places: Places::default(),
            },
            problems,
        );
    }
    for (index, (_, path, value)) in environment.overrides().enumerate() {
        set(root.get_mut(), &path, value, &place_of(text, index));
    }
    let mut places = Places::default();
    note(root.get_ref(), "", &mut places.0);
    let config = loop {
        match Config::deserialize(Deserializer::from(root.clone())) {
            Ok(config) => break Some(config),
            Err(error) => {
                let left_out = error
                    .span()
                    .and_then(|span| leave_out(root.get_mut(), "", &span));
                let key = left_out.clone().unwrap_or_default();
                if !follows(&key, error.message(), &problems) {
                    problems.push(mistake(&key, &error));
                }
                if left_out.is_none() || problems.len() == MISTAKES {
                    break None;
                }
            }
        }
    };
    (
        Read {
            config,
            is_whole: problems.is_empty(),
            places,
        },
        problems,
    )
}

/// Gives the place of an override: beyond the text, each its own, by which a mistake in it is found again.
fn place_of(text: &str, index: usize) -> Range<usize> {
    let start = text.len() + 2 * index + 1;
    start..start + 1
}

/// Tells whether a field is missed only because it had the wrong shape, which was told already.
fn follows(table: &str, message: &str, told: &[Problem]) -> bool {
    let field = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    field.is_some_and(|field| told.iter().any(|problem| problem.key == join(table, field)))
}

fn mistake(key: &str, error: &toml::de::Error) -> Problem {
    let literal = LiteralSecret.to_string();
    // Of another shape, the value would stand in the message itself.
    let is_secret =
        error.message() == literal || names_secret(key) && error.message().starts_with("invalid");
    let message = match is_secret {
        true => literal,
        false => plainly(error.message()),
    };
    Problem {
        is_secret,
        ..Problem::new(key, message).at(error.span())
    }
}

/// Says what the parser found in words that need no knowledge of it.
fn plainly(message: &str) -> String {
    const TYPES: [(&str, &str); 12] = [
        ("struct ", "a table"),
        ("a map", "a table"),
        ("a sequence", "a list in brackets"),
        ("a string", "a text in quotes"),
        ("a boolean", "`true` or `false`"),
        ("a nonzero ", "a whole number from 1"),
        ("usize", "a whole number from 0"),
        ("u16", "a whole number from 0"),
        ("u32", "a whole number from 0"),
        ("u64", "a whole number from 0"),
        ("f64", "a number"),
        ("string or table", "one of the words for it, in quotes"),
    ];
    let message = message.replace('\n', "; ");
    let Some((found, expected)) = message.split_once(", expected ") else {
        return message.replace(
            "invalid socket address syntax",
            "expected an address and a port, such as `127.0.0.1:8080`",
        );
    };
    let Some(found) = found
        .strip_prefix("invalid type: ")
        .or_else(|| found.strip_prefix("invalid value: "))
    else {
        return message;
    };
    let plain = TYPES.iter().find(|(name, _)| expected.starts_with(name));
    let expected = plain.map_or(expected, |(_, plain)| plain);
    format!("expected {expected}, found {found}")
}

/// Ends of the names of keys whose values are secret, also of such as we do not know but somebody may write.
const SECRET_NAMES: [&str; 6] = ["key", "keys", "secret", "secrets", "token", "password"];

/// The table whose keys are named by others, and whose values are secret.
const SECRET_TABLE: &str = "traces.headers";

/// Tells whether the value of a key is secret: `api_key`, `signing_key`, `secrets`.
pub fn names_secret(key: &str) -> bool {
    if key.starts_with(SECRET_TABLE) {
        return true;
    }
    let name = key.rsplit('.').next().unwrap_or_default();
    let name = name
        .split('[')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    SECRET_NAMES.iter().any(|end| name.ends_with(end))
}

/// Writes down where keys stand: a value's own place, a table's key.
fn note(table: &DeTable<'_>, prefix: &str, places: &mut BTreeMap<String, Range<usize>>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        let place = if value.get_ref().is_table() {
            key.span()
        } else {
            value.span()
        };
        if !place.is_empty() {
            places.insert(path.clone(), place);
        }
        match value.get_ref() {
            DeValue::Table(table) => note(table, &path, places),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    places.insert(format!("{path}[{index}]"), item.span());
                }
            }
            _ => {}
        }
    }
}

/// Removes the innermost entry whose key or value stands at `span`. Gives its path.
fn leave_out(table: &mut DeTable<'_>, prefix: &str, span: &Range<usize>) -> Option<String> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let path = join(prefix, key.get_ref());
        if let DeValue::Table(inner) = value.get_mut()
            && let Some(path) = leave_out(inner, &path, span)
        {
            return Some(path);
        }
        let holds = value.span().start <= span.start && span.end <= value.span().end;
        if key.span() == *span || holds && !span.is_empty() {
            found = Some((key.clone(), path));
        }
    }
    let (key, path) = found?;
    table.remove(&key);
    Some(path)
}

/// Puts a value where an environment variable says; it is read as TOML where it can be, else as text.
fn set<'i>(table: &mut DeTable<'i>, path: &[String], value: &'i str, place: &Range<usize>) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    let key = Spanned::new(place.clone(), first.clone().into());
    if rest.is_empty() {
        let parsed = DeValue::parse(value).map(Spanned::into_inner);
        let value = parsed.unwrap_or_else(|_| DeValue::String(value.into()));
        table.insert(key, moved(value, place));
        return;
    }
    if !table
        .get(&key)
        .is_some_and(|value| value.get_ref().is_table())
    {
        table.insert(
            key.clone(),
            Spanned::new(place.clone(), DeValue::Table(DeTable::new())),
        );
    }
    if let Some(DeValue::Table(inner)) = table.get_mut(&key).map(Spanned::get_mut) {
        set(inner, rest, value, place);
    }
}

/// Moves a value with everything in it to one place: where it stood in its variable, the file has something else.
fn moved<'i>(value: DeValue<'i>, place: &Range<usize>) -> Spanned<DeValue<'i>> {
    let value = match value {
        DeValue::Array(items) => DeValue::Array(
            items
                .into_iter()
                .map(|item| moved(item.into_inner(), place))
                .collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let key = Spanned::new(place.clone(), key.into_inner());
                    (key, moved(value.into_inner(), place))
                })
                .collect(),
        ),
        value => value,
    };
    Spanned::new(place.clone(), value)
}

fn join(prefix: &str, key: &str) -> String {
    match prefix {
        "" => key.to_owned(),
        prefix => format!("{prefix}.{key}"),
    }
}
