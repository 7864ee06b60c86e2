//! The windows of live conversations, kept in a cache that is weighed in bytes.
//!
//! The store is the truth: each window carries the history's version, and one that does not match the claim's is read
//! anew. A window also carries whose it is, and that is checked on every read: nobody ever sees another's words.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use moka::future::Cache;
use serde::Deserialize;

use crate::clock::{earlier, later};
use crate::domain::{Conversation, ConversationId, Message, Summary};
use crate::model::Ruler;
use crate::problem::Problem;
use crate::redact::Private;
use crate::store::{Store, StoreError};

/// What a message costs in memory beyond its text: ids, times, the allocations around them.
const MESSAGE_BYTES: usize = 160;

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
    /// Whether messages that fall out of the window are summed up for the model. Default no: it costs calls.
    pub summary: bool,
    /// What the cache may hold, in MiB. Default 64: about 20,000 conversations.
    pub cache_mib: u64,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        Self {
            messages: 20,
            ttl: Duration::from_hours(24),
            tokens: 3_000,
            summary: false,
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
        if self.summary && self.messages == 0 {
            let message = "nothing is remembered, so there is nothing to sum up";
            problems.push(Problem::new("summary", message).help("set `messages` to 1 or more"));
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

/// Where a window ends that has grown too small for all that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// The place of the oldest message that the next turn is still reminded of.
    pub kept_from: i64,
    /// The place up to which the summary is to reach. It takes in the older half of what is still kept, so that the next
    /// few turns need no other.
    pub fold_before: i64,
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
        ruler: &Ruler,
        now: Timestamp,
    ) -> Result<Vec<Message>, StoreError> {
        if conversation.version == 0 || self.config.messages == 0 {
            return Ok(Vec::new());
        }
        if let Some(window) = self.cache.get(&conversation.id).await
            && window.is_of(conversation)
        {
            return Ok(self.fit(window.messages.clone(), ruler, now));
        }
        let history = store.history(conversation.id, self.config.messages).await?;
        Ok(self.fit(history.messages, ruler, now))
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

    /// Tells whether what falls out of a window is summed up.
    pub fn sums_up(&self) -> bool {
        self.config.summary
    }

    /// Gives the summary of what the model is not shown any more, where there is one and it is not too old.
    pub fn summary<'a>(
        &self,
        conversation: &'a Conversation,
        now: Timestamp,
    ) -> Option<&'a Summary> {
        let summary = conversation.summary.as_ref();
        summary.filter(|summary| self.config.summary && summary.expires_at > now)
    }

    /// Tells where the window ends, after a turn that left it like this, where more was said than it holds and than the
    /// summary covers. Nothing where summaries are off.
    pub fn overflow(
        &self,
        conversation: &Conversation,
        window: &[Message],
        ruler: &Ruler,
        now: Timestamp,
    ) -> Option<Overflow> {
        if !self.config.summary {
            return None;
        }
        let kept = &window[window.len() - self.fitting(window, ruler, now)..];
        let first = |messages: &[Message]| messages.iter().map(|message| message.seq).min();
        let covered = conversation.summary.as_ref();
        let covered = covered.map_or(0, |summary| summary.up_to);
        let kept_from = first(kept).unwrap_or(i64::MAX);
        (kept_from > covered.saturating_add(1)).then(|| Overflow {
            kept_from,
            fold_before: first(&kept[kept.len() / 2..]).unwrap_or(i64::MAX),
        })
    }

    /// Tells when what was said at `at` is forgotten.
    pub fn forgotten_at(&self, at: Timestamp) -> Timestamp {
        later(at, self.config.ttl)
    }

    /// Drops what is too old, too many or too long; the newest stays longest.
    fn fit(&self, messages: Vec<Message>, ruler: &Ruler, now: Timestamp) -> Vec<Message> {
        let surplus = messages.len() - self.fitting(&messages, ruler, now);
        messages.into_iter().skip(surplus).collect()
    }

    /// Counts the newest messages that are within the limits.
    fn fitting(&self, messages: &[Message], ruler: &Ruler, now: Timestamp) -> usize {
        let oldest = earlier(now, self.config.ttl);
        let newest = messages
            .iter()
            .rev()
            .take(usize::try_from(self.config.messages).unwrap_or(usize::MAX))
            .take_while(|message| message.at >= oldest)
            .map(|message| message.text.as_str());
        ruler.fitting(newest, self.config.tokens)
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

#[cfg(test)]
mod tests;
