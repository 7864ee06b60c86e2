//! The templates: compiled, checked with samples, rendered within limits.

use std::io::{self, Write};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, ErrorKind, Output, State, UndefinedBehavior, escape_formatter};

use super::context::{Constants, OPEN};
use super::fault;
use super::source::{self, File, Files};
use crate::problem::Problem;

/// Steps that a template may take; the shipped ones take some hundreds, a loop in a loop over a large table 20,000.
const FUEL: u64 = 100_000;

/// What a model with a window of 128,000 tokens can take besides a conversation.
pub(super) const RENDERED_BYTES_MAX: usize = 128 * 1024;

/// The templates of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// The system prompt.
    System,
    /// What the model is told of the customer.
    Customer,
    /// The system prompt of the summary that people get.
    Summary,
    /// The system prompt of the running summary that the assistant keeps.
    MemorySummary,
}

impl Template {
    pub(super) const ALL: [Self; 4] = [
        Self::System,
        Self::Customer,
        Self::Summary,
        Self::MemorySummary,
    ];

    /// Gives the name of its file.
    pub(super) fn file(self) -> &'static str {
        match self {
            Self::System => "system.md",
            Self::Customer => "customer.md",
            Self::Summary => "summary.md",
            Self::MemorySummary => "memory_summary.md",
        }
    }

    /// Tells whether every folder has one; in place of another the built-in one serves.
    pub(super) fn is_required(self) -> bool {
        self != Self::MemorySummary
    }
}

/// Says that a template which was in order when it was loaded could not be rendered.
///
/// It tells the place and the kind of the error alone: more could hold a customer's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {kind}")]
pub struct PromptError {
    /// The template.
    pub file: &'static str,
    /// The line in it, from 1; 0 where it is not known.
    pub line: usize,
    /// What went wrong.
    pub kind: ErrorKind,
}

/// The checked templates of a folder.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    /// Compiles the templates that there are, and renders each with samples.
    pub(super) fn compile(files: &Files, constants: &Constants) -> Result<Self, Vec<Problem>> {
        let mut templates = Self(environment());
        let mut problems = Vec::new();
        for template in Template::ALL {
            let shipped = (!template.is_required())
                .then(|| source::shipped(template.file()))
                .flatten();
            if let Some(file) = files.get(template.file()).or(shipped.as_ref()) {
                problems.extend(templates.add(template, file, constants));
            }
        }
        match problems.as_slice() {
            [] => Ok(templates),
            _ => Err(problems),
        }
    }

    /// Renders a template, without the white space around it.
    pub(super) fn render(&self, template: Template, context: Value) -> Result<String, PromptError> {
        self.try_render(template, context)
            .map_err(|error| PromptError {
                file: template.file(),
                line: error.line().unwrap_or_default(),
                kind: error.kind(),
            })
    }

    fn try_render(&self, template: Template, context: Value) -> Result<String, minijinja::Error> {
        let mut page = Page(Vec::new());
        self.0
            .get_template(template.file())?
            .render_captured_to(context, &mut page)?;
        let text = String::from_utf8_lossy(&page.0);
        Ok(text.trim().replace("\r\n", "\n"))
    }

    /// Adds a template, and gives what is wrong with it.
    fn add(&mut self, template: Template, file: &File, constants: &Constants) -> Vec<Problem> {
        let here = |problem: Problem| problem.in_file(&file.name);
        let added = self
            .0
            .add_template_owned(template.file(), file.text.clone());
        if let Err(error) = added {
            return vec![here(fault::of(&error, &file.text))];
        }
        let mentions = self.mentions(template);
        let samples = constants.samples(template, &mentions);
        let unknown = samples.first().map_or_else(Vec::new, |everything| {
            let unknown = mentions.iter().filter(|name| is_unknown(name, everything));
            unknown
                .map(|name| {
                    here(fault::unknown(
                        template,
                        name,
                        &file.text,
                        &names(everything),
                    ))
                })
                .collect()
        });
        if !unknown.is_empty() {
            return unknown;
        }
        for sample in samples {
            match self.try_render(template, sample) {
                Ok(text) if text.is_empty() => {
                    return vec![here(Problem::new("", "says nothing"))];
                }
                Ok(_) => {}
                Err(error) => return vec![here(fault::of(&error, &file.text))],
            }
        }
        Vec::new()
    }

    /// Gives the names that a template asks for anywhere, sorted, also where no sample leads.
    fn mentions(&self, template: Template) -> Vec<String> {
        let built_in = self.0.globals().map(|(name, _)| name).collect::<Vec<_>>();
        let compiled = self.0.get_template(template.file());
        let names = compiled.map(|compiled| compiled.undeclared_variables(true));
        let mut names = names
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !built_in.contains(&name.as_str()))
            .collect::<Vec<_>>();
        names.sort_unstable();
        names
    }
}

/// Makes the engine: strict, without a loader, and with no way from one template to another.
fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelt name is found by `is_unknown` already; `{% if customer.name %}` has to work without a name.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    environment.set_formatter(print);
    // Customer data comes in by `customer.md` alone, so no template may pull in another.
    environment.set_path_join_callback(|_, _| "".into());
    // INVARIANT: only delimiters of one's own could be refused.
    if let Ok(syntax) = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
    {
        environment.set_syntax(syntax);
    }
    environment
}

/// Prints a value. In `customer.md` all of them are JSON, whatever a template says: customers write some of them.
fn print(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    if state.name() != Template::Customer.file() {
        return escape_formatter(out, state, value);
    }
    let json = serde_json::to_string(value)
        .map_err(|_| minijinja::Error::from(ErrorKind::BadSerialization))?;
    for character in json.chars() {
        if is_active(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
        } else {
            out.write_str(character.encode_utf8(&mut [0; 4]))?;
        }
    }
    Ok(())
}

/// Tells whether a character could close the block that data stands in, or hide words from whoever reads along.
fn is_active(character: char) -> bool {
    let is_hidden = matches!(character,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    character.is_control() || is_hidden || matches!(character, '<' | '>' | '`')
}

/// Tells whether a name with dots leads nowhere even in a context that has everything.
fn is_unknown(name: &str, everything: &Value) -> bool {
    let mut value = everything.clone();
    let mut walked = String::new();
    for part in name.split('.') {
        if value.kind() != ValueKind::Map || OPEN.contains(&walked.as_str()) {
            return false;
        }
        value = value.get_attr(part).unwrap_or_default();
        if value.is_undefined() {
            return true;
        }
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(part);
    }
    false
}

/// Lists the names that a context has.
fn names(context: &Value) -> Vec<String> {
    let keys = |value: &Value| {
        let keys = value.try_iter().into_iter().flatten();
        keys.map(|key| key.to_string()).collect::<Vec<_>>()
    };
    let mut names = Vec::new();
    for name in keys(context) {
        let value = context.get_attr(&name).unwrap_or_default();
        if value.kind() == ValueKind::Map && !OPEN.contains(&name.as_str()) {
            names.extend(keys(&value).iter().map(|part| format!("{name}.{part}")));
        } else {
            names.push(name);
        }
    }
    names
}

/// Takes what a template prints, up to the limit.
struct Page(Vec<u8>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > RENDERED_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
