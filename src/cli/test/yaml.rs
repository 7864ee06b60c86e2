//! YAML as a tree of places: what a person wrote, and where, so that each mistake can be shown where it stands.
//!
//! A text is what is written, number or not: nobody who writes `user: 12345` means anything but these digits. Anchors,
//! aliases and tags are refused: a file of conversations needs none, and without them no file grows beyond itself.

use std::ops::Range;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

use crate::problem::Problem;

/// Lists in lists: twice what the deepest test needs.
const DEPTH_MAX: usize = 24;

/// One value, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// The bytes of it.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A text, a number, a truth value or nothing.
    Scalar {
        /// What is written, without quotes.
        text: String,
        /// Whether it stands there without quotes, so that it may be a number.
        is_plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys with their values, in the order in which they stand.
    Table(Vec<(Key, Node)>),
}

/// A key of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: String,
    /// The bytes of it.
    pub(super) span: Range<usize>,
}

impl Node {
    /// Tells whether nothing is written there.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, is_plain: true }
            if ["", "~", "null", "Null", "NULL"].contains(&text.as_str()))
    }

    /// Gives the text, as it is written.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// Gives the value as JSON; a key with dots is a path.
    pub(super) fn json(&self) -> Value {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => Value::Null,
            Kind::Scalar { text, is_plain } => match is_plain {
                true => plain(text),
                false => Value::String(text.clone()),
            },
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Table(entries) => {
                let mut object = Map::new();
                for (key, node) in entries {
                    let path: Vec<&str> = key.name.split('.').collect();
                    put(&mut object, &path, node.json());
                }
                Value::Object(object)
            }
        }
    }

    /// Says in a few words what it is.
    pub(super) fn described(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Table(_) => "keys with values",
        }
    }
}

/// Reads what stands without quotes as YAML 1.2 does.
fn plain(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => text
            .parse::<Number>()
            .map_or_else(|_| Value::String(text.to_owned()), Value::Number),
    }
}

