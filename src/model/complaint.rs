//! What a server says went wrong, in whatever shape it says it, and which kind of fault that is.

use serde_json::Value;

use super::FaultKind;
use super::dialect::{Field, Fields};

/// The longest name that is kept: no server's own is longer, and a sentence is no name.
const NAME_CHARS_MAX: usize = 64;

/// A server's complaint: its names for the fault, and its message. The message is read here and goes no further.
#[derive(Default)]
pub(super) struct Complaint {
    names: Vec<String>,
    /// Where in the request the mistake is, by the server's own words, in lower case.
    places: String,
    message: String,
}

impl Complaint {
    /// Reads the body of a refusal: JSON of any shape, text, or a page of HTML.
    pub(super) fn from_body(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::from_value(&value),
            Err(_) => Self {
                names: Vec::new(),
                places: String::new(),
                message: String::from_utf8_lossy(body).to_lowercase(),
            },
        }
    }

    /// Reads a complaint out of JSON: under `error` or flat, an object or a text, alone or in a list.
    pub(super) fn from_value(value: &Value) -> Self {
        let value = match value {
            Value::Array(list) => list.first().unwrap_or(&Value::Null),
            other => other,
        };
        let error = value
            .get("error")
            .filter(|error| is_said(error))
            .unwrap_or(value);
        let names = ["/code", "/type", "/status", "/innererror/code"]
            .into_iter()
            .filter_map(|path| name(error.pointer(path)?))
            .collect();
        let message = words(error).join(" ");
        let details = ["detail", "message"].map(|key| error.get(key));
        let places = details
            .into_iter()
            .flatten()
            .flat_map(places)
            .chain(error.get("param").and_then(Value::as_str))
            .collect::<Vec<_>>()
            .join(" ");
        let window = if error.get("n_ctx").is_some() {
            " n_ctx"
        } else {
            ""
        };
        Self {
            names,
            places: places.to_lowercase(),
            message: message.to_lowercase() + window,
        }
    }

    /// Gives the first of the server's names that is a word, else a number.
    pub(super) fn code(&self) -> Option<String> {
        let word = self.names.iter().find(|name| name.parse::<f64>().is_err());
        word.or(self.names.first()).cloned()
    }

    /// Gives the message in lower case, for what it says beside the fault.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Gives the fields that the server names: where it says the place, those of the place, else those of its message.
    pub(super) fn named(&self) -> Fields {
        match fields(&self.places) {
            none if none == Fields::default() => fields(&self.message),
            some => some,
        }
    }

    /// Tells the kind of fault. `status` is that of the response; a complaint in a success may bring its own.
    pub(super) fn kind(&self, status: u16) -> FaultKind {
        let status = match status {
            200..300 => self.status().unwrap_or(status),
            other => other,
        };
        if self.is_overflow(status) {
            return FaultKind::ContextLength;
        }
        if matches!(status, 200 | 400 | 403 | 422) && self.is_filter() {
            return FaultKind::Filtered;
        }
        let named = self.names.iter().find_map(|name| by_name(name));
        named.or_else(|| by_status(status)).unwrap_or_else(|| {
            let vague = self.names.iter().find_map(|name| by_vague_name(name));
            vague.unwrap_or(FaultKind::BadResponse)
        })
    }

    fn status(&self) -> Option<u16> {
        let mut numbers = self.names.iter().filter_map(|name| name.parse().ok());
        numbers.find(|number| (400..600).contains(number))
    }

    fn is_overflow(&self, status: u16) -> bool {
        const NAMES: [&str; 3] = ["context_length", "context_size", "context_window"];
        const WORDS: [&str; 10] = [
            "contextwindowexceeded",
            "context length",
            "context size",
            "context window",
            "maximum context",
            "n_ctx",
            "too many tokens",
            "prompt is too long",
            "input is too long",
            "request too large",
        ];
        matches!(status, 200 | 400 | 413 | 422 | 500)
            && (self
                .names
                .iter()
                .any(|name| NAMES.iter().any(|part| name.contains(part)))
                || WORDS.iter().any(|words| self.message.contains(words)))
    }

    fn is_filter(&self) -> bool {
        const NAMES: [&str; 5] = [
            "content_filter",
            "content_policy",
            "responsibleaipolicyviolation",
            "data_inspection_failed",
            "moderation",
        ];
        const WORDS: [&str; 4] = [
            "contentpolicyviolation",
            "content management policy",
            "content policy",
            "was flagged",
        ];
        self.names
            .iter()
            .any(|name| NAMES.iter().any(|part| name.contains(part)))
            || WORDS.iter().any(|words| self.message.contains(words))
    }
}

