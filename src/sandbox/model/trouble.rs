//! Why the stand-in refuses, in OpenAI's terms; a profile puts them into its own.

use std::time::Duration;

use serde_json::Value;

/// What a server may say to any question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 429: too many calls for now.
    RateLimited,
    /// 429: too sudden a rise.
    SlowDown,
    /// 429: the quota is used up, for good.
    Quota,
    /// 402: there is no credit left.
    NoCredit,
    /// 503: the server is overloaded.
    Overloaded,
    /// 529: the server is overloaded.
    Crowded,
    /// 502: what stands behind the server failed.
    Upstream,
    /// 500: the server broke.
    Broken,
    /// 401: the key is missing or wrong.
    Key,
    /// 400: a filter holds the question back.
    Filtered,
    /// 400: the prompt is longer than the model can read.
    Overflow {
        /// Tokens of the prompt.
        prompt: u64,
        /// Tokens that the model can read.
        context: u64,
    },
}

/// How long a server that limits says to wait, where nothing else tells.
pub(super) const WAIT: Duration = Duration::from_millis(7_600);

/// Why a request is refused, in the terms of OpenAI's error object.
pub(super) struct Invalid {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) kind: &'static str,
    pub(super) param: Option<String>,
    pub(super) code: Option<&'static str>,
    /// What was sent in the field that is refused.
    pub(super) input: Value,
    /// The trouble behind it, where the request is not to blame.
    pub(super) trouble: Option<Trouble>,
}

const INVALID: &str = "invalid_request_error";

impl Invalid {
    pub(super) fn new(status: u16, message: &str, kind: &'static str) -> Self {
        Self {
            status,
            message: message.to_owned(),
            kind,
            param: None,
            code: None,
            input: Value::Null,
            trouble: None,
        }
    }

    /// Says what is wrong with a parameter.
    pub(super) fn at(param: &str, message: impl AsRef<str>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::new(400, message.as_ref(), INVALID)
        }
    }

    /// Gives the error another code.
    pub(super) fn coded(self, code: &'static str) -> Self {
        Self {
            code: Some(code),
            ..self
        }
    }

    /// Refuses a field that others take.
    pub(super) fn unsupported(field: &str, input: &Value) -> Self {
        let instead = match field {
            "max_tokens" => " Use 'max_completion_tokens' instead.",
            "max_completion_tokens" => " Use 'max_tokens' instead.",
            _ => "",
        };
        let message =
            format!("unsupported parameter: '{field}' is not taken by this model.{instead}");
        Self {
            input: input.clone(),
            ..Self::at(field, message).coded("unsupported_parameter")
        }
    }

    /// Refuses a field that nobody takes.
    pub(super) fn unknown(field: &str, input: &Value) -> Self {
        Self {
            input: input.clone(),
            ..Self::at(field, format!("unknown parameter: '{field}'")).coded("unknown_parameter")
        }
    }

    /// Refuses a value that other models take.
    pub(super) fn value(field: &str, message: &str, input: &Value) -> Self {
        Self {
            input: input.clone(),
            ..Self::at(field, message).coded("unsupported_value")
        }
    }

    /// Gives what comes with a trouble.
    pub(super) fn of(trouble: Trouble) -> Self {
        let new = Self::new;
        let invalid = match trouble {
            Trouble::RateLimited => {
                new(429, "too many requests for now.", "requests").coded("rate_limit_exceeded")
            }
            Trouble::SlowDown => {
                new(429, "the rate of requests rose too fast.", "requests").coded("slow_down")
            }
            Trouble::Quota => {
                new(429, "the quota is used up.", "insufficient_quota").coded("insufficient_quota")
            }
            Trouble::NoCredit => new(402, "there is no credit left.", INVALID),
            Trouble::Overloaded => {
                new(503, "the server is overloaded", "server_error").coded("server_is_overloaded")
            }
            Trouble::Crowded => new(529, "the server is overloaded", "overloaded_error"),
            Trouble::Upstream => new(502, "the upstream gave no answer", "server_error"),
            Trouble::Broken => new(500, "the server had an error", "server_error"),
            Trouble::Key => {
                new(401, "the API key is missing or wrong", INVALID).coded("invalid_api_key")
            }
            Trouble::Filtered => {
                Self::at("prompt", "the content policy forbids it").coded("content_filter")
            }
            Trouble::Overflow { prompt, context } => {
                let message = format!(
                    "the maximum context length of this model is {context} tokens, and the messages have {prompt}"
                );
                Self::at("messages", message).coded("context_length_exceeded")
            }
        };
        Self {
            trouble: Some(trouble),
            ..invalid
        }
    }

    /// Gives what comes with a status that has nothing to do with what the request says.
    pub(super) fn forced(status: u16) -> Self {
        let new = Self::new;
        match status {
            401 => Self::of(Trouble::Key),
            402 => Self::of(Trouble::NoCredit),
            404 => new(404, "there is nothing at this URL", INVALID).coded("unknown_url"),
            405 => new(405, "this URL takes another method", INVALID),
            413 => new(413, "the request is too large", INVALID),
            429 => Self::of(Trouble::RateLimited),
            500 => Self::of(Trouble::Broken),
            502 => Self::of(Trouble::Upstream),
            503 => Self::of(Trouble::Overloaded),
            529 => Self::of(Trouble::Crowded),
            501.. => new(status, "the server had an error", "server_error"),
            _ => new(status, "the request cannot be served", INVALID),
        }
    }

    /// Tells whether the server asks to be left alone for a while.
    pub(super) fn has_wait(&self) -> bool {
        matches!(
            self.trouble,
            Some(Trouble::RateLimited | Trouble::SlowDown | Trouble::NoCredit | Trouble::Crowded)
        )
    }
}