fn put(object: &mut Map<String, Value>, path: &[&str], value: Value) {
    match path {
        [] => {}
        [name] => drop(object.insert((*name).to_owned(), value)),
        [first, rest @ ..] => {
            let inner = object.entry(*first).or_insert_with(|| Map::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Reads one document.
pub(super) fn read(text: &str) -> Result<Node, Problem> {
    let mut tree = Tree {
        events: Parser::new_from_str(text),
        places: Places::of(text),
    };
    let node = loop {
        match tree.next()? {
            (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
            (Event::StreamEnd, span) => {
                return Err(Problem::new("", "is empty").at(Some(span)));
            }
            (event, span) => break tree.node(event, span, 0)?,
        }
    };
    loop {
        match tree.next()? {
            (Event::StreamEnd, _) => return Ok(node),
            (Event::DocumentStart(_), span) => {
                let problem = Problem::new("", "a second document begins here");
                return Err(problem
                    .at(Some(span))
                    .help("write one document a file, without `---` between"));
            }
            _ => {}
        }
    }
}

/// Where each character stands, in bytes: the parser counts characters.
struct Places(Vec<usize>);

impl Places {
    fn of(text: &str) -> Self {
        let starts = text.char_indices().map(|(at, _)| at);
        Self(starts.chain([text.len()]).collect())
    }

    fn byte(&self, marker: &Marker) -> usize {
        let end = self.0.last().copied().unwrap_or_default();
        self.0.get(marker.index()).copied().unwrap_or(end)
    }

    fn span(&self, span: Span) -> Range<usize> {
        let start = self.byte(&span.start);
        start..self.byte(&span.end).max(start)
    }
}

struct Tree<'input, I: saphyr_parser::Input> {
    events: Parser<'input, I>,
    places: Places,
}

impl<'input, I: saphyr_parser::Input> Tree<'input, I> {
    fn next(&mut self) -> Result<(Event<'input>, Range<usize>), Problem> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, self.places.span(span))),
            Some(Err(error)) => {
                let at = self.places.byte(error.marker());
                let message = format!("is no YAML: {}", error.info());
                Err(Problem::new("", message).at(Some(at..at)).help(
                    "look at the indentation, and put texts with `: `, `#`, `[` or `{` into quotes",
                ))
            }
            None => Ok((Event::StreamEnd, 0..0)),
        }
    }

    fn node(
        &mut self,
        event: Event<'input>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Node, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::new("", "stands too deep in lists and tables").at(Some(span)));
        }
        let (anchor, has_tag) = match &event {
            Event::Scalar(_, _, anchor, tag) => (*anchor, tag.is_some()),
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.is_some())
            }
            _ => (0, false),
        };
        if anchor > 0 || has_tag || matches!(event, Event::Alias(_)) {
            let problem = Problem::new("", "anchors, aliases and tags are not read here");
            return Err(problem
                .at(Some(span))
                .help("write it out; a text that begins with `&`, `*` or `!` wants quotes"));
        }
        let kind = match event {
            Event::Scalar(text, style, ..) => Kind::Scalar {
                text: text.into_owned(),
                is_plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(..) => Kind::List(self.items(depth)?),
            Event::MappingStart(..) => Kind::Table(self.entries(depth)?),
            _ => Kind::Scalar {
                text: String::new(),
                is_plain: true,
            },
        };
        // A list ends where the next thing begins; its own last item says better where it ends.
        let end = match &kind {
            Kind::Scalar { .. } => span.end,
            Kind::List(items) => items.last().map_or(span.end, |item| item.span.end),
            Kind::Table(entries) => entries.last().map_or(span.end, |(_, node)| node.span.end),
        };
        Ok(Node {
            span: span.start..end.max(span.start),
            kind,
        })
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Key, Node)>, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd | Event::StreamEnd) {
                return Ok(entries);
            }
            let key = self.node(event, span, depth + 1)?;
            let Kind::Scalar { text, .. } = key.kind else {
                return Err(Problem::new("", "a key must be a word").at(Some(key.span)));
            };
            if entries.iter().any(|(other, _)| other.name == text) {
                return Err(Problem::new(text, "stands here twice").at(Some(key.span)));
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            let key = Key {
                name: text,
                span: key.span,
            };
            entries.push((key, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_read_with_their_places() {
        let text = "a: ['é', 007, \"1\"]\nb: {c.d: true, e: ~, f: 1.5}\n";
        let node = read(text).unwrap();
        assert_eq!(
            node.json(),
            json!({"a": ["é", "007", "1"], "b": {"c": {"d": true}, "e": null, "f": 1.5}})
        );
        let Kind::Table(entries) = &node.kind else {
            panic!("{node:?}");
        };
        let (key, list) = &entries[0];
        assert_eq!(&text[key.span.clone()], "a");
        let Kind::List(items) = &list.kind else {
            panic!("{list:?}");
        };
        assert_eq!(items[1].text(), Some("007"));
        assert_eq!(&text[items[1].span.clone()], "007");
        assert_eq!(&text[entries[1].0.span.clone()], "b");
    }

    #[test]
    fn what_is_no_tree_is_refused_where_it_stands() {
        for (text, message, at) in [
            ("a: 1\na: 2\n", "twice", 5),
            ("a: &x 1\nb: *x\n", "anchors", 3),
            ("a: !!str 1\n", "anchors", 3),
            ("a: 1\n---\nb: 2\n", "second document", 5),
            ("", "is empty", 0),
            ("a: [1\nb: 2\n", "no YAML", 6),
            ("[a]: 1\n", "key must be a word", 0),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.message.contains(message), "{text}: {problem:?}");
            let start = problem.span.clone().unwrap().start;
            assert!(start.abs_diff(at) <= 6, "{text}: {problem:?}");
        }
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert!(read(&deep).unwrap_err().message.contains("deep"));
    }
}
