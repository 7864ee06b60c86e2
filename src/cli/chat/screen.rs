//! What a person sees of a conversation.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::command::HELP;
use crate::cli::test::checks::Seen;
use crate::config::Config;
use crate::prompts::Folder;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const MAGENTA: &str = "\x1b[35m";
const PLAIN: &str = "\x1b[0m";

/// Shows things, in colours where there are some.
pub(super) struct Screen;

impl Screen {
    pub(super) fn welcome(assistant: &str, config: &Config, is_live: bool, note: Option<&str>) {
        let own = config.assistants.get(assistant);
        let models = own.map(|own| config.models_of(own).join(", "));
        let who = match (is_live, models) {
            (true, Some(models)) => models,
            _ => "the stand-in model".to_owned(),
        };
        anstream::println!(
            "{BOLD}{assistant}{PLAIN}, answered by {who}. {DIM}/help shows the commands.{PLAIN}"
        );
        if let Some(note) = note {
            Self::note(note);
        }
        if own.is_some_and(|own| own.desk.is_none()) {
            Self::note("it has no `desk`, so nobody can be brought in");
        }
    }

    pub(super) fn note(text: &str) {
        anstream::println!("{YELLOW}{text}{PLAIN}");
    }

    pub(super) fn complaint(text: &str) {
        anstream::eprintln!("{YELLOW}{text}{PLAIN}");
    }

    pub(super) fn help() {
        for (command, about) in HELP {
            anstream::println!("  {command:<26} {DIM}{about}{PLAIN}");
        }
    }

    /// Shows what a step brought about.
    pub(super) fn seen(seen: &Seen, took: Duration) {
        for text in &seen.sent {
            for (place, line) in text.lines().enumerate() {
                let who = if place == 0 { "assistant ‹" } else { "" };
                anstream::println!("{GREEN}{who:>11}{PLAIN} {line}");
            }
        }
        for (name, body) in &seen.events {
            let reason = body["reason"]["code"].as_str().unwrap_or_default();
            anstream::println!("{MAGENTA}     desk «{PLAIN} {name} {DIM}{reason}{PLAIN}");
            if let Some(summary) = body["summary"].as_str() {
                anstream::println!("{DIM}            {}{PLAIN}", summary.replace('\n', " "));
            }
        }
        let Some(outcome) = seen.outcomes.last() else {
            return;
        };
        let mut told = vec![outcome.clone()];
        if let Some(rule) = seen.rules.last().into_iter().flatten().next() {
            told.push(format!("rule {rule}"));
        }
        let texts = seen.texts.iter();
        told.extend(texts.map(|(key, language)| format!("text {key} ({language})")));
        if seen.state != "assistant" {
            told.push(format!("with {}", seen.state));
        }
        if seen.tokens > 0 {
            told.push(format!("{} tokens", seen.tokens));
        }
        if seen.cost.nanos() > 0 {
            told.push(format!("cost {}", seen.cost));
        }
        told.push(format!("{:.1} s", took.as_secs_f64()));
        anstream::println!("{DIM}            [{}]{PLAIN}", told.join(" · "));
    }

    pub(super) fn clock(now: Timestamp, zone: &TimeZone) {
        let now = now.to_zoned(zone.clone());
        anstream::println!("  {}", now.strftime("%A, %Y-%m-%d %H:%M:%S %Z"));
    }

    /// Shows which rules were tried on the last words, and which was met.
    pub(super) fn rules(folder: &Folder, texts: &[String]) {
        let hits: Vec<_> = texts
            .iter()
            .filter_map(|text| folder.rules().screen(text))
            .collect();
        anstream::println!(
            "{BOLD}rules{PLAIN} {DIM}in order; phrases are looked for first, descriptions are the model's to pick{PLAIN}"
        );
        for rule in folder.rules().iter() {
            let hit = hits.iter().find(|hit| hit.rule.name == rule.name);
            let mark = match hit {
                Some(hit) => format!(
                    "{GREEN}met by the phrase{PLAIN} {} ({})",
                    hit.phrase, hit.language
                ),
                None if rule.description.is_some() => {
                    format!("{DIM}no phrase met; the model may pick it{PLAIN}")
                }
                None => format!("{DIM}no phrase met{PLAIN}"),
            };
            anstream::println!("  {:<28} {:<9} {mark}", rule.name, rule.action.as_str());
        }
    }

    /// Shows the prompt as the model got it.
    pub(super) fn prompt(messages: &[(String, String)]) {
        if messages.is_empty() {
            anstream::println!("{BOLD}prompt{PLAIN} {DIM}the model was not asked{PLAIN}");
        }
        for (role, text) in messages {
            anstream::println!("{BOLD}prompt, {role}{PLAIN}");
            for line in text.lines() {
                anstream::println!("  {line}");
            }
        }
    }
}
