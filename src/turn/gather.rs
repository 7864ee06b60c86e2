//! What a turn knows before it decides: the folder in force, what was said, the language to speak.

use std::sync::Arc;

use jiff::Timestamp;

use super::Assistant;
use crate::domain::{Author, Language, Message, Summary};
use crate::memory::Memory;
use crate::prompts::Folder;
use crate::rules::{self, Rules};
use crate::store::{Claimed, Store, StoreError};

/// What a turn knows.
#[derive(Debug)]
pub(super) struct Gathered {
    /// One version of the folder for the whole turn, whatever is reloaded meanwhile.
    pub(super) folder: Arc<Folder>,
    /// What was said before, oldest first, as far as the model may see it.
    pub(super) remembered: Vec<Message>,
    /// What came before that, in short, where the assistant keeps a summary.
    pub(super) summary: Option<Summary>,
    /// The language to speak.
    pub(super) language: Language,
    /// The language to remember, where the messages told one.
    pub(super) heard: Option<Language>,
    /// Whether the customer asks what he has asked shortly before.
    pub(super) is_repeat: bool,
    /// When the turn began.
    pub(super) now: Timestamp,
}

/// Messages of the customer, the latest that were dealt with, among which the same question is looked for.
const ASKED_BEFORE: usize = 4;

/// Gathers what a turn needs to know.
pub(super) async fn gather(
    assistant: &Assistant,
    memory: &Memory,
    store: &dyn Store,
    now: Timestamp,
    claimed: &Claimed,
) -> Result<Gathered, StoreError> {
    let conversation = &claimed.conversation;
    let ruler = assistant.lineup.ruler(&conversation.customer.key());
    let remembered = memory.recall(store, conversation, &ruler, now).await?;
    Ok(Gathered {
        is_repeat: is_repeat(&claimed.waiting, &remembered),
        remembered,
        summary: memory.summary(conversation, now).cloned(),
        ..Gathered::bare(assistant, now, claimed)
    })
}

impl Gathered {
    /// Gives what is known without asking anybody.
    pub(super) fn bare(assistant: &Assistant, now: Timestamp, claimed: &Claimed) -> Self {
        let heard = heard(&claimed.waiting);
        let folder = assistant.prompts.current();
        let known = heard.or(claimed.conversation.language);
        let language = known.or_else(|| hinted(&claimed.waiting, folder.rules()));
        Self {
            folder,
            remembered: Vec::new(),
            summary: None,
            language: language.unwrap_or(assistant.language),
            heard,
            is_repeat: false,
            now,
        }
    }
}

/// Tells whether any message that waits asks what was asked before.
fn is_repeat(waiting: &[Message], remembered: &[Message]) -> bool {
    let customers = remembered.iter().rev();
    let customers = customers.filter(|message| message.author == Author::Customer);
    let before: Vec<_> = customers.take(ASKED_BEFORE).collect();
    let is_asked_again = |message: &Message| {
        before
            .iter()
            .any(|other| rules::asks_again(&message.text, &other.text))
    };
    waiting.iter().any(is_asked_again)
}

/// Gives the language of the newest message that is long enough to tell one.
fn heard(waiting: &[Message]) -> Option<Language> {
    waiting
        .iter()
        .rev()
        .find_map(|message| rules::detect(&message.text))
}

/// Gives the language of a phrase that one of the messages meets, for those too short to tell one. English words are used
/// by everybody, so they tell nothing.
fn hinted(waiting: &[Message], rules: &Rules) -> Option<Language> {
    let met = |message: &Message| Some(rules.screen(&message.text)?.language);
    waiting
        .iter()
        .rev()
        .filter_map(met)
        .find(|language| *language != Language::ENGLISH)
}
