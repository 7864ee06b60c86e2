//! Durations as people write them: `250ms`, `25s`, `15m`, `12h`. For serde's `with`.

use std::time::Duration;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Reads a duration that is written with its unit, and is not negative.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(D::Error::custom)
}

/// The same, for a key that may be left out; `#[serde(default)]` goes along.
pub mod optional {
    use super::{Deserializer, Duration};

    /// Reads a duration that is there.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}

/// Reads a duration, or says how one is written.
pub fn parse(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<jiff::SignedDuration>().ok();
    duration
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| {
            format!(
                "expected a time with its unit, such as `250ms`, `25s`, `15m` or `12h`, found `{text}`"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_and_a_sign_that_makes_sense() {
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse("1h 30m"), Ok(Duration::from_mins(90)));
        for text in ["", "15", "-5s", "soon", "1 parsec"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
