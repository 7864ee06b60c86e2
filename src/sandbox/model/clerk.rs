//! The stand-in's own wits: enough of a shop's clerk to carry a demonstration, the same on every run.

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::words::{LANGUAGES, Language, TOPICS, Topic};

/// Customers' messages that a summary quotes: the last few say where things stand.
const QUOTED_MAX: usize = 5;

/// What the clerk answers.
pub(super) struct Answered {
    pub(super) reply: String,
    action: &'static str,
    reason: &'static str,
    language: &'static str,
}

impl Answered {
    /// Gives the answer as the object that an assistant is asked for.
    pub(super) fn object(&self) -> Value {
        json!({
            "reply": self.reply,
            "action": self.action,
            "rule": null,
            "reason": self.reason,
            "language": self.language,
        })
    }
}

/// Answers the last thing that the customer said, in the light of what was said before.
pub(super) fn answer(request: &Value, wants_object: bool) -> Answered {
    let messages = request["messages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if !wants_object && wants_summary(messages) {
        return summary(messages);
    }
    let open = messages
        .iter()
        .rposition(|message| message["role"] == "assistant")
        .map_or(0, |index| index + 1);
    let (before, now) = messages.split_at(open);
    let (before, now) = (said(before), said(now));
    let language = language(now.iter().rev().chain(before.iter().rev()));
    compose(language, &before, &now)
}

/// Gives the last thing that the customer said.
pub(super) fn last_said(request: &Value) -> String {
    let messages = request["messages"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let last = messages.iter().rfind(|message| message["role"] == "user");
    last.map(content).unwrap_or_default()
}

/// Tells whether the instructions ask for a summary, and not for an object that may speak of one.
fn wants_summary(messages: &[Value]) -> bool {
    let is_instruction = |message: &&Value| {
        let role = message["role"].as_str();
        matches!(role, Some("system" | "developer"))
    };
    let words = ["summary", "summarise", "summarize"];
    messages.iter().filter(is_instruction).any(|message| {
        let text = content(message).to_lowercase();
        words.iter().any(|word| text.contains(word)) && !text.contains("json")
    })
}

fn summary(messages: &[Value]) -> Answered {
    let users: Vec<&Value> = messages
        .iter()
        .filter(|message| message["role"] == "user")
        .collect();
    let last = users.len().saturating_sub(QUOTED_MAX);
    let quotes: Vec<String> = users[last..]
        .iter()
        .map(|message| format!("\"{}\"", super::excerpt(&content(message))))
        .collect();
    Answered {
        reply: format!("The customer wrote: {}.", quotes.join("; ")),
        action: "answer",
        reason: "a summary was asked for",
        language: "en",
    }
}

fn compose(language: &Language, before: &[String], now: &[String]) -> Answered {
    let topics = topics(now);
    let has = |topic| topics.contains(&topic);
    let answered = |action, reason, reply: String| Answered {
        reply,
        action,
        reason,
        language: language.code,
    };
    if has(Topic::Person) {
        return answered(
            "escalate",
            "the customer asks for a person",
            language.person.to_owned(),
        );
    }
    let number = numbers(now).or_else(|| numbers(before));
    let with = |known: &str, unknown: &str| match &number {
        Some(number) => known.replace("{n}", number),
        None => unknown.to_owned(),
    };
    let mut parts = Vec::new();
    if has(Topic::Greeting) {
        parts.push(language.hello.to_owned());
    }
    if has(Topic::Hours) {
        parts.push(language.hours.to_owned());
    }
    if has(Topic::Order) {
        parts.push(with(language.order, language.ask_number));
    }
    if has(Topic::Returns) {
        parts.push(with(language.return_known, language.returns));
    }
    if !has(Topic::Order) && !has(Topic::Returns) && numbers(now).is_some() {
        parts.push(match subject(before) {
            Some(Topic::Order) => with(language.order, ""),
            Some(_) => with(language.return_known, ""),
            None => with(language.number, ""),
        });
    }
    if has(Topic::Thanks) {
        parts.push(with(language.thanks_order, language.thanks));
    }
    if has(Topic::Complaint) {
        parts.push(language.sorry.to_owned());
        return answered("offer_human", "the customer is upset", parts.join(" "));
    }
    match parts.len() {
        0 => parts.push(language.other.to_owned()),
        1 if has(Topic::Greeting) => parts.push(language.help.to_owned()),
        _ => {}
    }
    answered("answer", "a common question", parts.join(" "))
}

/// Gives what the customer said in these messages, folded.
fn said(messages: &[Value]) -> Vec<String> {
    messages
        .iter()
        .filter(|message| message["role"] == "user")
        .map(|message| fold(&content(message)))
        .collect()
}

fn content(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            texts.join("\n")
        }
        _ => String::new(),
    }
}

