//! Reading a table key by key: what is not asked for is not known, and is said so.

use std::ops::Range;
use std::time::Duration;

use super::yaml::{Key, Kind, Node};
use crate::duration;
use crate::problem::Problem;

/// What is found wrong, with the name of the file.
pub(super) struct Findings {
    file: String,
    /// All of it, in the order in which it was found.
    pub(super) problems: Vec<Problem>,
}

impl Findings {
    /// Begins with nothing.
    pub(super) fn of(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            problems: Vec::new(),
        }
    }

    /// Adds what is wrong with a key.
    pub(super) fn add(&mut self, key: &str, place: &Range<usize>, message: &str, help: &str) {
        let problem = Problem::new(key, message).at(Some(place.clone()));
        self.note(match help {
            "" => problem,
            help => problem.help(help),
        });
    }

    /// Adds a problem that has its place already.
    pub(super) fn note(&mut self, problem: Problem) {
        self.problems.push(problem.in_file(&self.file));
    }
}

/// A table, of which keys are taken until none is left.
pub(super) struct Table<'a> {
    /// The path of the table.
    pub(super) path: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
    left: Vec<&'a (Key, Node)>,
    known: Vec<&'static str>,
}

/// A value of a table, with its path.
#[derive(Clone)]
pub(super) struct Field<'a> {
    /// The path.
    pub(super) path: String,
    /// The value.
    pub(super) node: &'a Node,
}

impl<'a> Table<'a> {
    /// Takes a value that has to be a table.
    pub(super) fn of(field: &Field<'a>, findings: &mut Findings) -> Option<Self> {
        let Kind::Table(entries) = &field.node.kind else {
            field.wrong("expected keys with values", findings);
            return None;
        };
        Some(Self {
            path: field.path.clone(),
            span: field.node.span.clone(),
            left: entries.iter().collect(),
            known: Vec::new(),
        })
    }

    /// Gives the path of a key in it.
    pub(super) fn key(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }

    /// Takes the value of a key; nothing where it is missing or empty.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        let at = self.left.iter().position(|(key, _)| key.name == name)?;
        let (_, node) = self.left.remove(at);
        let field = Field {
            path: self.key(name),
            node,
        };
        (!node.is_null()).then_some(field)
    }

    /// Takes a key whatever its value, also an empty one.
    pub(super) fn take_any(&mut self, name: &'static str) -> Option<Field<'a>> {
        self.known.push(name);
        let at = self.left.iter().position(|(key, _)| key.name == name)?;
        let (_, node) = self.left.remove(at);
        let path = self.key(name);
        Some(Field { path, node })
    }

    /// Takes all that is left.
    pub(super) fn rest(&mut self) -> Vec<(&'a Key, Field<'a>)> {
        let left = std::mem::take(&mut self.left).into_iter();
        left.map(|(key, node)| {
            let path = self.key(&key.name);
            (key, Field { path, node })
        })
        .collect()
    }

    /// Complains of keys that nobody asked for.
    pub(super) fn finish(self, findings: &mut Findings) {
        let mut known = self.known.clone();
        known.sort_unstable();
        known.dedup();
        let help = format!("there are: {}", known.join(", "));
        for (key, _) in &self.left {
            let path = self.key(&key.name);
            findings.add(&path, &key.span, "is not known here", &help);
        }
    }
}

impl Field<'_> {
    /// Says what is wrong with it.
    pub(super) fn wrong(&self, message: &str, findings: &mut Findings) {
        self.cured(message, "", findings);
    }

    /// Says what is wrong with it, and what to do.
    pub(super) fn cured(&self, message: &str, help: &str, findings: &mut Findings) {
        findings.add(&self.path, &self.node.span, message, help);
    }

    /// Gives its items: those of a list, else itself.
    pub(super) fn items(&self) -> Vec<Self> {
        match &self.node.kind {
            Kind::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, node)| Self {
                    path: format!("{}[{index}]", self.path),
                    node,
                })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Gives its items, where it has to be a list.
    pub(super) fn list(&self, findings: &mut Findings) -> Vec<Self> {
        if matches!(self.node.kind, Kind::List(_)) {
            return self.items();
        }
        let message = format!("expected a list, found {}", self.node.described());
        self.cured(&message, "begin each item with `- `", findings);
        Vec::new()
    }

    /// Gives its text.
    pub(super) fn text(&self, findings: &mut Findings) -> Option<String> {
        let text = self.node.text().map(str::to_owned);
        if text.is_none() {
            let found = self.node.described();
            self.wrong(&format!("expected a text, found {found}"), findings);
        }
        text
    }

    /// Gives its texts: of a list, or one.
    pub(super) fn texts(&self, findings: &mut Findings) -> Vec<String> {
        let items = self.items().into_iter();
        items.filter_map(|item| item.text(findings)).collect()
    }

    /// Gives its whole number.
    pub(super) fn whole(&self, findings: &mut Findings) -> Option<u64> {
        let number = self.node.text().and_then(|text| text.parse().ok());
        if number.is_none() {
            self.wrong("expected a whole number from 0", findings);
        }
        number
    }

    /// Gives its number.
    pub(super) fn number(&self, findings: &mut Findings) -> Option<f64> {
        let number: Option<f64> = self.node.text().and_then(|text| text.parse().ok());
        let number = number.filter(|number| number.is_finite() && *number >= 0.0);
        if number.is_none() {
            self.wrong("expected a number from 0", findings);
        }
        number
    }

    /// Gives its time.
    pub(super) fn duration(&self, findings: &mut Findings) -> Option<Duration> {
        match duration::parse(self.node.text().unwrap_or_default()) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.wrong(&message, findings);
                None
            }
        }
    }

    /// Gives what a word of a short list stands for.
    pub(super) fn one_of<T: Copy>(
        &self,
        words: &[(&'static str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let text = self.node.text().unwrap_or_default();
        let found = words.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let help = format!("one of: {}", words.join(", "));
            self.cured(&format!("`{text}` is not known here"), &help, findings);
        }
        found.map(|(_, value)| *value)
    }
}
