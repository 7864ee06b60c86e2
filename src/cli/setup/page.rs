//! A page of steps, as text for a terminal and as Markdown.

use std::fmt::Write;

/// A page: a title, and steps with what to do in each.
#[derive(Debug, Default)]
pub(super) struct Page {
    title: String,
    steps: Vec<(String, Vec<Part>)>,
}

#[derive(Debug)]
enum Part {
    Said(String),
    Set(&'static str, String),
    Code(&'static str, String),
}

impl Page {
    pub(super) fn new(title: String) -> Self {
        Self {
            title,
            steps: Vec::new(),
        }
    }

    /// Begins a step.
    pub(super) fn step(&mut self, title: &str) -> &mut Self {
        self.steps.push((title.to_owned(), Vec::new()));
        self
    }

    /// Adds a sentence to the step.
    pub(super) fn say(&mut self, text: impl Into<String>) -> &mut Self {
        self.part(Part::Said(text.into()))
    }

    /// Adds a field of a form, and what goes into it.
    pub(super) fn set(&mut self, field: &'static str, value: impl Into<String>) -> &mut Self {
        self.part(Part::Set(field, value.into()))
    }

    /// Adds what is to be pasted.
    pub(super) fn code(&mut self, language: &'static str, text: impl Into<String>) -> &mut Self {
        self.part(Part::Code(language, text.into()))
    }

    fn part(&mut self, part: Part) -> &mut Self {
        if let Some((_, parts)) = self.steps.last_mut() {
            parts.push(part);
        }
        self
    }

    /// Gives the page for a terminal. What is to be pasted stands at the margin, so that a mouse takes it as it is.
    pub(super) fn text(&self) -> String {
        let mut out = format!(
            "{}\n{}\n",
            self.title,
            "=".repeat(self.title.chars().count())
        );
        for (number, (title, parts)) in self.steps.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(out, "\n{}. {title}\n", number + 1);
            let mut was_set = false;
            for part in parts {
                let is_set = matches!(part, Part::Set(..));
                if !(was_set && is_set) {
                    out.push('\n');
                }
                was_set = is_set;
                let _ = match part {
                    Part::Said(text) => writeln!(out, "   {text}"),
                    Part::Set(field, value) => writeln!(out, "   {field:24} {value}"),
                    Part::Code(_, text) => writeln!(out, "{text}"),
                };
            }
        }
        out
    }

    /// Gives the page as Markdown.
    pub(super) fn markdown(&self) -> String {
        let mut out = format!("# {}\n", self.title);
        for (number, (title, parts)) in self.steps.iter().enumerate() {
            let _ = write!(out, "\n## {}. {title}\n", number + 1);
            let mut was_set = false;
            for part in parts {
                let is_set = matches!(part, Part::Set(..));
                if is_set && !was_set {
                    out.push_str("\n| field | value |\n| --- | --- |\n");
                }
                was_set = is_set;
                let _ = match part {
                    Part::Said(text) => write!(out, "\n{text}\n"),
                    Part::Set(field, value) => writeln!(out, "| {field} | {value} |"),
                    Part::Code(language, text) => {
                        write!(out, "\n```{language}\n{text}\n```\n")
                    }
                };
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_the_same_both_ways() {
        let mut page = Page::new("Set-up".to_owned());
        page.step("First")
            .say("Do this.")
            .set("Method", "POST")
            .set("URL", "https://x.example")
            .code("liquid", "{{a}}");
        assert_eq!(
            page.text(),
            "Set-up\n======\n\n1. First\n\n   Do this.\n\n   Method                   POST\n   URL                      https://x.example\n\n{{a}}\n"
        );
        assert_eq!(
            page.markdown(),
            "# Set-up\n\n## 1. First\n\nDo this.\n\n| field | value |\n| --- | --- |\n| Method | POST |\n| URL | https://x.example |\n\n```liquid\n{{a}}\n```\n"
        );
    }
}
