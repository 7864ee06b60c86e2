//! What each kind of WhatsApp message must have, and may have at most.

use serde_json::{Map, Value};

use super::super::MessageKind;
use super::super::fields::{flag, known, list, object, text};
use super::super::refused::Refused;

/// UTF-16 units of a text message, and of the body of a list.
const LONG_BODY: usize = 4_096;

/// UTF-16 units of the body of any other interactive message, and of a caption.
const BODY: usize = 1_024;

/// UTF-16 units of a header and of a footer.
const EDGE: usize = 60;

/// UTF-16 units of a button.
const BUTTON: usize = 20;

/// Quick-reply buttons.
const BUTTONS: usize = 3;

/// UTF-16 units of the title of a section or a row of a list.
const TITLE: usize = 24;

/// UTF-16 units of what stands below a row's title.
const DESCRIPTION: usize = 72;

/// Sections of a list, and its rows in all sections together.
const ROWS: usize = 10;

/// UTF-16 units of a card's body, and buttons below it.
const CARD_BODY: usize = 160;
const CARD_BUTTONS: usize = 2;

/// Checks the `message` of a WhatsApp object.
pub(super) fn check(kind: MessageKind, message: &Map<String, Value>) -> Result<(), Refused> {
    match kind {
        MessageKind::Text => {
            known(message, &["body", "preview_url"])?;
            flag(message, "preview_url")?;
            within(message, "body", LONG_BODY)
        }
        MessageKind::Image => {
            known(message, &["image_uri", "caption"])?;
            link(message, "image_uri")?;
            at_most(message, "caption", BODY)
        }
        MessageKind::QuickReply => quick_reply(message),
        MessageKind::List => choices(message),
        MessageKind::Flow => flow(message),
        MessageKind::Carousel => carousel(message),
        MessageKind::Template => template(message),
    }
}

fn quick_reply(message: &Map<String, Value>) -> Result<(), Refused> {
    known(
        message,
        &[
            "body",
            "header_text",
            "header_image_uri",
            "footer",
            "buttons",
        ],
    )?;
    within(message, "body", BODY)?;
    if message.contains_key("header_text") && message.contains_key("header_image_uri") {
        return Err(Refused::bad(
            "`header_text` and `header_image_uri` exclude each other",
        ));
    }
    at_most(message, "header_text", EDGE)?;
    if message.contains_key("header_image_uri") {
        link(message, "header_image_uri")?;
    }
    at_most(message, "footer", EDGE)?;
    let buttons = counted(message, "buttons", 1, BUTTONS)?;
    let mut labels = Vec::new();
    for button in buttons {
        let button = object(button, "a button")?;
        known(button, &["text"])?;
        within(button, "text", BUTTON)?;
        labels.push(text(button, "text")?);
    }
    unique(&labels, "two buttons")
}

fn choices(message: &Map<String, Value>) -> Result<(), Refused> {
    known(message, &["header", "body", "footer", "list"])?;
    at_most(message, "header", EDGE)?;
    within(message, "body", LONG_BODY)?;
    at_most(message, "footer", EDGE)?;
    let list = object(message.get("list").unwrap_or(&Value::Null), "`list`")?;
    known(list, &["list_button_text", "list_sections"])?;
    within(list, "list_button_text", BUTTON)?;
    let mut titles = Vec::new();
    for section in counted(list, "list_sections", 1, ROWS)? {
        let section = object(section, "a section")?;
        known(section, &["section_title", "list_rows"])?;
        within(section, "section_title", TITLE)?;
        for row in counted(section, "list_rows", 1, ROWS)? {
            let row = object(row, "a row")?;
            known(row, &["row_title", "row_description"])?;
            within(row, "row_title", TITLE)?;
            at_most(row, "row_description", DESCRIPTION)?;
            titles.push(text(row, "row_title")?);
        }
    }
    if titles.len() > ROWS {
        return Err(Refused::bad(format!(
            "a list has at most {ROWS} rows in all"
        )));
    }
    Ok(())
}