/// Gives the words of a complaint: a text, or the texts under the names that servers have for it, however deep. What a
/// server repeats of the request stands under other names.
fn words(error: &Value) -> Vec<&str> {
    match error {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().flat_map(words).collect(),
        Value::Object(fields) => ["message", "detail", "error", "msg"]
            .into_iter()
            .filter_map(|name| fields.get(name))
            .flat_map(words)
            .collect(),
        _ => Vec::new(),
    }
}

/// Gives the places in a list of details, as validators write them: `[{"loc": ["body", "max_tokens"], ..}]`.
fn places(details: &Value) -> impl Iterator<Item = &str> {
    let details = details.get("detail").unwrap_or(details);
    let details = details.as_array().into_iter().flatten();
    let places = details.filter_map(|detail| detail.get("loc")?.as_array());
    places.flatten().filter_map(Value::as_str)
}

fn fields(text: &str) -> Fields {
    const WORDS: [(Field, &[&str]); 6] = [
        (Field::MaxTokens, &["max_tokens"]),
        (Field::MaxCompletionTokens, &["max_completion_tokens"]),
        (Field::JsonSchema, FORMAT),
        (Field::JsonObject, FORMAT),
        (Field::Tools, &["tool", "function"]),
        (Field::Temperature, &["temperature"]),
    ];
    const FORMAT: &[&str] = &[
        "response_format",
        "json_schema",
        "json_object",
        "structured output",
        "guided",
        "grammar",
    ];
    let named = WORDS
        .iter()
        .filter(|(_, words)| words.iter().any(|word| text.contains(word)));
    named.fold(Fields::default(), |fields, (field, _)| fields.with(*field))
}

/// Tells whether an `error` field says something: servers send it empty along with good answers.
pub(super) fn is_said(error: &Value) -> bool {
    match error {
        Value::Object(fields) => !fields.is_empty(),
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Bool(said) => *said,
        Value::Number(_) => true,
        Value::Null => false,
    }
}

/// Gives a name in lower case; nothing that could be a sentence, or somebody's words.
fn name(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!text.is_empty() && text.len() <= NAME_CHARS_MAX && text.chars().all(is_name)).then_some(text)
}

/// Gives the kind of a name that means the same under any status.
fn by_name(name: &str) -> Option<FaultKind> {
    Some(match name {
        "insufficient_quota"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "budget_exceeded"
        | "insufficient_balance" => FaultKind::Quota,
        // LiteLLM looks a key that is not its own up in a database, and says so where it has none.
        "invalid_api_key"
        | "authentication_error"
        | "permission_denied"
        | "permission_error"
        | "no_db_connection" => FaultKind::Auth,
        "rate_limit_exceeded" | "rate_limit_error" | "slow_down" => FaultKind::RateLimited,
        "server_is_overloaded" | "overloaded_error" => FaultKind::Overloaded,
        _ => return None,
    })
}

/// Gives the kind of a name that says less than a status would.
fn by_vague_name(name: &str) -> Option<FaultKind> {
    Some(match name {
        "server_error" | "internal_error" | "api_error" | "internal_server_error" => {
            FaultKind::Overloaded
        }
        "invalid_request_error" | "model_not_found" | "not_found_error" => FaultKind::BadRequest,
        "timeout" => FaultKind::Timeout,
        _ => return None,
    })
}

