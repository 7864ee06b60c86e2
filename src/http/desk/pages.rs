//! The pages behind links, for people whose desk can only follow an address. They show nothing of the conversation, run no
//! script, load nothing, and tell no other page where they were.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::super::HttpError;
use crate::domain::{Act, new_id};

/// What the pages may do: look as they do, and send their own form back to where they came from.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Keeps the pages out of what searches.
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}\
     button{font:inherit;padding:.6rem 1.2rem}textarea{font:inherit;width:100%;box-sizing:border-box}";

/// Asks whether it is meant. The form carries a key of its own, so that two clicks are one act.
pub(super) fn confirm(act: Act, now: Timestamp) -> Response {
    let (title, words, button) = match act {
        Act::Acknowledge => (
            "Take over",
            "Take this conversation over? The assistant stays silent until you give it back.",
            "Take over",
        ),
        Act::Reply => (
            "Answer the customer",
            "Your words go to the customer on WhatsApp, and you have the conversation.",
            "Send",
        ),
        Act::Release => (
            "Give back",
            "Give this conversation back? The assistant answers the customer again.",
            "Give back",
        ),
        Act::HandOff | Act::Note => ("Frontdesk", "Go on?", "Go on"),
    };
    let field = match act {
        Act::Reply => {
            r#"<p><textarea name="text" rows="6" maxlength="4096" required autofocus></textarea></p>"#
        }
        _ => "",
    };
    let key = new_id(now);
    let form = format!(
        r#"<p>{words}</p><form method="post">{field}<input type="hidden" name="key" value="{key}"><button>{button}</button></form>"#
    );
    page(StatusCode::OK, title, &form)
}

/// Says that it is done.
pub(super) fn done(act: Act) -> Response {
    let words = match act {
        Act::Acknowledge => "The conversation is yours.",
        Act::Reply => "Your words are on their way to the customer.",
        Act::Release => "The assistant has the conversation again.",
        Act::HandOff | Act::Note => "Done.",
    };
    page(StatusCode::OK, "Done", &format!("<p>{words}</p>"))
}

/// Says why it is not done.
pub(super) fn refused(error: &HttpError) -> Response {
    let status = error.status();
    let words = match error {
        HttpError::Unauthorized => "This link is not valid any more.".to_owned(),
        error => escaped(&format!("{error}.")),
    };
    page(status, "Not done", &format!("<p>{words}</p>"))
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (ROBOTS, "noindex, nofollow"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_says_cannot_be_markup() {
        assert_eq!(escaped(r#"<b a="1">&"#), "&lt;b a=&quot;1&quot;&gt;&amp;");
    }
}
