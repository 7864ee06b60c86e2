//! Why a body was refused, for the operator who finds it in Braze's Message Activity Log.

use crate::domain::NoIdentity;

/// Why a body could not be read. Names fields and sizes, never a word of what the customer wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    /// Not text.
    #[error("the body is not valid UTF-8")]
    NotUtf8,
    /// Holds U+0000, which a database cannot keep and no phone can send.
    #[error("the body holds the character U+0000, which cannot be stored")]
    Nul,
    /// Neither an object nor the beginning of one.
    #[error(
        "expected a JSON object that starts with `{{`: choose \"Raw text\" as the request body and write one"
    )]
    NotAnObject,
    /// Not JSON, where the config says that it is.
    #[error(
        "the body is not valid JSON, line {line} of the template: \
         put `| json_escape` after every Liquid variable, inside the braces"
    )]
    NotJson {
        /// Counted from 1; line breaks inside texts are none of the template's.
        line: usize,
    },
    /// A field that nothing certain can be read from, in a body that is not JSON.
    #[error(
        "could not tell where {field} ends: every name and value needs double quotes round it, a comma after it, \
         and `| json_escape` inside the braces of its Liquid variable"
    )]
    Broken {
        /// The field, or where it stands.
        field: &'static str,
    },
    /// The last thing in an unescaped body is not the end of the message.
    #[error(
        "the body does not end with a double quote and `}}`: \
         write `message` as the last field, in double quotes, without a comma after it"
    )]
    Unended,
    /// A field stands twice, and either could be meant.
    #[error(
        "{field} stands twice in the body: keep one, and put `| json_escape` after every Liquid variable"
    )]
    Repeated {
        /// The field.
        field: &'static str,
    },
    /// The customer's id stands where his own words could imitate it.
    #[error(
        "`message` is not escaped and no id stands before it, so the customer's words could pass for an id: \
         move `user_id` and `phone_number` before `message`, or write `| json_escape` after every Liquid variable"
    )]
    IdAfterMessage,
    /// Two ids can be read from the same bytes.
    #[error(
        "{field} holds a backslash, and it cannot be told whether the body is escaped: \
         set the gateway's `escaping` to `json_escape` or `none`, whichever this campaign does"
    )]
    DoubtfulId {
        /// The field.
        field: &'static str,
    },
    /// No message field at all; an empty one would do.
    #[error(
        "the field `message` is missing: add `\"message\": \"{{{{whats_app.${{inbound_message_body}} | json_escape}}}}\"`"
    )]
    NoMessage,
    /// A list, an object or a number with a fraction.
    #[error("expected text in `{field}`: put double quotes round its Liquid variable")]
    NotText {
        /// The field.
        field: &'static str,
    },
    /// The variable itself instead of its value.
    #[error(
        "`{field}` holds a Liquid variable that Braze did not fill in: check its braces and its name"
    )]
    NotRendered {
        /// The field.
        field: &'static str,
    },
    /// Nobody to answer.
    #[error("{0}: render `${{user_id}}` and `${{phone_number}}` into the body")]
    NoIdentity(#[from] NoIdentity),
    /// Over a limit of length.
    #[error("`{field}` is {bytes} bytes long, the limit is {limit}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Over a limit of number.
    #[error("the body has too many {what}, the limit is {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}
