//! A message as WhatsApp shows it: words, an image, buttons or a list.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http_client::{self, Plain};
use crate::problem::Problem;

/// Lengths in UTF-16 units, as WhatsApp and Braze have them.
const TEXT_MAX: usize = 4_096;
const BODY_MAX: usize = 1_024;
const SHORT_MAX: usize = 60;
const BUTTON_MAX: usize = 20;
const TITLE_MAX: usize = 24;
const DESCRIPTION_MAX: usize = 72;

/// Buttons under a message.
const BUTTONS_MAX: usize = 3;

/// Sections of a list, and rows of all its sections together.
const LIST_MAX: usize = 10;

/// A message: `text` alone, or with `image`, with `buttons`, or with a `list`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageConfig {
    /// The words, up to 4,096 characters; 1,024 with an image or buttons.
    pub text: String,
    /// An image's address, https. With buttons, it stands above the words.
    pub image: Option<String>,
    /// What a customer can tap on, up to 3 of 20 characters. A tap comes back as a message with these words.
    #[serde(default)]
    pub buttons: Vec<String>,
    /// What a customer can choose from.
    pub list: Option<ListConfig>,
    /// A title above the words, up to 60 characters; with buttons or a list.
    pub header: Option<String>,
    /// Small print under the words, up to 60 characters; with buttons or a list.
    pub footer: Option<String>,
}

/// A list to choose from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListConfig {
    /// The words on the button that opens it, up to 20 characters.
    pub button: String,
    /// Its sections, up to 10 with up to 10 rows together.
    pub sections: Vec<SectionConfig>,
}

/// A part of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SectionConfig {
    /// Its title, up to 24 characters.
    pub title: String,
    /// Its rows.
    pub rows: Vec<RowConfig>,
}

/// A row of a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowConfig {
    /// Its title, up to 24 characters. A choice comes back as a message with these words.
    pub title: String,
    /// What it means, up to 72 characters; it comes back behind the title.
    pub description: Option<String>,
}

impl MessageConfig {
    /// Finds what WhatsApp would not show.
    pub(super) fn check(&self) -> Vec<Problem> {
        let (has_buttons, has_list) = (!self.buttons.is_empty(), self.list.is_some());
        let mut problems = Vec::new();
        let most = match self.image.is_some() || has_buttons {
            true => BODY_MAX,
            false => TEXT_MAX,
        };
        problems.extend(check_text("text", &self.text, most));
        for (key, text) in [("header", &self.header), ("footer", &self.footer)] {
            problems.extend(
                text.iter()
                    .filter_map(|text| check_text(key, text, SHORT_MAX)),
            );
            if text.is_some() && !has_buttons && !has_list {
                let message = "stands with `buttons` or a `list` alone";
                problems.push(Problem::new(key, message));
            }
        }
        if let Some(image) = &self.image {
            problems.extend(http_client::check_url("image", image, Plain::Never));
            if self.header.is_some() {
                problems.push(Problem::new("header", "is one of words or an image"));
            }
            if has_list {
                problems.push(Problem::new("image", "a list has none"));
            }
        }
        if has_buttons && has_list {
            problems.push(Problem::new("list", "a message has buttons or a list"));
        }
        if self.buttons.len() > BUTTONS_MAX {
            problems.push(Problem::new("buttons", "expected 3 at most"));
        }
        problems.extend(check_titles("buttons", self.buttons.iter(), BUTTON_MAX));
        problems.extend(self.list.iter().flat_map(ListConfig::check));
        problems
    }

