//! What is wrong with a template, said so that its author can mend it.

use std::ops::Range;

use minijinja::{Error, ErrorKind};

use super::template::{RENDERED_BYTES_MAX, Template};
use crate::problem::Problem;

/// Says what the template engine found.
pub(super) fn of(error: &Error, text: &str) -> Problem {
    let span = error
        .range()
        .filter(|range| text.get(range.clone()).is_some())
        .map(|range| whole_name(text, range))
        .or_else(|| line(text, error.line()?));
    let snippet = span
        .clone()
        .and_then(|span| text.get(span))
        .unwrap_or_default();
    let problem = match error.kind() {
        ErrorKind::UndefinedError => {
            Problem::new("", format!("`{snippet}` may be without a value")).help(absent(snippet))
        }
        ErrorKind::TemplateNotFound | ErrorKind::BadInclude => {
            Problem::new("", "asks for another template")
                .help("each template stands alone: `include`, `import` and `extends` lead nowhere")
        }
        ErrorKind::OutOfFuel => {
            Problem::new("", "takes too long to render").help("a prompt needs no loops in loops")
        }
        ErrorKind::WriteFailure => Problem::new(
            "",
            format!("renders to more than {} KiB", RENDERED_BYTES_MAX / 1024),
        ),
        kind => Problem::new(
            "",
            error
                .detail()
                .map_or_else(|| kind.to_string(), str::to_owned),
        ),
    };
    problem.at(span)
}

/// Says that a template asks for a name which it cannot have.
pub(super) fn unknown(template: Template, name: &str, text: &str, known: &[String]) -> Problem {
    let first = name.split('.').next().unwrap_or(name);
    let help = match (template, first) {
        (Template::System | Template::Summary | Template::MemorySummary, "customer") => format!(
            "customer data is not available in {}: use it in {}",
            template.file(),
            Template::Customer.file()
        ),
        _ => format!("there are: {}", known.join(", ")),
    };
    Problem::new("", format!("`{name}` is not known in {}", template.file()))
        .at(place(name, text))
        .help(help)
}

/// Says what to do about a value that is not always there.
fn absent(snippet: &str) -> String {
    let guard = format!("write it inside {{% if {snippet} %}} … {{% endif %}}");
    match snippet.strip_prefix("business.") {
        Some(fact) => format!("add `{fact}` to the business in the configuration, or {guard}"),
        None => guard,
    }
}

/// Finds where a name is used: as a whole word, inside a tag.
fn place(name: &str, text: &str) -> Option<Range<usize>> {
    text.match_indices(name)
        .find(|(at, _)| {
            let before = &text[..*at];
            let after = &text[at + name.len()..];
            let opened = before.rfind("{{").max(before.rfind("{%"));
            let closed = before.rfind("}}").max(before.rfind("%}"));
            opened > closed && !before.ends_with(is_part) && !after.starts_with(is_part)
        })
        .map(|(at, name)| at..at + name.len())
}

/// Begins a place with the whole name: the engine points at the last step of `customer.profile.city` alone.
fn whole_name(text: &str, place: Range<usize>) -> Range<usize> {
    text[..place.start].trim_end_matches(is_part).len()..place.end
}

/// Tells whether a character belongs to a name with dots.
fn is_part(character: char) -> bool {
    character.is_alphanumeric() || "_.".contains(character)
}

/// Gives the bytes of a line, counted from 1.
fn line(text: &str, number: usize) -> Option<Range<usize>> {
    let mut start = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if index + 1 == number {
            return Some(start..start + line.trim_end().len());
        }
        start += line.len();
    }
    None
}
