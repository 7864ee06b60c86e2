//! By what a second copy of a message is known.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::domain::{Customer, Dedupe};
use crate::redact::Private;

/// How long a dispatch id makes a copy known: Braze tries again for up to a day, and a week leaves room for its incidents.
const BY_DISPATCH: Duration = Duration::from_hours(7 * 24);

/// How long the words alone make a copy known. Longer would swallow a second "yes" that is meant.
const BY_WORDS: Duration = Duration::from_secs(30);

/// Gives the key of a message. One dispatch can serve several customers, so it never stands alone.
pub(super) fn dedupe(
    assistant: &str,
    customer: &Customer,
    dispatch: Option<&str>,
    text: &str,
    media: &[Private<String>],
) -> Dedupe {
    let (kind, window) = match dispatch {
        Some(_) => ("dispatch", BY_DISPATCH),
        None => ("words", BY_WORDS),
    };
    let customer = customer.key();
    let parts = [
        kind,
        assistant,
        dispatch.unwrap_or_default(),
        &customer,
        text,
    ];
    let mut digest = Sha256::new();
    for part in parts
        .into_iter()
        .chain(media.iter().map(|link| link.as_str()))
    {
        // Lengths first, so that no two lists of parts run together into the same bytes.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    Dedupe {
        key: digest.finalize().into(),
        window,
    }
}
