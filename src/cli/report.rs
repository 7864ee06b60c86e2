//! What goes wrong, shown so that it can be mended: file, line, place, and what to do.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::config::{Problems, names_secret};
use crate::problem::Problem;
use crate::redact::SecretRef;

/// What stands around the values in a configuration.
const FRAME: [char; 9] = ['"', '\'', '[', ']', ',', ' ', '\t', '\r', '\n'];

/// Shows everything wrong with a configuration and the prompt folders that it names.
pub(super) fn all(problems: &Problems, prompts: &[Problem]) {
    show_prompts(prompts);
    let text = veiled(&problems.source.text, &problems.problems);
    let source = (problems.source.name.as_str(), text.as_str());
    for problem in &problems.problems {
        show(problem, Some(source));
    }
    count(prompts.len() + problems.problems.len());
}

/// Shows everything wrong with prompt folders.
pub(super) fn prompts(problems: &[Problem]) {
    show_prompts(problems);
    count(problems.len());
}

fn show_prompts(problems: &[Problem]) {
    for problem in problems {
        let text = problem
            .file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let source = problem.file.as_deref().zip(text.as_deref());
        show(problem, source);
    }
}

/// Shows why a command failed, with what led to it.
pub(super) fn failure(error: &anyhow::Error) {
    let mut line = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many an error names its cause itself.
        if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    anstream::eprintln!("error: {line}");
}

fn show(problem: &Problem, source: Option<(&str, &str)>) {
    let title = match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("`{key}`: {}", problem.message),
    };
    let mut group = Group::with_title(Level::ERROR.primary_title(title.as_str()));
    let place = source.zip(problem.span.clone());
    if let Some(((name, text), span)) = &place {
        let span = span.start.min(text.len())..span.end.min(text.len());
        let label = AnnotationKind::Primary.span(span);
        group = group.element(Snippet::source(*text).path(*name).annotation(label));
    } else if let Some(file) = problem.file.as_deref().or(source.map(|(name, _)| name)) {
        group = group.element(Origin::path(file));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = Renderer::styled().decor_style(DecorStyle::Ascii);
    anstream::eprintln!("{}\n", renderer.render(&[group]));
}

/// Hides secrets that stand in a configuration where only references may: what is shown here ends up in logs. Every byte
/// keeps its place.
fn veiled(text: &str, problems: &[Problem]) -> String {
    let told = problems.iter().filter(|problem| problem.is_secret);
    let mut hidden: Vec<Range<usize>> = told.filter_map(|problem| problem.span.clone()).collect();
    // Where the file is broken, nobody could tell what is a secret, so the key has to.
    let mut end = 0;
    let mut until = None;
    for line in text.split_inclusive('\n') {
        end += line.len();
        let value = match until {
            Some(_) => Some(line),
            None => secret_value(line),
        };
        let Some(value) = value else { continue };
        if !holds_references_alone(value) {
            hidden.push(end - value.len()..end);
        }
        until = match until {
            Some(close) => Some(close).filter(|close| !line.contains(close)),
            None => goes_on(value),
        };
    }
    let mut veiled = text.to_owned();
    for range in hidden {
        if let Some(stars) = text.get(range.clone()).map(veil) {
            veiled.replace_range(range, &stars);
        }
    }
    veiled
}

/// Gives what follows the first key in a line whose value is secret.
fn secret_value(line: &str) -> Option<&str> {
    let signs = line.match_indices('=').map(|(at, _)| line.split_at(at));
    signs
        .map(|(key, value)| (key.trim_end().trim_end_matches(['"', '\'']), &value[1..]))
        .find(|(key, _)| {
            let word = key.rsplit([' ', '{', ',', '"', '\'']).next();
            word.is_some_and(names_secret)
        })
        .map(|(_, value)| value)
}

/// Tells by what a value ends that goes on in the next line.
fn goes_on(value: &str) -> Option<&'static str> {
    let (open, close) = [("[", "]"), ("\"\"\"", "\"\"\""), ("'''", "'''")]
        .into_iter()
        .find(|(open, _)| value.trim_start().starts_with(open))?;
    let rest = value.trim_start().strip_prefix(open)?;
    (!rest.contains(close)).then_some(close)
}

/// Tells whether nothing but references stands in a value; what follows them may be a comment.
fn holds_references_alone(value: &str) -> bool {
    let before = value.split(" #").next().unwrap_or_default();
    let mut pieces = before.split(FRAME).filter(|piece| !piece.is_empty());
    pieces.all(is_reference)
}

fn is_reference(value: &str) -> bool {
    value.trim_end_matches(FRAME).parse::<SecretRef>().is_ok()
}

fn veil(value: &str) -> String {
    let star = |letter: char| match FRAME.contains(&letter) {
        true => letter.to_string(),
        false => "*".repeat(letter.len_utf8()),
    };
    let piece = |piece: &str| match is_reference(piece) {
        true => piece.to_owned(),
        false => piece.chars().map(star).collect(),
    };
    value.split_inclusive(FRAME).map(piece).collect()
}

fn count(problems: usize) {
    anstream::eprintln!("{problems} problem{}", if problems == 1 { "" } else { "s" });
}
