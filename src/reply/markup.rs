//! Markdown, which models write, as the markup that WhatsApp shows.
//!
//! A parser says where marks stand, and only those are exchanged: all else is copied as it is. So a text that is
//! WhatsApp's markup already, or no markup at all, stays what it is.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::html::Html;
use super::{shape, table};

/// How often a text is read. Twice is enough for what people and models write; marks in marks may uncover more.
const ROUNDS_MAX: usize = 6;

/// The fewest `-` or `=` under a line that make a heading of it. Fewer stand above signatures.
const UNDERLINE_MIN: usize = 3;

/// Says whether an address may be shown.
pub(super) type Keep<'a> = &'a dyn Fn(&str) -> bool;

/// Turns Markdown into WhatsApp's markup. Of a link whose address may not be kept, the words stay.
pub(super) fn whatsapp(text: &str, keep: Keep<'_>) -> String {
    let mut text = text.replace("\r\n", "\n").trim().to_owned();
    for _ in 0..ROUNDS_MAX {
        let shown = once(&text, keep);
        if shown == text {
            break;
        }
        text = shown;
    }
    text
}

fn once(text: &str, keep: Keep<'_>) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let events: Vec<_> = Parser::new_ext(text, options).into_offset_iter().collect();
    let mut editor = Editor {
        text,
        keep,
        is_markdown: events
            .iter()
            .any(|(event, at)| shows_markdown(event, &text[at.clone()])),
        edits: Vec::new(),
        addresses: shape::addresses(text),
        html: Html::default(),
        bold: 0,
        is_code: false,
        spoken: 0,
    };
    for (place, (event, at)) in events.iter().enumerate() {
        editor.meet(event, at, &events[place + 1..]);
    }
    editor
        .edits
        .sort_by_key(|edit| (edit.at.start, edit.at.end));
    editor.render(0..text.len()).trim().to_owned()
}

/// Tells whether something stands here that WhatsApp's markup does not have: then `*words*` are meant to lean.
fn shows_markdown(event: &Event<'_>, source: &str) -> bool {
    match event {
        Event::Start(Tag::Strong | Tag::Table(_) | Tag::Image { .. }) | Event::Rule => true,
        Event::Start(Tag::Heading { .. }) => source.starts_with('#') || underline(source).is_some(),
        Event::Start(Tag::Link { dest_url, .. }) => is_address(dest_url),
        Event::Start(Tag::Strikethrough) => source.starts_with("~~"),
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => !info.is_empty(),
        _ => false,
    }
}

/// Something to write in the place of something else.
struct Edit {
    at: Range<usize>,
    new: New,
}

enum New {
    Text(String),
    /// The cells of a table, row by row, the head first.
    Table(Vec<Vec<Range<usize>>>),
}

struct Editor<'a> {
    text: &'a str,
    keep: Keep<'a>,
    is_markdown: bool,
    edits: Vec<Edit>,
    /// Where addresses stand in full: marks in them are parts of them.
    addresses: Vec<Range<usize>>,
    html: Html,
    /// How many bold things are open.
    bold: usize,
    is_code: bool,
    /// Where the last text ended.
    spoken: usize,
}

/// Something that the parser met, and where.
pub(super) type Met<'a> = (Event<'a>, Range<usize>);

