//! The windows of live conversations, kept in a cache that is weighed in bytes.
//!
//! The store is the truth: each window carries the history's version, and one that does not match the claim's is read
//! anew. A window also carries whose it is, and that is checked on every read: nobody ever sees another's words.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;
use serde::Deserialize;

use crate::clock::earlier;
use crate::domain::{Conversation, ConversationId, Message};
use crate::problem::Problem;
use crate::redact::Private;
use crate::store::{Store, StoreError};

/// What a message costs in memory beyond its text: ids, times, the allocations around them.
const MESSAGE_BYTES: usize = 160;

/// Letters of a token, for an estimate that is on the safe side: 3 in European languages.
const LETTERS_PER_TOKEN: usize = 3;

/// How long what was forgotten stays so, though a turn still ends: far longer than any turn takes.
const FORGOTTEN_FOR: Duration = Duration::from_hours(1);

/// How many conversations are known as forgotten: more than anybody erases in that time.
const FORGOTTEN: u64 = 10_000;

/// How long a message may be remembered: a minute is less than a question takes, a month more than anybody means.
const TTLS: std::ops::RangeInclusive<Duration> =
    Duration::from_mins(1)..=Duration::from_hours(30 * 24);

/// What the model is reminded of: `[memory]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Messages of the window, 0 to 200. Default 20: ten questions with their answers.
    pub messages: u32,
    /// How long a message is remembered. Default 24 h, WhatsApp's own window.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// Tokens of the window, estimated. Default 3,000: it leaves room in the smallest context in use, 8,192.
    pub tokens: usize,
    /// What the cache may hold, in MiB. Default 64: about 20,000 conversations.
    pub cache_mib: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            messages: 20,
            ttl: Duration::from_hours(24),
            tokens: 3_000,
            cache_mib: 64,
        }
    }
}

impl MemoryConfig {
    /// Finds what cannot work.
    pub fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.messages > 200 {
            problems.push(Problem::new("messages", "expected 0 to 200"));
        }
        if !TTLS.contains(&self.ttl) {
            problems.push(Problem::new("ttl", "expected 1 min to 30 days").help("such as `24h`"));
        }
        problems
    }
}

/// What was said in one conversation, as the model may see it.
#[derive(Debug)]
pub struct Window {
    assistant: String,
    customer: Private<String>,
    version: i64,
    messages: Vec<Message>,
}

/// Gives windows: from the cache where it is up to date, else from the store.
#[derive(Debug)]
pub struct Memory {
    cache: Cache<ConversationId, Arc<Window>>,
    forgotten: Cache<ConversationId, ()>,
    config: MemoryConfig,
}

impl Memory {
    /// Makes an empty cache.
    pub fn new(config: MemoryConfig) -> Self {
        let cache = Cache::builder()
            .max_capacity(config.cache_mib.saturating_mul(1_024 * 1_024))
            .weigher(|_, window: &Arc<Window>| u32::try_from(window.weight()).unwrap_or(u32::MAX))
            .time_to_idle(config.ttl)
            .build();
        let forgotten = Cache::builder()
            .max_capacity(FORGOTTEN)
            .time_to_live(FORGOTTEN_FOR)
            .build();
        Self {
            cache,
            forgotten,
            config,
        }
    }

    /// Gives what was said before in a conversation that was just claimed, oldest first, within the limits.
    pub async fn recall(
        &self,
        store: &dyn Store,
        conversation: &Conversation,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        if conversation.version == 0 || self.config.messages == 0 {
            return Ok(Vec::new());
        }
        if let Some(window) = self.cache.get(&conversation.id).await
            && window.is_of(conversation)
        {
            return Ok(self.fit(window.messages.clone(), now));
        }
        let history = store.history(conversation.id, self.config.messages).await?;
        Ok(self.fit(history.messages, now))
    }

    /// Remembers the window as it stands after a turn, at the version that its settlement gave.
    pub async fn remember(
        &self,
        conversation: &Conversation,
        version: i64,
        messages: Vec<Message>,
    ) {
        let keep = usize::try_from(self.config.messages).unwrap_or(usize::MAX);
        let surplus = messages.len().saturating_sub(keep);
        let window = Window {
            assistant: conversation.assistant.clone(),
            customer: conversation.customer.key(),
            version,
            messages: messages.into_iter().skip(surplus).collect(),
        };
        self.cache.insert(conversation.id, Arc::new(window)).await;
        if self.forgotten.contains_key(&conversation.id) {
            self.cache.invalidate(&conversation.id).await;
        }
    }

    /// Forgets a conversation that is gone, also what a turn that was under way would remember of it yet.
    pub async fn forget(&self, conversation: ConversationId) {
        self.forgotten.insert(conversation, ()).await;
        self.cache.invalidate(&conversation).await;
    }

    /// Drops what is too old, too many or too long; the newest stays longest.
    fn fit(&self, messages: Vec<Message>, now: Timestamp) -> Vec<Message> {
        let oldest = earlier(now, self.config.ttl);
        let mut tokens = 0;
        let kept = messages
            .iter()
            .rev()
            .take(usize::try_from(self.config.messages).unwrap_or(usize::MAX))
            .take_while(|message| message.at >= oldest)
            .take_while(|message| {
                tokens += estimated_tokens(&message.text);
                tokens <= self.config.tokens
            })
            .count();
        let surplus = messages.len() - kept;
        messages.into_iter().skip(surplus).collect()
    }
}

impl Window {
    fn is_of(&self, conversation: &Conversation) -> bool {
        self.version == conversation.version
            && self.assistant == conversation.assistant
            && self.customer == conversation.customer.key()
    }

    fn weight(&self) -> usize {
        let texts = self
            .messages
            .iter()
            .map(|message| message.text.len() + MESSAGE_BYTES);
        self.assistant.len() + self.customer.len() + texts.sum::<usize>()
    }
}

/// Estimates tokens: a letter beyond Latin script counts as one, others by three.
fn estimated_tokens(text: &str) -> usize {
    let (wide, narrow) = text.chars().fold((0, 0), |(wide, narrow), letter| {
        if u32::from(letter) > 0x2e80 {
            (wide + 1, narrow)
        } else {
            (wide, narrow + 1)
        }
    });
    wide + narrow / LETTERS_PER_TOKEN + 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::later;
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
        let kept = memory.fit(messages(texts), now);
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

    #[test]
    fn a_wide_script_costs_more_than_a_narrow_one() {
        assert!(estimated_tokens("こんにちは世界です") > estimated_tokens("ninechars"));
    }
}
