//! By what a second copy of a message is known.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::InboundLimits;
use crate::domain::{Customer, Dedupe, Inbound};
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
    let key = digest(
        parts
            .into_iter()
            .chain(media.iter().map(|link| link.as_str())),
    );
    Dedupe { key, window }
}

/// Gives by what a message is known where another assistant of the same workspace is sent it too: the customer and the
/// words, for as long as the limits say. `None` where they say that both are to answer.
pub fn twin(workspace: &str, inbound: &Inbound, limits: &InboundLimits) -> Option<Dedupe> {
    let customer = inbound.customer.key();
    let parts = ["twin", workspace, &customer, inbound.text.trim()];
    let media = inbound.media.iter().map(|link| link.as_str());
    let window = limits.one_answer_within;
    (!window.is_zero()).then(|| Dedupe {
        key: digest(parts.into_iter().chain(media)),
        window,
    })
}

fn digest<'a>(parts: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        // Lengths first, so that no two lists of parts run together into the same bytes.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}
