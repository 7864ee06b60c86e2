//! What must not be printed: customers' words and numbers, and secrets.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// Letters of a secret that others show us; fewer could be guessed.
const SECRET_CHARS: usize = 24;

/// Different letters among them, at least; a random secret of that length has twice as many.
const SECRET_LETTERS: usize = 8;

/// Letters that are left of such a secret when words, runs and repetitions are taken out. What generators make keeps
/// nearly all of its letters; what people make up keeps few.
const SECRET_LEFT: usize = 16;

/// Words that stand in made-up secrets and examples. They count for nothing.
const SECRET_WORDS: [&str; 16] = [
    "secret",
    "password",
    "passwort",
    "changeme",
    "change",
    "example",
    "placeholder",
    "replace",
    "default",
    "bearer",
    "token",
    "frontdesk",
    "webhook",
    "braze",
    "qwerty",
    "letmein",
];

/// A customer's words, name, number or id: usable as what it is, printed as nothing.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Private<T>(pub T);

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

impl<T> Deref for Private<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl From<&str> for Private<String> {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Private<String> {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Where a secret's value stands: never in the config file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// `env::NAME`: the value of an environment variable.
    Env(String),
    /// `path::file`: the content of a file, without the white space around it.
    Path(PathBuf),
}

/// A secret: written in the config as a reference, filled in by the one who reads the config, printed as nothing.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Secret {
    reference: SecretRef,
    value: SecretString,
}

impl Secret {
    /// Makes a secret from its value; for stand-ins and tests, which have no config file.
    pub fn from_value(value: &str) -> Self {
        Self {
            reference: SecretRef::Env("none".to_owned()),
            value: value.into(),
        }
    }

    /// Tells where the value is to be found.
    pub fn reference(&self) -> &SecretRef {
        &self.reference
    }

    /// Fills in the value that was found at the reference.
    pub fn fill(&mut self, value: &str) {
        self.value = value.into();
    }

    /// Gives the value; empty where it was never filled in.
    pub fn expose(&self) -> &str {
        self.value.expose_secret()
    }

    /// Finds what is wrong with a secret that others show us, under this key: what could be guessed, and what no header
    /// carries. One that was never found is told as such.
    pub fn check(&self, key: &str) -> Option<Problem> {
        let value = self.expose();
        let weak = |message: String| {
            Some(Problem::new(key, message).help("make one with `openssl rand -base64 32`"))
        };
        match value.chars().count() {
            0 => None,
            chars if chars < SECRET_CHARS => {
                weak(format!("is shorter than {SECRET_CHARS} characters"))
            }
            _ if strength(value) < SECRET_LEFT || letters(value) < SECRET_LETTERS => weak(
                "can be guessed: without its words, runs and repetitions too little is left of it"
                    .to_owned(),
            ),
            _ => self.check_sent(key),
        }
    }

    /// Finds what keeps a secret from being sent in a header, under this key.
    pub fn check_sent(&self, key: &str) -> Option<Problem> {
        // The white space around it is left out where it is sent.
        let is_sent = self
            .expose()
            .trim()
            .bytes()
            .all(|byte| byte.is_ascii_graphic());
        (!is_sent).then(|| {
            Problem::new(
                key,
                "the secret holds white space, control or non-ASCII characters",
            )
            .help("look at the value that the reference leads to")
        })
    }

    /// Compares with what a caller sent, in a time that tells nothing of how much of it was right.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        let ours = Sha256::digest(self.expose().as_bytes());
        let theirs = Sha256::digest(candidate);
        !self.expose().is_empty() && bool::from(ours.as_slice().ct_eq(theirs.as_slice()))
    }
}

/// Refuses a file that everyone on the machine can read.
pub fn check_is_private(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o004 != 0 {
        return Err(format!(
            "{0} can be read by everyone; run `chmod 600 {0}`",
            path.display()
        ));
    }
    Ok(())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?})", self.reference)
    }
}

/// Counts the different letters of a text.
fn letters(text: &str) -> usize {
    text.chars().collect::<BTreeSet<_>>().len()
}

