//! The little HTML that models write between their words.

use super::markup::Keep;

/// Tags that only group words: nothing is written in their place.
const SILENT: [&str; 24] = [
    "p",
    "div",
    "span",
    "ul",
    "ol",
    "u",
    "small",
    "font",
    "center",
    "section",
    "article",
    "table",
    "thead",
    "tbody",
    "tr",
    "td",
    "th",
    "dl",
    "dt",
    "dd",
    "hr",
    "html",
    "body",
    "blockquote",
];

/// What was begun and not ended yet.
#[derive(Default)]
pub(super) struct Html {
    address: Option<String>,
}

impl Html {
    /// Writes a stretch of HTML as WhatsApp's markup. Tags that are not known stay: they may be somebody's placeholders.
    pub(super) fn plain(&mut self, source: &str, keep: Keep<'_>) -> String {
        let mut out = String::new();
        let mut rest = source;
        while let Some(open) = rest.find('<') {
            out.push_str(&rest[..open]);
            rest = &rest[open..];
            let end = match rest.starts_with("<!--") {
                true => rest.find("-->").map(|at| at + 3),
                false => rest.find('>').map(|at| at + 1),
            };
            let Some(end) = end else {
                break;
            };
            let (tag, after) = rest.split_at(end);
            match self.written(tag, keep) {
                Some(text) => out.push_str(&text),
                None => out.push_str(tag),
            }
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn written(&mut self, tag: &str, keep: Keep<'_>) -> Option<String> {
        if tag.starts_with("<!--") {
            return Some(String::new());
        }
        let inner = tag.trim_start_matches('<').trim_end_matches('>');
        let (is_end, inner) = match inner.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, inner),
        };
        let name: String = inner
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        let text = match name.to_ascii_lowercase().as_str() {
            "br" => "\n",
            "li" if !is_end => "- ",
            "b" | "strong" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => "*",
            "i" | "em" => "_",
            "s" | "del" | "strike" => "~",
            "code" => "`",
            "pre" => "```",
            "a" if !is_end => {
                self.address = attribute(inner, "href").filter(|address| keep(address));
                ""
            }
            "a" => {
                return Some(
                    self.address
                        .take()
                        .map_or_else(String::new, |address| format!(": {address}")),
                );
            }
            "li" => "",
            silent if SILENT.contains(&silent) => "",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

/// Gives the value of an attribute, in quotes or without.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.find(&format!("{name}="))? + name.len() + 1;
    let value = tag.get(at..)?;
    let value = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split(char::is_whitespace).next()?,
    };
    Some(value.to_owned())
}