/// Takes away case, accents and width, and leaves kana whole.
fn fold(text: &str) -> String {
    /// The marks that make another kana of one.
    const VOICING: std::ops::RangeInclusive<char> = '\u{3099}'..='\u{309a}';
    text.nfkd()
        .filter(|&c| !is_combining_mark(c) || VOICING.contains(&c))
        .nfc()
        .collect::<String>()
        .to_lowercase()
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

/// Finds the language in the first text that shows one; English where none does.
fn language<'a>(texts: impl Iterator<Item = &'a String>) -> &'static Language {
    let kana =
        |c: char| ('\u{3040}'..='\u{30ff}').contains(&c) || ('\u{4e00}'..='\u{9fff}').contains(&c);
    for text in texts {
        if let Some(japanese) = LANGUAGES.iter().find(|language| language.code == "ja")
            && text.chars().any(kana)
        {
            return japanese;
        }
        let words = words(text);
        let score = |language: &Language| {
            let common = |word: &&&str| language.common.contains(*word);
            words.iter().filter(common).count()
        };
        // Of equals, the first in the list.
        let best = LANGUAGES.iter().rev().map(|one| (score(one), one));
        if let Some((1.., best)) = best.max_by_key(|(score, _)| *score) {
            return best;
        }
    }
    &LANGUAGES[0]
}

/// Finds the topics, sentence by sentence: an order in the same sentence as a return is that return's.
fn topics(texts: &[String]) -> Vec<Topic> {
    let ends = |c: char| matches!(c, '\n' | '.' | '?' | '!' | '。');
    let mut found = Vec::new();
    for sentence in texts.iter().flat_map(|text| text.split(ends)) {
        let words = words(sentence);
        let mut topics: Vec<Topic> = TOPICS
            .iter()
            .filter(|(_, entries)| mentions(sentence, &words, entries))
            .map(|(topic, _)| *topic)
            .collect();
        if topics.contains(&Topic::Returns) {
            topics.retain(|topic| *topic != Topic::Order);
        }
        found.append(&mut topics);
    }
    found
}

/// Tells whether a text has one of the entries: `stem*`, a whole word, or a phrase (also any Japanese one) anywhere.
fn mentions(text: &str, words: &[&str], entries: &[&str]) -> bool {
    entries.iter().any(|entry| match entry.strip_suffix('*') {
        Some(stem) => words.iter().any(|word| word.starts_with(stem)),
        None if entry.contains(' ') || !entry.is_ascii() => text.contains(entry),
        None => words.contains(entry),
    })
}

/// Gives the last topic before that a number can belong to.
fn subject(texts: &[String]) -> Option<Topic> {
    let about = |topic: &Topic| matches!(topic, Topic::Order | Topic::Returns);
    topics(texts).into_iter().rfind(about)
}

/// Gives the last order number in the texts.
fn numbers(texts: &[String]) -> Option<String> {
    /// Digits of an order number: fewer are times and amounts, more are telephone numbers.
    const DIGITS: std::ops::RangeInclusive<usize> = 4..=10;
    let is_number = |token: &&str| {
        let digits = token.chars().filter(char::is_ascii_digit).count();
        DIGITS.contains(&digits)
    };
    texts.iter().rev().find_map(|text| {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .map(|token| token.trim_matches('-'))
            .rfind(is_number)
            .map(str::to_ascii_uppercase)
    })
}