fn by_status(status: u16) -> Option<FaultKind> {
    Some(match status {
        401 => FaultKind::Auth,
        402 => FaultKind::Quota,
        408 | 504 | 524 => FaultKind::Timeout,
        429 => FaultKind::RateLimited,
        400..500 => FaultKind::BadRequest,
        500..600 => FaultKind::Overloaded,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::FaultKind::{
        Auth, BadRequest, BadResponse, ContextLength, Filtered, Overloaded, Quota, RateLimited,
        Timeout,
    };
    use super::*;

    #[rstest]
    #[case(302, "", BadResponse)]
    #[case(400, "", BadRequest)]
    #[case(400, r#"{"error":{"message":"x","type":"invalid_request_error","code":"unsupported_parameter"}}"#, BadRequest)]
    #[case(
        400,
        r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
        ContextLength
    )]
    #[case(
        400,
        r#"{"error":{"code":400,"message":"x","type":"exceed_context_size_error","n_ctx":4096}}"#,
        ContextLength
    )]
    #[case(400, r#"{"object":"error","message":"This model's maximum context length is 4096","code":40303}"#, ContextLength)]
    #[case(400, r#"{"error":"prompt is too long"}"#, ContextLength)]
    #[case(
        413,
        r#"{"error":{"message":"Request too large for model","code":"rate_limit_exceeded"}}"#,
        ContextLength
    )]
    #[case(413, "", BadRequest)]
    #[case(
        422,
        r#"{"detail":[{"loc":["body"],"input":"prompt is too long"}]}"#,
        BadRequest
    )]
    #[case(422, r#"{"detail":"input is too long"}"#, ContextLength)]
    #[case(400, r#"{"detail":{"error":"input is too long"}}"#, ContextLength)]
    #[case(
        422,
        r#"{"message":{"detail":[{"msg":"the maximum context is 8"}]}}"#,
        ContextLength
    )]
    #[case(
        500,
        r#"{"error":{"code":500,"message":"the request exceeds the available context size"}}"#,
        ContextLength
    )]
    #[case(400, r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#, Filtered)]
    #[case(
        400,
        r#"{"error":{"code":null,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        Filtered
    )]
    #[case(
        403,
        r#"{"error":{"code":403,"message":"Your input was flagged"}}"#,
        Filtered
    )]
    #[case(
        400,
        r#"[{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"x"}}]"#,
        BadRequest
    )]
    #[case(
        401,
        r#"{"error":{"message":"x","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        Auth
    )]
    #[case(400, r#"{"error":{"message":"litellm.BadRequestError: litellm.ContentPolicyViolationError: x. content_policy_fallback=None","type":"invalid_request_error","code":"400"}}"#, Filtered)]
    #[case(400, r#"{"error":{"message":"litellm.ContextWindowExceededError: litellm.BadRequestError: x","type":"invalid_request_error","code":"400"}}"#, ContextLength)]
    #[case(400, r#"{"error":{"message":"Invalid model name passed in model=x","type":"invalid_request_error","code":"400"}}"#, BadRequest)]
    #[case(
        400,
        r#"{"error":{"message":"No connected db.","type":"no_db_connection","code":"400"}}"#,
        Auth
    )]
    #[case(
        429,
        r#"{"error":{"message":"x","type":"budget_exceeded","code":"429"}}"#,
        Quota
    )]
    #[case(
        429,
        r#"{"error":{"message":"x","type":"throttling_error","code":"429"}}"#,
        RateLimited
    )]
    #[case(401, "<html>nope</html>", Auth)]
    #[case(402, "", Quota)]
    #[case(401, r#"{"error":{"type":"server_error"}}"#, Auth)]
    #[case(503, r#"{"error":{"type":"invalid_request_error"}}"#, Overloaded)]
    #[case(403, "", BadRequest)]
    #[case(403, "<html>Forbidden: the request was blocked</html>", BadRequest)]
    #[case(403, r#"{"error":{"type":"permission_error"}}"#, Auth)]
    #[case(404, r#"{"error":{"code":"model_not_found"}}"#, BadRequest)]
    #[case(405, "", BadRequest)]
    #[case(408, "", Timeout)]
    #[case(409, "", BadRequest)]
    #[case(429, "", RateLimited)]
    #[case(429, "<html>slow</html>", RateLimited)]
    #[case(429, r#"{"error":{"code":429,"message":"x"}}"#, RateLimited)]
    #[case(429, r#"{"error":{"type":"insufficient_quota","code":null}}"#, Quota)]
    #[case(
        429,
        r#"{"error":{"type":"requests","code":"insufficient_quota"}}"#,
        Quota
    )]
    #[case(500, "", Overloaded)]
    #[case(502, "<html>", Overloaded)]
    #[case(503, r#"{"error":{"code":"server_is_overloaded"}}"#, Overloaded)]
    #[case(504, "", Timeout)]
    #[case(
        529,
        r#"{"type":"error","error":{"type":"overloaded_error"}}"#,
        Overloaded
    )]
    #[case(200, r#"{"error":{"code":429,"message":"x"}}"#, RateLimited)]
    #[case(
        200,
        r#"{"error":{"code":502,"message":"x","metadata":{"raw":"customer's words"}}}"#,
        Overloaded
    )]
    #[case(200, r#"{"error":{"code":"402"}}"#, Quota)]
    #[case(
        200,
        r#"{"error":"the context length is too small for the prompt"}"#,
        ContextLength
    )]
    #[case(200, r#"{"error":{"type":"server_error"}}"#, Overloaded)]
    #[case(200, r#"{"error":"boom"}"#, BadResponse)]
    fn kinds(#[case] status: u16, #[case] body: &str, #[case] kind: FaultKind) {
        assert_eq!(Complaint::from_body(body.as_bytes()).kind(status), kind);
    }

    #[rstest]
    #[case::by_place(
        r#"{"error":{"param":"max_tokens","message":"not with this temperature"}}"#,
        &[Field::MaxTokens]
    )]
    #[case::by_validator(
        r#"{"detail":[{"loc":["body","temperature"],"msg":"no tools, no max_tokens"}]}"#,
        &[Field::Temperature]
    )]
    #[case::by_words(
        r#"{"error":{"param":null,"message":"Use 'max_completion_tokens'"}}"#,
        &[Field::MaxCompletionTokens]
    )]
    #[case::by_a_place_that_says_nothing(
        r#"{"error":{"param":"body","message":"No tools here"}}"#,
        &[Field::Tools]
    )]
    #[case::by_text("max_tokens is too large", &[Field::MaxTokens])]
    #[case::not_by_an_echo(r#"{"detail":[{"msg":"wrong","input":{"temperature":9}}]}"#, &[])]
    fn the_place_is_surer_than_the_words(#[case] body: &str, #[case] named: &[Field]) {
        let all = named
            .iter()
            .fold(Fields::default(), |all, field| all.with(*field));
        assert_eq!(Complaint::from_body(body.as_bytes()).named(), all);
    }

    #[rstest]
    #[case(
        r#"{"error":{"code":"slow_down","type":"requests"}}"#,
        Some("slow_down")
    )]
    #[case(
        r#"{"error":{"code":429,"type":"rate_limit_error"}}"#,
        Some("rate_limit_error")
    )]
    #[case(r#"{"error":{"code":429}}"#, Some("429"))]
    #[case(r#"{"error":{"code":"my card is 4111 1111"}}"#, None)]
    #[case(r#"{"error":{"code":{"a":1},"type":["x"]}}"#, None)]
    #[case(r#"{"error":"my card is 4111"}"#, None)]
    #[case("<html>", None)]
    fn only_names_are_kept(#[case] body: &str, #[case] code: Option<&str>) {
        assert_eq!(
            Complaint::from_body(body.as_bytes()).code().as_deref(),
            code
        );
    }
}
