//! What can go wrong with a call of a model, by a closed set of names.

use std::fmt;
use std::time::Duration;

use super::dialect::Fields;

/// Why a call gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The HTTP status that said so; `None` where the answer was a success, or never came.
    pub status: Option<u16>,
    /// The server's own name for it (its `code`, else its `type`). Never its message, which may quote the customer.
    pub code: Option<String>,
    /// How long the server asks to be left alone: above zero, and no more than ten minutes.
    pub retry_after: Option<Duration>,
    /// Whether the token limit ended the answer.
    pub(super) is_cut: bool,
    /// Whether the server answered as it should, and only the model's words cannot be used.
    pub(super) is_wording: bool,
    /// The fields of the request that the server names in its refusal.
    pub(super) named: Fields,
}

/// The kinds of fault. The names are for metrics and settings, so none is ever renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Too many calls or tokens for now.
    RateLimited,
    /// The server has no room, or broke; another may do.
    Overloaded,
    /// The account has no credit left; waiting does not help.
    Quota,
    /// The key is missing, wrong, or not allowed to do this.
    Auth,
    /// The server does not accept the request: an unknown model, a parameter that it does not take.
    BadRequest,
    /// The conversation is longer than the model can read.
    ContextLength,
    /// A content filter at the server's end held the request or the answer back.
    Filtered,
    /// The model refused to answer.
    Refused,
    /// The answer holds no text.
    Empty,
    /// The answer was cut off by the token limit before its object was whole.
    Truncated,
    /// No whole answer came in time.
    Timeout,
    /// The server could not be reached, or hung up before it answered.
    Connect,
    /// What came back cannot be read.
    BadResponse,
}

impl FaultKind {
    /// Every kind there is.
    pub const ALL: [Self; 13] = [
        Self::RateLimited,
        Self::Overloaded,
        Self::Quota,
        Self::Auth,
        Self::BadRequest,
        Self::ContextLength,
        Self::Filtered,
        Self::Refused,
        Self::Empty,
        Self::Truncated,
        Self::Timeout,
        Self::Connect,
        Self::BadResponse,
    ];

    /// Gives the name that is counted, logged and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Quota => "quota",
            Self::Auth => "auth",
            Self::BadRequest => "bad_request",
            Self::ContextLength => "context_length",
            Self::Filtered => "filtered",
            Self::Refused => "refused",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::BadResponse => "bad_response",
        }
    }
}

impl Fault {
    /// Tells whether the model, or a filter in front of it, would not answer: it was able to.
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, FaultKind::Refused | FaultKind::Filtered)
    }
}

impl From<FaultKind> for Fault {
    fn from(kind: FaultKind) -> Self {
        Self {
            kind,
            status: None,
            code: None,
            retry_after: None,
            is_cut: false,
            is_wording: false,
            named: Fields::default(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        match (self.status, &self.code) {
            (Some(status), Some(code)) => write!(f, " (HTTP {status}, `{code}`)"),
            (Some(status), None) => write!(f, " (HTTP {status})"),
            (None, Some(code)) => write!(f, " (`{code}`)"),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: std::collections::HashSet<_> =
            FaultKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(names.len(), FaultKind::ALL.len());
    }

    #[test]
    fn a_fault_reads_as_a_fragment() {
        let mut fault = Fault::from(FaultKind::RateLimited);
        assert_eq!(fault.to_string(), "rate_limited");
        fault.status = Some(429);
        assert_eq!(fault.to_string(), "rate_limited (HTTP 429)");
        fault.code = Some("slow_down".to_owned());
        assert_eq!(fault.to_string(), "rate_limited (HTTP 429, `slow_down`)");
    }
}