/// Counts the letters of a secret that nobody would guess: without known words, without those that repeat or go on from
/// the one before (`aaa`, `1234`), and of what repeats itself as a whole only one round.
fn strength(secret: &str) -> usize {
    let mut text = secret.to_lowercase();
    for word in SECRET_WORDS {
        text = text.replace(word, "");
    }
    let letters: Vec<u32> = text.chars().map(u32::from).collect();
    let round = (1..=letters.len() / 2)
        .find(|round| {
            letters
                .iter()
                .zip(&letters[*round..])
                .all(|(one, next)| one == next)
        })
        .unwrap_or(letters.len());
    let one_round = &letters[..round];
    let goes_on = |pair: &&[u32]| pair[0].abs_diff(pair[1]) <= 1;
    one_round.len() - one_round.windows(2).filter(goes_on).count()
}

/// Tells whether a text can be the name of an environment variable. What cannot is likely a value at the wrong place.
fn is_variable(name: &str) -> bool {
    let is_letter = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    name.bytes().all(is_letter) && name.starts_with(|first: char| !first.is_ascii_digit())
}

/// Says that a secret stands in the config where only a reference may.
#[derive(Debug, thiserror::Error)]
#[error("a secret must be a reference, `env::NAME` or `path::file`, never the value itself")]
pub struct LiteralSecret;

impl std::str::FromStr for SecretRef {
    type Err = LiteralSecret;

    fn from_str(text: &str) -> Result<Self, LiteralSecret> {
        match text.split_once("::") {
            Some(("env", name)) if is_variable(name) => Ok(Self::Env(name.to_owned())),
            Some(("path", file)) if !file.is_empty() => Ok(Self::Path(file.into())),
            _ => Err(LiteralSecret),
        }
    }
}

impl TryFrom<String> for Secret {
    type Error = LiteralSecret;

    fn try_from(text: String) -> Result<Self, LiteralSecret> {
        Ok(Self {
            reference: text.parse()?,
            value: SecretString::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_private_is_printed() {
        let words = Private::from("my card is 4111");
        let secret = Secret::from_value("hunter2");
        let printed = format!("{words:?} {secret:?} {:?}", Some(&words));
        assert!(
            !printed.contains("4111") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    #[test]
    fn a_literal_secret_is_refused() {
        for text in [
            "hunter2",
            "env::",
            "env::sk-live-1",
            "env::1A",
            "path::",
            "file::x",
            "",
        ] {
            assert!(Secret::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_is_refused() {
        for (value, is_good) in [
            ("Qk3xV9zLr2mW8tYbN4pHs7Dj", true),
            ("8f14e45fceea167a5a36dedd4bea2543c9f0", true),
            ("3b241101-e2bb-4255-8caf-4136c566a962", true),
            ("fd_secret_Qk3xV9zLr2mW8tYbN4pHs7Dj", true),
            ("Qk3xV9zLr2mW8tYbN4pHs7D", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("abababababababababababababababab", false),
            ("Qk3xV9zLQk3xV9zLQk3xV9zLQk3xV9zL", false),
            ("0123456789012345678901234567", false),
            // Runs of one letter each; seven letters in no order; words in capitals.
            ("aaaaQQQQ7777zzzz3333kkkk9999wwww2222", false),
            ("q7zk3xmq3z7mkxqz3mk7xq7kz3mx", false),
            ("SECRET-Qk3xV9zLr2mW-PASSWORD-TOKEN", false),
            ("abcdefghijklmnopqrstuvwxyz012345", false),
            ("secret-secret-secret-secret-secret", false),
            ("my-secret-password-changeme-2026", false),
            ("frontdesk-webhook-secret-example", false),
            ("Qk3xV9zLr2mW 8tYbN4pHs7Dj5", false),
            ("Qk3xV9zLr2mW\u{7}8tYbN4pHs7Dj5", false),
        ] {
            let problem = Secret::from_value(value).check("secrets[0]");
            assert_eq!(problem.is_none(), is_good, "{value}: {problem:?}");
            let said = format!("{problem:?}");
            assert!(!said.contains(value), "{said}");
        }
    }

    #[test]
    fn a_secret_that_was_never_filled_matches_nothing() {
        let secret = Secret::try_from("env::X".to_owned()).unwrap();
        assert!(!secret.matches(b""));
        assert!(Secret::from_value("a").matches(b"a"));
        assert!(!Secret::from_value("a").matches(b"b"));
    }
}
