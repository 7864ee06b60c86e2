//! Languages by their two letters.

use std::fmt;
use std::str::FromStr;

/// A language: its ISO 639-1 code, in lower case. Regions (`pt-BR`) are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language([u8; 2]);

/// Says that a text does not begin with a language code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a language code such as `en` or `pt-BR`")]
pub struct NoLanguage;

impl Language {
    /// English, which every default falls back to.
    pub const ENGLISH: Self = Self(*b"en");

    /// Gives the two letters.
    pub fn code(&self) -> &str {
        // INVARIANT: made from two ASCII letters alone.
        std::str::from_utf8(&self.0).unwrap_or("en")
    }
}

impl FromStr for Language {
    type Err = NoLanguage;

    fn from_str(tag: &str) -> Result<Self, NoLanguage> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        match primary.as_bytes() {
            &[a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self([a.to_ascii_lowercase(), b.to_ascii_lowercase()]))
            }
            _ => Err(NoLanguage),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_and_case_do_not_matter() {
        for tag in ["pt", "PT", "pt-BR", " pt_PT "] {
            assert_eq!(
                tag.parse::<Language>().map(|l| l.to_string()),
                Ok("pt".to_owned())
            );
        }
        for tag in ["", "p", "por", "12", "日本"] {
            assert_eq!(tag.parse::<Language>(), Err(NoLanguage), "{tag}");
        }
    }
}
