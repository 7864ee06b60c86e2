//! What goes wrong, shown so that it can be mended: file, line, place, and what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::config::Problems;
use crate::problem::Problem;

/// Shows everything wrong with a configuration.
pub(super) fn configuration(problems: &Problems) {
    let text = masked(&problems.source.text, &problems.problems);
    for problem in &problems.problems {
        show(problem, Some((&problems.source.name, &text)));
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
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    anstream::eprintln!("error: {}", causes.join(": "));
}

/// Gives the text with a star for each letter of a secret that stands in it, so that places stay where they are.
fn masked(text: &str, problems: &[Problem]) -> String {
    let secrets: Vec<_> = problems
        .iter()
        .filter(|problem| problem.is_secret)
        .filter_map(|problem| problem.span.clone())
        .collect();
    let stars = text.char_indices().flat_map(|(at, letter)| {
        let hidden = letter != '\n' && secrets.iter().any(|span| span.contains(&at));
        let (letter, times) = if hidden {
            ('*', letter.len_utf8())
        } else {
            (letter, 1)
        };
        std::iter::repeat_n(letter, times)
    });
    stars.collect()
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

fn count(problems: usize) {
    anstream::eprintln!("{problems} problem{}", if problems == 1 { "" } else { "s" });
}