fn flow(message: &Map<String, Value>) -> Result<(), Refused> {
    known(
        message,
        &[
            "header_text",
            "body",
            "footer",
            "flow_button",
            "generate_custom_attribute",
        ],
    )?;
    at_most(message, "header_text", EDGE)?;
    within(message, "body", BODY)?;
    at_most(message, "footer", EDGE)?;
    flag(message, "generate_custom_attribute")?;
    let button = object(
        message.get("flow_button").unwrap_or(&Value::Null),
        "`flow_button`",
    )?;
    known(button, &["caption", "flow_id"])?;
    within(button, "caption", BUTTON)?;
    text(button, "flow_id").map(drop)
}

fn carousel(message: &Map<String, Value>) -> Result<(), Refused> {
    known(message, &["body", "carousel_button_type", "cards"])?;
    within(message, "body", BODY)?;
    let kind = text(message, "carousel_button_type")?;
    if !["quick_reply", "url"].contains(&kind.as_str()) {
        return Err(Refused::bad(
            "`carousel_button_type` must be quick_reply or url",
        ));
    }
    for card in counted(message, "cards", 2, ROWS)? {
        let card = object(card, "a card")?;
        known(
            card,
            &[
                "media_uri",
                "media_type",
                "body_text",
                "buttons",
                "cta_url_button",
            ],
        )?;
        link(card, "media_uri")?;
        text(card, "media_type")?;
        at_most(card, "body_text", CARD_BODY)?;
        if list(card, "buttons")?.len() > CARD_BUTTONS {
            return Err(Refused::bad(format!(
                "a card has at most {CARD_BUTTONS} `buttons`"
            )));
        }
    }
    Ok(())
}

fn template(message: &Map<String, Value>) -> Result<(), Refused> {
    known(
        message,
        &[
            "template_name",
            "template_language_code",
            "header_variables",
            "body_variables",
            "button_variables",
            "header_media_uri",
            "header_image_uri",
            "carousel_cards",
        ],
    )?;
    text(message, "template_name")?;
    text(message, "template_language_code")?;
    for name in ["header_variables", "body_variables", "button_variables"] {
        let Some(value) = message.get(name) else {
            continue;
        };
        for (key, value) in object(value, &format!("`{name}`"))? {
            variable(name, key, value)?;
        }
    }
    Ok(())
}

/// A template's variables are named by number, and hold no line breaks, no tabs and no more than four spaces running.
fn variable(name: &str, key: &str, value: &Value) -> Result<(), Refused> {
    let is_number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
    let value = value.as_str().unwrap_or_default();
    match is_number && !value.trim().is_empty() {
        false => Err(Refused::bad(format!(
            "`{name}` must have texts by number, such as \"0\""
        ))),
        true if value.contains(['\n', '\r', '\t']) || value.contains("     ") => Err(Refused::bad(
            "Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
        )),
        true => Ok(()),
    }
}

/// Wants a text that is not blank and not longer than this.
fn within(fields: &Map<String, Value>, name: &str, units: usize) -> Result<(), Refused> {
    let text = text(fields, name)?;
    match text.encode_utf16().count() > units {
        true => Err(Refused::bad(format!("`{name}` is longer than {units}"))),
        false => Ok(()),
    }
}

/// The same of a text that may be missing.
fn at_most(fields: &Map<String, Value>, name: &str, units: usize) -> Result<(), Refused> {
    match fields.contains_key(name) {
        true => within(fields, name, units),
        false => Ok(()),
    }
}

fn counted<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    least: usize,
    most: usize,
) -> Result<&'a [Value], Refused> {
    let items = list(fields, name)?;
    match (least..=most).contains(&items.len()) {
        true => Ok(items),
        false => Err(Refused::bad(format!(
            "`{name}` must have {least} to {most}"
        ))),
    }
}

fn link(fields: &Map<String, Value>, name: &str) -> Result<(), Refused> {
    let link = text(fields, name)?;
    match link.starts_with("https://") || link.starts_with("http://") {
        true => Ok(()),
        false => Err(Refused::bad(format!("`{name}` must be a URL"))),
    }
}

fn unique(labels: &[String], what: &str) -> Result<(), Refused> {
    let mut sorted: Vec<&str> = labels.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    match sorted.windows(2).any(|two| two[0] == two[1]) {
        true => Err(Refused::bad(format!("{what} read the same"))),
        false => Ok(()),
    }
}
