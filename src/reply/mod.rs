//! The text that may leave: shaped for WhatsApp, made harmless for Braze, kept within its length.
//!
//! A model's words go through [`shown`], which turns Markdown into WhatsApp's markup. What people and the operator
//! wrote is not touched so. All of it leaves by [`Form::messages`].

mod html;
mod leak;
mod links;
mod markup;
mod mask;
mod parts;
mod shape;
mod table;

#[cfg(test)]
mod tests;

pub use leak::{Canary, Instructions};
pub use links::{Allowed, Links, NoDomain};
pub use mask::{bare as bare_number, masked};

/// The longest text message that WhatsApp takes, in UTF-16 units.
pub const WHATSAPP_TEXT: usize = 4_096;

/// The longest body of a WhatsApp template, in UTF-16 units.
pub const TEMPLATE_TEXT: usize = 1_024;

/// Messages that one reply may be sent in, unless the configuration says otherwise: who is sent more, reads none.
pub const PARTS_DEFAULT: usize = 2;

/// Messages that one reply may be sent in at most: WhatsApp takes about ten a minute to one person.
pub const PARTS_MAX: usize = 5;

/// What is looked at of a text, in characters: twice as much as may ever leave. Models run on.
const LOOKED_AT: usize = 2 * PARTS_MAX * WHATSAPP_TEXT;

/// The form in which an assistant's campaign takes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// Messages that a reply may be sent in.
    pub parts: usize,
    /// Where the campaign is a template: how many UTF-16 units its fixed text takes.
    pub template: Option<usize>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            parts: PARTS_DEFAULT,
            template: None,
        }
    }
}

impl Form {
    /// Gives the messages to send for a text, in order; none where nothing is left to say. Whatever Braze's Liquid could
    /// take for a tag is broken up, whoever wrote it; the markup stays as it is.
    pub fn messages(&self, text: &str) -> Vec<String> {
        let text: String = text.chars().take(LOOKED_AT).collect();
        let harmless = break_liquid(text.trim());
        match self.template {
            Some(fixed) => {
                let room = TEMPLATE_TEXT.saturating_sub(fixed);
                let line = break_liquid(&parts::flat(&harmless));
                let cut = parts::cut(&line, room);
                Vec::from_iter((!cut.is_empty()).then_some(cut))
            }
            None => parts::split(&harmless, WHATSAPP_TEXT, self.parts),
        }
    }
}

/// Gives a model's words as WhatsApp shows them. Of a link whose address is not to be kept, the words stay.
pub fn shown(text: &str, keep: &dyn Fn(&str) -> bool) -> String {
    let text: String = text.chars().take(LOOKED_AT).collect();
    markup::whatsapp(&text, keep)
}

/// Makes what a person has typed fit to leave: as it stands, but harmless for Braze. Gives `None` where nothing is left to
/// say.
pub fn typed(text: &str) -> Option<String> {
    let harmless = break_liquid(text.trim());
    (!harmless.is_empty()).then_some(harmless)
}

/// Puts a space into whatever Braze's Liquid could take for a tag, so that no words of a model are ever evaluated.
pub fn break_liquid(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = None;
    for letter in text.chars() {
        if matches!(
            (before, letter),
            (Some('{'), '{' | '%') | (Some('}' | '%'), '}')
        ) {
            safe.push(' ');
        }
        safe.push(letter);
        before = Some(letter);
    }
    safe
}
