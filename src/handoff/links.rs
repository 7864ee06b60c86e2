//! Links by which somebody can act who can only follow an address: each good for one act, on one handoff, for a while.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::clock::later;
use crate::domain::{Act, ConversationId, HandoffId};
use crate::redact::Secret;

/// How long a link is good, where its handoff goes on for that long: a weekend and the days around it.
const GOOD_FOR: Duration = Duration::from_hours(7 * 24);

/// What sets our signatures apart from any other that is made with the same secret.
const PURPOSE: &[u8] = b"frontdesk desk link 1";

/// Bytes of what a token says: the act, the conversation, the handoff, the end in seconds.
const SAID: usize = 1 + 16 + 16 + 8;

/// Bytes of its signature.
const SIGNATURE: usize = 32;

/// Letters of a token at most; one of ours is shorter.
const TOKEN_MAX: usize = 128;

/// What links can be made for. A link begins nothing, and notes are for who has more than a link.
const LINKED: [(Act, &str); 3] = [
    (Act::Acknowledge, "ack_url"),
    (Act::Release, "release_url"),
    (Act::Reply, "reply_url"),
];

/// Makes and reads the links of one desk, by its secrets: whoever has one of these may do all that a link allows.
#[derive(Clone)]
pub struct Links {
    base: Option<String>,
    keys: Vec<Hmac<Sha256>>,
}

/// What a link allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// What may be done.
    pub act: Act,
    /// With which conversation.
    pub conversation: ConversationId,
    /// While this handoff goes on.
    pub handoff: HandoffId,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Links")
    }
}

impl Links {
    /// Takes a desk's secrets, the one in use first, and the gateway's own address as the desk reaches it. Without that,
    /// no links are made.
    pub fn new(secrets: &[Secret], public_url: Option<&str>) -> Self {
        let key = |secret: &Secret| Hmac::new_from_slice(secret.expose().trim().as_bytes()).ok();
        Self {
            base: public_url.map(|url| url.trim_end_matches('/').to_owned()),
            keys: secrets.iter().filter_map(key).collect(),
        }
    }

    /// Gives the links of a handoff, by the names that they have in events; each is null where there is none.
    pub(super) fn of(
        &self,
        now: Timestamp,
        conversation: ConversationId,
        handoff: HandoffId,
    ) -> Value {
        let until = later(now, GOOD_FOR);
        let link = |act| {
            let permit = Permit {
                act,
                conversation,
                handoff,
            };
            let (base, token) = self.base.as_ref().zip(self.token(permit, until))?;
            let act = act.as_str();
            Some(format!(
                "{base}/v1/conversations/{conversation}/{act}?token={token}"
            ))
        };
        let links = LINKED.into_iter();
        links
            .map(|(act, name)| (name.to_owned(), json!(link(act))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    fn token(&self, permit: Permit, until: Timestamp) -> Option<String> {
        let said = write(permit, until)?;
        let mut signed = said.to_vec();
        signed.extend(signature(self.keys.first()?, &said).finalize().into_bytes());
        Some(URL_SAFE_NO_PAD.encode(signed))
    }

    /// Reads a token; nothing where it is not ours, or its time is over. All keys are tried, and none tells by its time
    /// how much of a signature was right.
    pub fn read(&self, token: &str, now: Timestamp) -> Option<Permit> {
        let token = Some(token).filter(|token| token.len() <= TOKEN_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        if bytes.len() != SAID + SIGNATURE {
            return None;
        }
        let (said, signed) = bytes.split_at(SAID);
        let fits = |key: &Hmac<Sha256>| signature(key, said).verify_slice(signed).is_ok();
        let is_ours = self.keys.iter().fold(false, |ours, key| fits(key) | ours);
        let (permit, until) = read(said)?;
        (is_ours && now.as_second() < until).then_some(permit)
    }
}

fn signature(key: &Hmac<Sha256>, said: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(PURPOSE);
    mac.update(said);
    mac
}

fn write(permit: Permit, until: Timestamp) -> Option<[u8; SAID]> {
    let mut linked = LINKED.iter();
    let act = linked.position(|(act, _)| *act == permit.act)?;
    let mut said = [0; SAID];
    said[0] = u8::try_from(act).ok()?;
    said[1..17].copy_from_slice(permit.conversation.0.as_bytes());
    said[17..33].copy_from_slice(permit.handoff.0.as_bytes());
    said[33..].copy_from_slice(&until.as_second().to_be_bytes());
    Some(said)
}

fn read(said: &[u8]) -> Option<(Permit, i64)> {
    let (act, rest) = said.split_first()?;
    let (conversation, rest) = rest.split_first_chunk::<16>()?;
    let (handoff, rest) = rest.split_first_chunk::<16>()?;
    let until = i64::from_be_bytes(rest.try_into().ok()?);
    let (act, _) = LINKED.get(usize::from(*act))?;
    let permit = Permit {
        act: *act,
        conversation: ConversationId(Uuid::from_bytes(*conversation)),
        handoff: HandoffId(Uuid::from_bytes(*handoff)),
    };
    Some((permit, until))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::new_id;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn links(secrets: &[&str]) -> Links {
        let secrets: Vec<_> = secrets.iter().copied().map(Secret::from_value).collect();
        Links::new(&secrets, Some("https://gateway.example/"))
    }

    fn permit(act: Act) -> Permit {
        Permit {
            act,
            conversation: ConversationId(new_id(NOW)),
            handoff: HandoffId(new_id(NOW)),
        }
    }

    #[test]
    fn a_link_is_read_back_by_each_secret_until_its_time_is_over() {
        let made = links(&["old"]);
        let until = later(NOW, Duration::from_secs(10));
        for act in [Act::Acknowledge, Act::Reply, Act::Release] {
            let permit = permit(act);
            let token = made.token(permit, until).unwrap();
            for reader in [&["old"][..], &["new", "old"], &["old", "new"]] {
                assert_eq!(links(reader).read(&token, NOW), Some(permit));
            }
            assert_eq!(links(&["new"]).read(&token, NOW), None);
            assert_eq!(
                made.read(&token, later(NOW, Duration::from_secs(9))),
                Some(permit)
            );
            assert_eq!(made.read(&token, until), None);
        }
        assert_eq!(made.token(permit(Act::HandOff), until), None);
    }

    #[test]
    fn no_letter_of_a_token_can_be_changed() {
        let made = links(&["secret"]);
        let token = made
            .token(permit(Act::Release), later(NOW, GOOD_FOR))
            .unwrap();
        for place in 0..token.len() {
            let mut letters: Vec<char> = token.chars().collect();
            letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
            let forged: String = letters.into_iter().collect();
            assert_eq!(made.read(&forged, NOW), None, "{place}");
        }
        for nonsense in [
            "",
            "A",
            &token[..40],
            &format!("{token}A"),
            &"A".repeat(999),
        ] {
            assert_eq!(made.read(nonsense, NOW), None);
        }
    }

    #[test]
    fn links_lead_to_the_gateway_where_it_has_an_address() {
        let Permit {
            conversation,
            handoff,
            ..
        } = permit(Act::Release);
        let of = links(&["secret"]).of(NOW, conversation, handoff);
        let link = of["ack_url"].as_str().unwrap();
        let begin = format!("https://gateway.example/v1/conversations/{conversation}/ack?token=");
        assert!(link.starts_with(&begin), "{link}");
        let nowhere = Links::new(&[Secret::from_value("secret")], None);
        let of = nowhere.of(NOW, conversation, handoff);
        assert!(of["ack_url"].is_null() && of["reply_url"].is_null(), "{of}");
    }
}
