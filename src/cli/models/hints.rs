//! What to do about what a model said, or did not say.

use super::Asked;
use crate::model::{Fault, FaultKind, Said};

/// The statuses of a path or a model that nobody knows, and of a path that is no API's.
const NOT_FOUND: [Option<u16>; 2] = [Some(404), Some(405)];

/// Gives what there is to do about a model, each as a sentence.
pub(super) fn hints(asked: &Asked<'_>) -> Vec<String> {
    let said = match &asked.probed.said {
        Err(fault) => vec![about_fault(asked, fault)],
        Ok(said) => about_answer(asked, said),
    };
    said.into_iter().chain(about_fields(asked)).collect()
}

fn about_fault(asked: &Asked<'_>, fault: &Fault) -> String {
    let hint = match fault.kind {
        FaultKind::Auth if asked.config.api_key.is_none() => {
            "the server wants a key: set `api_key`"
        }
        FaultKind::Auth => {
            "the server does not accept the key: look at `api_key`, and at `key_header` where it is not sent as a bearer \
             token"
        }
        FaultKind::Quota => "the account has no credit left: fill it up at the provider",
        FaultKind::RateLimited => {
            "too many calls or tokens for now: try again later, or ask the provider for more"
        }
        FaultKind::Overloaded => "the server has no room or is broken: look at its log or status",
        FaultKind::BadRequest if NOT_FOUND.contains(&fault.status) => {
            "the server knows no such model or path: look at `model`, and at `base_url`, which mostly ends in `/v1`"
        }
        FaultKind::BadRequest => {
            "the server does not take the request: look at `model` and `body`, or try another `answer`"
        }
        FaultKind::ContextLength => {
            "even a short question is too long: start the server with a larger context"
        }
        FaultKind::Filtered => {
            "a filter at the server held a harmless sum back: look at its settings"
        }
        FaultKind::Refused => "the model refuses a harmless sum: take another one",
        FaultKind::Empty | FaultKind::Truncated => {
            "the answer is empty or cut off: raise `max_tokens`, since models that reason spend it on that"
        }
        FaultKind::Timeout => {
            "no whole answer came in time: look at `attempt_within`, or give it longer with `--deadline`"
        }
        FaultKind::Connect => {
            "nobody answers there: look at `base_url`, and whether the server runs"
        }
        FaultKind::BadResponse => {
            "what came back is no answer of a chat API: look at `base_url`, which mostly ends in `/v1`, or try another \
             `answer`"
        }
    };
    hint.to_owned()
}

fn about_answer(asked: &Asked<'_>, said: &Said) -> Vec<String> {
    let mut hints = Vec::new();
    if !said.is_object {
        hints.push(
            "it answered in plain words, so it picks no rule and brings nobody in: try another `answer`"
                .to_owned(),
        );
    }
    if asked.probed.is_slow && asked.config.attempt_within.is_none() {
        hints.push(
            "it took longer than a model has where another follows: set `attempt_within`"
                .to_owned(),
        );
    }
    if said.usage.input.is_none() && said.usage.output.is_none() {
        hints.push("the server tells no tokens, so nobody knows the cost".to_owned());
    }
    hints
}

/// Gives the settings that spare the first call of each start, which the server refuses.
fn about_fields(asked: &Asked<'_>) -> Vec<String> {
    let (meant, taken) = (asked.meant, asked.taken);
    let mut hints = Vec::new();
    let refuses = |field: &str, instead: &str| {
        format!("the server does not take `{field}`: {instead} spares a refused call")
    };
    if let Some(field) = meant
        .token_limit_field
        .filter(|_| meant.token_limit_field != taken.token_limit_field)
    {
        let instead = match taken.token_limit_field {
            Some(other) => format!("`token_limit_field = \"{}\"`", other.as_str()),
            None => "`max_tokens = 0`".to_owned(),
        };
        hints.push(refuses(field.as_str(), &instead));
    }
    if meant.answer != taken.answer {
        let instead = format!("`answer = \"{}\"`", taken.answer.as_str());
        hints.push(refuses(meant.answer.as_str(), &instead));
    }
    if meant.sends_temperature && !taken.sends_temperature {
        hints.push(refuses("temperature", "to leave it out"));
    }
    hints
}