    /// Gives Braze's name for the kind of message, and the message.
    pub(super) fn written(&self) -> (&'static str, Value) {
        let mut message = json!({ "body": self.text });
        if let Some(footer) = &self.footer {
            message["footer"] = footer.as_str().into();
        }
        if let Some(list) = &self.list {
            if let Some(header) = &self.header {
                message["header"] = header.as_str().into();
            }
            message["list"] = list.written();
            return ("list_response_message", message);
        }
        if self.buttons.is_empty() {
            return match &self.image {
                Some(image) => {
                    let message = json!({ "image_uri": image, "caption": self.text });
                    ("text_image_response_message", message)
                }
                None => ("text_response_message", message),
            };
        }
        if let Some(header) = &self.header {
            message["header_text"] = header.as_str().into();
        }
        if let Some(image) = &self.image {
            message["header_image_uri"] = image.as_str().into();
        }
        let buttons = self.buttons.iter().map(|text| json!({ "text": text }));
        message["buttons"] = buttons.collect();
        ("quick_reply_response_message", message)
    }

    /// Gives what it says, for the assistant's memory: the words, and what can be chosen.
    pub(super) fn words(&self) -> String {
        let rows = self.list.iter().flat_map(|list| &list.sections);
        let rows = rows.flat_map(|section| &section.rows).map(|row| &row.title);
        let choices: Vec<_> = self
            .buttons
            .iter()
            .chain(rows)
            .map(String::as_str)
            .collect();
        match choices.is_empty() {
            true => self.text.clone(),
            false => format!("{}\n[{}]", self.text, choices.join(" | ")),
        }
    }
}

impl ListConfig {
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::from_iter(check_text("list.button", &self.button, BUTTON_MAX));
        let rows = || self.sections.iter().flat_map(|section| &section.rows);
        if !(1..=LIST_MAX).contains(&self.sections.len()) {
            problems.push(Problem::new("list.sections", "expected 1 to 10"));
        }
        if !(1..=LIST_MAX).contains(&rows().count())
            || self.sections.iter().any(|section| section.rows.is_empty())
        {
            let message = "expected 1 to 10 rows together, and none empty";
            problems.push(Problem::new("list.sections", message));
        }
        let titles = self.sections.iter().map(|section| &section.title);
        problems.extend(check_titles("list.sections", titles, TITLE_MAX));
        let titles = rows().map(|row| &row.title);
        problems.extend(check_titles("list.sections", titles, TITLE_MAX));
        let descriptions = rows().filter_map(|row| row.description.as_ref());
        problems.extend(
            descriptions.filter_map(|text| check_text("list.sections", text, DESCRIPTION_MAX)),
        );
        problems
    }

    fn written(&self) -> Value {
        let row = |row: &RowConfig| {
            let mut written = json!({ "row_title": row.title });
            if let Some(description) = &row.description {
                written["row_description"] = description.as_str().into();
            }
            written
        };
        let section = |section: &SectionConfig| {
            let rows: Vec<_> = section.rows.iter().map(row).collect();
            json!({ "section_title": section.title, "list_rows": rows })
        };
        let sections: Vec<_> = self.sections.iter().map(section).collect();
        json!({ "list_button_text": self.button, "list_sections": sections })
    }
}

fn check_text(key: &str, text: &str, most: usize) -> Option<Problem> {
    match text.encode_utf16().count() {
        _ if text.trim().is_empty() => Some(Problem::new(key, "is empty")),
        length if length > most => {
            let message = format!("has {length} characters, {most} are shown");
            Some(Problem::new(key, message))
        }
        _ if text.contains("{{") || text.contains("{%") => Some(Problem::new(
            key,
            "Braze would take `{{` or `{%` for its own template",
        )),
        _ => None,
    }
}

/// Finds titles that are too long, or that a customer's answer could not tell apart.
fn check_titles<'a>(
    key: &str,
    titles: impl Iterator<Item = &'a String>,
    most: usize,
) -> Vec<Problem> {
    let mut known = BTreeSet::new();
    let mut problems = Vec::new();
    for title in titles {
        problems.extend(check_text(key, title, most));
        if !known.insert(title.to_lowercase()) {
            problems.push(Problem::new(key, format!("has `{title}` twice")));
        }
    }
    problems
}
