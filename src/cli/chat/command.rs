//! What a person types: words for the assistant, or a command.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::domain::Language;
use crate::duration;

/// What is to be done about a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Command {
    /// Nothing.
    Nothing,
    /// The customer writes.
    Say(String),
    /// The customer sends links, perhaps with words.
    Media(String, String),
    /// Something is known of the customer; nothing takes it away.
    Profile(String, Option<Value>),
    /// What is known of the customer is shown.
    ShowProfile,
    /// The language of the customer's profile.
    Language(Language),
    /// Time goes by.
    Advance(Duration),
    /// The time is shown.
    ShowClock,
    /// Another customer begins.
    Reset,
    /// What led to the last answer is shown.
    Why,
    /// An agent gives the conversation back.
    Release,
    /// The conversation is saved as a test.
    Save(PathBuf),
    /// The commands are shown.
    Help,
    /// The end.
    Quit,
}

/// The commands, for people.
pub(super) const HELP: [(&str, &str); 10] = [
    (
        "/why",
        "the rules that were tried, and the prompt as the model got it",
    ),
    (
        "/profile first_name=Ana",
        "what Braze knows of the customer; without a value it is taken away",
    ),
    ("/language es", "the language of the customer's profile"),
    (
        "/media https://… words",
        "a picture, a voice note or a file, perhaps with words",
    ),
    ("/clock +20m", "time goes by"),
    ("/agent release", "an agent gives the conversation back"),
    ("/reset", "another customer, who has never written"),
    (
        "/save FILE.yaml",
        "writes the conversation as a test for `frontdesk test`",
    ),
    ("/help", "this"),
    ("/quit", "the end; Ctrl-D does the same"),
];

impl Command {
    /// Reads a line. What begins with two slashes is said with one.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
            return Ok(match line.strip_prefix("//") {
                Some(rest) => Self::Say(format!("/{rest}")),
                None if line.is_empty() => Self::Nothing,
                None => Self::Say(line.to_owned()),
            });
        };
        let (name, rest) = command
            .split_once(char::is_whitespace)
            .unwrap_or((command, ""));
        let rest = rest.trim();
        match (name, rest) {
            ("quit" | "exit" | "q", "") => Ok(Self::Quit),
            ("help" | "?", _) => Ok(Self::Help),
            ("reset", "") => Ok(Self::Reset),
            ("why", "") => Ok(Self::Why),
            ("agent", "release") => Ok(Self::Release),
            ("agent", _) => Err("say what the agent does: `/agent release`".to_owned()),
            ("profile", "") => Ok(Self::ShowProfile),
            ("profile", rest) => profile(rest),
            ("language", rest) => match rest.parse() {
                Ok(language) => Ok(Self::Language(language)),
                Err(_) => Err("say a language by its code: `/language es`".to_owned()),
            },
            ("media", "") => Err("say where it is: `/media https://…`".to_owned()),
            ("media", rest) => {
                let (url, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                Ok(Self::Media(url.to_owned(), words.trim().to_owned()))
            }
            ("clock", "") => Ok(Self::ShowClock),
            ("clock", rest) => duration::parse(rest.trim_start_matches('+')).map(Self::Advance),
            ("save", "") => Err("say to which file: `/save refund.yaml`".to_owned()),
            ("save", rest) => Ok(Self::Save(PathBuf::from(rest))),
            (name, _) => Err(format!("there is no `/{name}`; /help shows what there is")),
        }
    }
}

fn profile(text: &str) -> Result<Command, String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("say a name and a value: `/profile tier=gold`".to_owned());
    };
    let (key, value) = (key.trim(), value.trim());
    if key.is_empty() {
        return Err("say a name before the `=`".to_owned());
    }
    let value = match value {
        "" => None,
        value => Some(serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))),
    };
    Ok(Command::Profile(key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_or_commands() {
        for (line, expected) in [
            ("", Command::Nothing),
            ("  hello ", Command::Say("hello".to_owned())),
            ("//quit", Command::Say("/quit".to_owned())),
            ("/quit", Command::Quit),
            ("/why", Command::Why),
            ("/clock +1h 30m", Command::Advance(Duration::from_mins(90))),
            ("/language es", Command::Language("es".parse().unwrap())),
            (
                "/profile vip=true",
                Command::Profile("vip".to_owned(), Some(true.into())),
            ),
            (
                "/profile name=Ana B",
                Command::Profile("name".to_owned(), Some("Ana B".into())),
            ),
            ("/profile vip=", Command::Profile("vip".to_owned(), None)),
            (
                "/media https://a.b/c see this",
                Command::Media("https://a.b/c".to_owned(), "see this".to_owned()),
            ),
            ("/agent release", Command::Release),
            ("/save a.yaml", Command::Save("a.yaml".into())),
        ] {
            assert_eq!(Command::parse(line), Ok(expected), "{line}");
        }
        for line in [
            "/dance",
            "/clock soon",
            "/profile x",
            "/profile =1",
            "/save",
            "/media",
            "/agent",
            "/language ??",
        ] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn every_command_that_help_shows_is_one() {
        for (command, _) in HELP {
            assert!(Command::parse(command).is_ok(), "{command}");
        }
    }
}
