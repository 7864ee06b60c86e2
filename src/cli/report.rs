//! What goes wrong, shown so that it can be mended: file, line, place, and what to do.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::config::{Problems, names_secret};
use crate::problem::Problem;

/// What stands around the values in a configuration.
const FRAME: [char; 9] = ['"', '\'', '[', ']', ',', ' ', '\t', '\r', '\n'];

/// Shows everything wrong with a configuration.
pub(super) fn configuration(problems: &Problems) {
    let text = veiled(&problems.source.text, &problems.problems);
    let source = (problems.source.name.as_str(), text.as_str());
    for problem in &problems.problems {
        show(problem, Some(source));
    }
    count(problems.problems.len());
}

/// Shows everything wrong with prompt folders.
pub(super) fn prompts(problems: &[Problem]) {
    for problem in problems {
        let text = problem
            .file
            .as_ref()
            .and_then(|file| std::fs::read_to_string(file).ok());
        let source = problem.file.as_deref().zip(text.as_deref());
        show(problem, source);
    }
    count(problems.len());
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
    for line in text.split_inclusive('\n') {
        end += line.len();
        if let Some((key, value)) = line.split_once('=')
            && names_secret(key.trim_end().trim_end_matches(['"', '\'']))
            && !is_reference(value.trim_start_matches(FRAME))
        {
            hidden.push(end - value.len()..end);
        }
    }
    let mut veiled = text.to_owned();
    for range in hidden {
        if let Some(stars) = text.get(range.clone()).map(veil) {
            veiled.replace_range(range, &stars);
        }
    }
    veiled
}

fn is_reference(value: &str) -> bool {
    value.starts_with("env::") || value.starts_with("path::")
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
