//! Bearer tokens.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::redact::Secret;

/// Gives the bearer token of a request; the scheme's case does not matter.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

/// Tells whether the request shows one of the secrets. Each is compared, whichever matches first.
pub(super) fn shows_one_of(headers: &HeaderMap, secrets: &[Secret]) -> bool {
    let token = bearer(headers).unwrap_or_default();
    secrets
        .iter()
        .fold(false, |known, secret| secret.matches(token) | known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        let secrets = [Secret::from_value("old"), Secret::from_value("new")];
        for (header, known) in [
            ("Bearer old", true),
            ("bearer new", true),
            ("Bearer  new ", true),
            ("Bearer newer", false),
            ("Bearer ", false),
            ("Basic new", false),
            ("new", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, header.parse().unwrap())]);
            assert_eq!(shows_one_of(&headers, &secrets), known, "{header}");
        }
        assert!(!shows_one_of(&HeaderMap::new(), &secrets));
    }
}
