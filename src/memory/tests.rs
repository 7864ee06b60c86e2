//! What is remembered, and for how long.

use super::*;
use crate::domain::{Author, Customer, MessageId, Owner, new_id};
use crate::model::Scripts;

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

#[test]
fn the_window_is_measured_by_what_was_learned() {
    let (ruler, texts) = (Ruler::default(), ["a good many words"; 10]);
    let memory = Memory::new(MemoryConfig {
        tokens: 50,
        ..MemoryConfig::default()
    });
    let before = memory.fit(messages(&texts), &ruler, START).len();
    let scripts = Scripts::of(&"a good many words ".repeat(100));
    (0..50).for_each(|_| ruler.learn(&scripts, 1_800));
    let after = memory.fit(messages(&texts), &ruler, START).len();
    assert!(0 < after && after < before, "{after} of {before}");
}

#[test]
fn a_window_overflows_when_it_drops_what_no_summary_covers() {
    let conversation = |summary: Option<Summary>| Conversation {
        summary,
        ..conversation()
    };
    let overflow = |config: MemoryConfig, covered: Option<i64>, texts: &[&str]| {
        let summary = covered.map(|up_to| Summary {
            text: "S".into(),
            up_to,
            expires_at: START,
        });
        let (memory, ruler) = (Memory::new(config), Ruler::default());
        memory.overflow(&conversation(summary), &messages(texts), &ruler, START)
    };
    let config = || MemoryConfig {
        messages: 4,
        summary: true,
        ..MemoryConfig::default()
    };
    let at = |kept_from, fold_before| {
        Some(Overflow {
            kept_from,
            fold_before,
        })
    };
    assert_eq!(overflow(config(), None, &["x"; 4]), None);
    assert_eq!(overflow(config(), None, &["x"; 5]), at(2, 4));
    assert_eq!(overflow(config(), Some(3), &["x"; 7]), None);
    assert_eq!(overflow(config(), Some(3), &["x"; 8]), at(5, 7));
    let one = MemoryConfig {
        messages: 1,
        ..config()
    };
    assert_eq!(overflow(one, None, &["x"; 2]), at(2, 2));
    let none_fits = MemoryConfig {
        tokens: 1,
        ..config()
    };
    assert_eq!(overflow(none_fits, None, &["x"]), at(i64::MAX, i64::MAX));
    let off = MemoryConfig {
        summary: false,
        ..config()
    };
    assert_eq!(overflow(off, None, &["x"; 5]), None);
}

#[test]
fn a_summary_counts_until_its_end_and_where_it_is_wanted() {
    let end = later(START, Duration::from_mins(1));
    let conversation = Conversation {
        summary: Some(Summary {
            text: "S".into(),
            up_to: 1,
            expires_at: end,
        }),
        ..conversation()
    };
    let shown = |summary: bool, now: Timestamp| {
        let memory = Memory::new(MemoryConfig {
            summary,
            ..MemoryConfig::default()
        });
        memory.summary(&conversation, now).is_some()
    };
    assert!(shown(true, START));
    assert!(!shown(false, START));
    assert!(!shown(true, end));
}

fn conversation() -> Conversation {
    Conversation {
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
        pause: None,
    }
}

#[tokio::test]
async fn what_is_forgotten_is_remembered_no_more() {
    let conversation = conversation();
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
