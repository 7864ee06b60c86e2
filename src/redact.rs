//! What must not be printed: customers' words and numbers, and secrets.

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

    /// Finds what is wrong with a secret that others show us, under this key. One that was never found is told as such.
    pub fn check(&self, key: &str) -> Option<Problem> {
        let chars = self.expose().chars().count();
        (1..SECRET_CHARS).contains(&chars).then(|| {
            Problem::new(key, format!("is shorter than {SECRET_CHARS} characters"))
                .help("make one with `openssl rand -base64 32`")
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

/// Says that a secret stands in the config where only a reference may.
#[derive(Debug, thiserror::Error)]
#[error("a secret must be a reference, `env::NAME` or `path::file`, never the value itself")]
pub struct LiteralSecret;

impl TryFrom<String> for Secret {
    type Error = LiteralSecret;

    fn try_from(text: String) -> Result<Self, LiteralSecret> {
        let reference = match text.split_once("::") {
            Some(("env", name)) if !name.is_empty() => SecretRef::Env(name.to_owned()),
            Some(("path", file)) if !file.is_empty() => SecretRef::Path(file.into()),
            _ => return Err(LiteralSecret),
        };
        Ok(Self {
            reference,
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
        for text in ["hunter2", "env::", "path::", "file::x", ""] {
            assert!(Secret::try_from(text.to_owned()).is_err(), "{text}");
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
