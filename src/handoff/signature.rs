//! Signatures by the Standard Webhooks specification: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

/// How a signing key is written: this, then base64.
const PREFIX: &str = "whsec_";

/// Bytes that a signing key may have, by the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// A key that signs events.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

/// Why a text is no signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `whsec_` and the base64 of 24 to 64 random bytes")]
pub struct SigningKeyError;

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Reads a key.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        let encoded = text.trim().strip_prefix(PREFIX).ok_or(SigningKeyError)?;
        let key = STANDARD.decode(encoded).map_err(|_| SigningKeyError)?;
        if !KEY_BYTES.contains(&key.len()) {
            return Err(SigningKeyError);
        }
        Hmac::new_from_slice(&key)
            .map(Self)
            .map_err(|_| SigningKeyError)
    }

    /// Gives the value of the header `webhook-signature`.
    pub fn sign(&self, id: &str, at: Timestamp, body: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(format!("{id}.{}.{body}", at.as_second()).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_implementation_gives_the_same_signature() {
        let secret = format!("whsec_{}", STANDARD.encode([7u8; 32]));
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let ours = SigningKey::parse(&secret)
            .unwrap()
            .sign("evt_1", at, r#"{"a":"é"}"#);
        let theirs = standardwebhooks::Webhook::new(&secret).unwrap();
        let theirs = theirs
            .sign("evt_1", at.as_second(), r#"{"a":"é"}"#.as_bytes())
            .unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        let short = format!("whsec_{}", STANDARD.encode([7u8; 23]));
        for text in ["", "hunter2", "whsec_", "whsec_%%%", &short] {
            assert!(SigningKey::parse(text).is_err(), "{text}");
        }
    }
}
