//! Why Braze takes nothing of a request: its error table.

use serde_json::{Value, json};

/// What comes where a body is no JSON.
const SYNTAX: &str = "Error while parsing request body. Please check your syntax.";

/// Why nothing was taken: a status and a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused(pub(super) u16, pub(super) String);

impl Refused {
    /// Says what is wrong with the request itself.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self(400, message.into())
    }

    /// Says that the body is no JSON.
    pub(super) fn syntax() -> Self {
        Self::bad(SYNTAX)
    }

    /// Gives what comes with a status that has nothing to do with what the request says.
    pub(super) fn forced(status: u16) -> Self {
        let message = match status {
            400 => "Bad Request",
            401 => {
                "Invalid API key: check the key, the word `Bearer` before it, and the host of its region"
            }
            403 => "Access Denied",
            404 => "Not Found",
            413 => "Payload Too Large",
            415 => "Unsupported Media Type",
            429 => "Rate Limited",
            500.. => "Server Error",
            _ => "The request was not taken",
        };
        Self(status, message.to_owned())
    }

    /// Gives the body; what Braze cannot parse, it reports in a field of its own.
    pub(super) fn body(&self) -> Value {
        match self.1.as_str() {
            SYNTAX => json!({ "error": SYNTAX }),
            message => json!({ "message": message }),
        }
    }
}