impl Editor<'_> {
    fn meet(&mut self, event: &Event<'_>, at: &Range<usize>, rest: &[Met<'_>]) {
        let source = &self.text[at.clone()];
        match event {
            Event::Start(Tag::Strong) => {
                let mark = if self.bold == 0 { "*" } else { "" };
                self.marks(at, 2, mark);
                self.bold += 1;
            }
            Event::End(TagEnd::Strong | TagEnd::Heading(_)) => {
                self.bold = self.bold.saturating_sub(1);
            }
            Event::Start(Tag::Emphasis) if self.is_markdown && source.starts_with('*') => {
                self.marks(at, 1, "_");
            }
            Event::Start(Tag::Strikethrough) if source.starts_with("~~") => self.marks(at, 2, "~"),
            Event::Start(Tag::Heading { .. }) => {
                self.heading(at, inside(rest, |end| matches!(end, TagEnd::Heading(_))));
                self.bold += 1;
            }
            Event::Start(Tag::Link {
                link_type,
                dest_url,
                ..
            }) => {
                let inner = inside(rest, |end| *end == TagEnd::Link);
                self.link(at, inner, *link_type, dest_url);
            }
            Event::Start(Tag::Image {
                link_type,
                dest_url,
                ..
            }) => {
                let inner = inside(rest, |end| *end == TagEnd::Image);
                self.link(at, inner, *link_type, dest_url);
            }
            Event::Start(Tag::Table(_)) => {
                let new = New::Table(table::cells(rest));
                self.edits.push(Edit {
                    at: at.clone(),
                    new,
                });
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                self.is_code = true;
                if matches!(kind, CodeBlockKind::Fenced(_)) {
                    self.fence(at);
                }
            }
            Event::End(TagEnd::CodeBlock) => self.is_code = false,
            Event::Start(Tag::Item) if source.starts_with('+') => {
                self.write(at.start..at.start + 1, "-");
            }
            Event::Rule => {
                let after =
                    self.text[at.end..].len() - self.text[at.end..].trim_start_matches('\n').len();
                self.write(at.start..at.end + after, "");
            }
            Event::Html(_) | Event::InlineHtml(_) => {
                let plain = self.html.plain(source, self.keep);
                self.write(at.clone(), &plain);
            }
            Event::Text(text) if !self.is_code => self.speak(text, at),
            Event::HardBreak if source.starts_with('\\') => self.write(at.clone(), "\n"),
            _ => {}
        }
    }

    /// Writes other marks around something, where WhatsApp would see them: at the edges of words, on one line.
    fn marks(&mut self, at: &Range<usize>, length: usize, mark: &str) {
        let (open, close) = (at.start..at.start + length, at.end - length..at.end);
        let is_in_address = |mark: &Range<usize>| {
            let mut addresses = self.addresses.iter();
            addresses.any(|address| address.start < mark.end && mark.start < address.end)
        };
        if is_in_address(&open) || is_in_address(&close) {
            return;
        }
        let before = self.text[..at.start].chars().next_back();
        let after = self.text[at.end..].chars().next();
        let touches = [before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric);
        let mark = match touches || self.text[at.clone()].contains('\n') {
            true => "",
            false => mark,
        };
        self.write(open, mark);
        self.write(close, mark);
    }

    fn heading(&mut self, at: &Range<usize>, inner: Option<Range<usize>>) {
        let Some(inner) = inner else {
            return;
        };
        let source = &self.text[at.clone()];
        let words = &self.text[inner.clone()];
        let end = at.start + source.trim_end().len();
        let is_plain =
            !words.contains(['\n', '`']) && !words.contains("](") && !words.contains("://");
        let is_bold_already = words.starts_with('*') && !words.starts_with("**");
        let mark = if is_plain && !is_bold_already {
            "*"
        } else {
            ""
        };
        if source.starts_with('#') {
            self.write(at.start..inner.start, mark);
            self.write(inner.end..end, mark);
        } else if let Some(line) = underline(source) {
            // Under a sentence, `---` parts it from the next paragraph.
            let (open, close) = match line.starts_with('=') {
                true => (mark, mark),
                false => ("", "\n"),
            };
            self.write(at.start..inner.start, open);
            self.write(inner.end..end, close);
        }
    }

    fn link(&mut self, at: &Range<usize>, inner: Option<Range<usize>>, kind: LinkType, url: &str) {
        if matches!(kind, LinkType::Autolink | LinkType::Email) {
            self.write(at.start..at.start + 1, "");
            self.write(at.end - 1..at.end, "");
            return;
        }
        if !is_address(url) {
            return;
        }
        let shown = url
            .strip_prefix("mailto:")
            .or(url.strip_prefix("tel:"))
            .unwrap_or(url);
        let is_kept = (self.keep)(url);
        let words = inner.clone().map_or("", |inner| &self.text[inner]);
        let is_same = bare(words).eq_ignore_ascii_case(bare(shown));
        match inner {
            Some(inner) if !is_same && !words.trim().is_empty() => {
                self.write(at.start..inner.start, "");
                let tail = if is_kept {
                    format!(": {shown}")
                } else {
                    String::new()
                };
                self.write(inner.end..at.end, &tail);
            }
            _ => self.write(at.clone(), if is_kept { shown } else { "" }),
        }
    }

    /// Writes the fences as WhatsApp knows them: without the name of a language, and closed.
    fn fence(&mut self, at: &Range<usize>) {
        let source = self.text[at.clone()].trim_end_matches('\n');
        let is_fence = |line: &str| {
            let line = line.trim();
            line.len() >= 3 && (line.bytes().all(|b| b == b'`') || line.bytes().all(|b| b == b'~'))
        };
        let first = source.lines().next().unwrap_or_default();
        self.write(at.start..at.start + first.len(), "```");
        let last = source.lines().skip(1).last();
        let before = &self.text[..at.start];
        let is_line_start = before.is_empty() || before.ends_with('\n');
        let end = at.start + source.len();
        match last {
            Some(last) if is_fence(last) => {
                let indent = last.len() - last.trim_start().len();
                self.write(end - last.len() + indent..end, "```");
            }
            // One that was cut off is closed; one within a list or a quote ends with that.
            _ if end == self.text.len() && is_line_start => {
                self.write(end..end, "\n```");
            }
            _ => {}
        }
    }

    /// Writes what entities and escapes stand for.
    fn speak(&mut self, text: &str, at: &Range<usize>) {
        if *text != self.text[at.clone()] {
            self.write(at.clone(), text);
        }
        let bytes = self.text.as_bytes();
        let before = at
            .start
            .checked_sub(1)
            .filter(|before| *before >= self.spoken);
        if let Some(before) = before
            && self.is_markdown
            && bytes[before] == b'\\'
            && bytes.get(at.start).is_some_and(u8::is_ascii_punctuation)
        {
            self.write(before..at.start, "");
        }
        self.spoken = at.end;
    }

    fn write(&mut self, at: Range<usize>, text: &str) {
        if self.text.get(at.clone()) != Some(text) {
            let new = New::Text(text.to_owned());
            self.edits.push(Edit { at, new });
        }
    }

    /// Gives a part of the text with what is to be exchanged in it.
    fn render(&self, part: Range<usize>) -> String {
        let mut out = String::with_capacity(part.len());
        let mut at = part.start;
        let first = self
            .edits
            .partition_point(|edit| edit.at.start < part.start);
        for edit in &self.edits[first..] {
            if edit.at.start >= part.end && !(edit.at.is_empty() && edit.at.start == part.end) {
                break;
            }
            if edit.at.start < at || edit.at.end > part.end {
                continue;
            }
            out.push_str(&self.text[at..edit.at.start]);
            match &edit.new {
                New::Text(text) => out.push_str(text),
                New::Table(rows) => out.push_str(&self.table(rows)),
            }
            at = edit.at.end;
        }
        out.push_str(self.text.get(at..part.end).unwrap_or_default());
        out
    }

    /// Writes a table as lines.
    fn table(&self, rows: &[Vec<Range<usize>>]) -> String {
        let row = |cells: &Vec<Range<usize>>| -> Vec<String> {
            let cells = cells.iter().map(|cell| self.render(cell.clone()));
            cells.map(|cell| cell.trim().replace("\\|", "|")).collect()
        };
        let mut rows = rows.iter().map(row);
        let head = rows.next().unwrap_or_default();
        table::lines(&head, rows)
    }
}

/// Gives where the contents of something stand, up to its end.
fn inside(rest: &[Met<'_>], is_end: impl Fn(&TagEnd) -> bool) -> Option<Range<usize>> {
    let inner = rest
        .iter()
        .take_while(|(event, _)| !matches!(event, Event::End(end) if is_end(end)));
    let places = inner.map(|(_, at)| at.clone());
    places.reduce(|all, at| all.start.min(at.start)..all.end.max(at.end))
}

/// Gives the line that makes a heading of what stands above it.
fn underline(source: &str) -> Option<&str> {
    let line = source.trim_end().lines().last()?.trim();
    let is_line = line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-');
    (is_line && line.len() >= UNDERLINE_MIN).then_some(line)
}

/// Tells whether a link leads somewhere that can be written down.
fn is_address(url: &str) -> bool {
    let is = |scheme: &str| {
        url.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    let known = ["http:", "https:", "mailto:", "tel:"].into_iter().any(is);
    (known || url.contains("://")) && !url.contains(char::is_whitespace)
}

/// Gives an address without what people leave out when they write it.
fn bare(address: &str) -> &str {
    let address = address.trim().trim_end_matches('/');
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    address.strip_prefix("www.").unwrap_or(address)
}
