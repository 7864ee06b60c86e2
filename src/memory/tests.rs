//! What is remembered, and for how long.

use super::*;
use crate::domain::{Author, Customer, MessageId, Owner, new_id};

const START: Timestamp = Timestamp::UNIX_EPOCH;

/// Gives messages of these texts, one a minute.
fn messages(texts: &[&str]) -> Vec<Message> {
    let minute = |index: usize| Duration::from_secs(60 * u64::try_from(index).unwrap());
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| Message {
            id: MessageId(new_id(START)),
            seq: i64::try_from(index).unwrap() + 1,
            author: Author::Customer,
            text: (*text).into(),
            media: Vec::new(),
            at: later(START, minute(index)),
            is_poison: false,
        })
        .collect()
}

fn kept(config: MemoryConfig, texts: &[&str], now: Timestamp) -> Vec<String> {
    let memory = Memory::new(config);
    let kept = memory.fit(messages(texts), &Ruler::default(), now);
    kept.into_iter().map(|message| message.text.0).collect()
}

#[test]
fn the_newest_stay_when_not_all_fit() {
    let config = MemoryConfig {
        messages: 2,
        ..MemoryConfig::default()
    };
    assert_eq!(kept(config, &["a", "b", "c"], START), ["b", "c"]);
    let config = MemoryConfig {
        tokens: 12,
        ..MemoryConfig::default()
    };
    assert_eq!(
        kept(config, &["short", "a good deal longer", "end"], START),
        ["end"]
    );
    let config = MemoryConfig {
        ttl: Duration::from_secs(90),
        ..MemoryConfig::default()
    };
    let now = later(START, Duration::from_secs(150));
    assert_eq!(
        kept(config, &["old", "new", "newest"], now),
        ["new", "newest"]
    );
    let config = MemoryConfig {
        messages: 0,
        ..MemoryConfig::default()
    };
    assert!(kept(config, &["a"], START).is_empty());
}

#[tokio::test]
async fn what_is_forgotten_is_remembered_no_more() {
    let conversation = Conversation {
        id: ConversationId(new_id(START)),
        assistant: "support".to_owned(),
        customer: Customer::new(Some("ana".to_owned()), None, None).unwrap(),
        owner: Owner::Assistant,
        handoff: None,
        opted_out: false,
        epoch: 0,
        version: 1,
        language: None,
        profile: Private::default(),
        opened_at: START,
        window_expires_at: START,
        summary: None,
    };
    let memory = Memory::new(MemoryConfig::default());
    let id = conversation.id;
    memory.remember(&conversation, 1, messages(&["hi"])).await;
    assert!(memory.cache.contains_key(&id));
    memory.forget(id).await;
    assert!(!memory.cache.contains_key(&id));
    // A turn that was under way ends now.
    memory.remember(&conversation, 2, messages(&["hi"])).await;
    assert!(!memory.cache.contains_key(&id));
}
