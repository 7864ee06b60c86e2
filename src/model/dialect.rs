//! What servers differ in: which optional fields of a request a target takes, learnt from what it refuses.

use std::sync::atomic::{AtomicU8, Ordering};

use serde::Deserialize;

use super::TargetConfig;

/// How the server is made to answer with an object. What comes back is read leniently in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerMode {
    /// By a JSON schema: the surest way, where the server knows it.
    #[default]
    JsonSchema,
    /// By asking for some JSON object; its fields are told in the prompt.
    JsonObject,
    /// By a tool that the model has to call.
    Tools,
    /// By the prompt alone.
    Text,
}

/// The field that limits the tokens of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLimitField {
    /// What all servers know but OpenAI's own newer models.
    #[default]
    MaxTokens,
    /// What OpenAI's models that reason insist on.
    MaxCompletionTokens,
}

/// A field that some server refuses by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    MaxTokens,
    MaxCompletionTokens,
    JsonSchema,
    JsonObject,
    Tools,
    Temperature,
}

impl Field {
    pub(super) const ALL: [Self; 6] = [
        Self::MaxTokens,
        Self::MaxCompletionTokens,
        Self::JsonSchema,
        Self::JsonObject,
        Self::Tools,
        Self::Temperature,
    ];

    /// Gives the name for the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
            Self::JsonSchema => "response_format json_schema",
            Self::JsonObject => "response_format json_object",
            Self::Tools => "tools",
            Self::Temperature => "temperature",
        }
    }

    /// Tells whether it limits the tokens of an answer.
    pub(super) fn is_limit(self) -> bool {
        matches!(self, Self::MaxTokens | Self::MaxCompletionTokens)
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(u8);

impl Fields {
    pub(super) fn with(self, field: Field) -> Self {
        Self(self.0 | field.bit())
    }

    pub(super) fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }
}

/// What one target has refused so far. It only grows, so no two answers can send it to and fro.
#[derive(Debug, Default)]
pub(super) struct Refused(AtomicU8);

impl Refused {
    /// Notes that `field` is refused.
    pub(super) fn learn(&self, field: Field) {
        self.0.fetch_or(field.bit(), Ordering::Relaxed);
    }

    fn fields(&self) -> Fields {
        Fields(self.0.load(Ordering::Relaxed))
    }
}

/// The fields that a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The field that carries the limit; `None` where none is sent.
    pub token_limit_field: Option<TokenLimitField>,
    /// How an object is asked for.
    pub answer: AnswerMode,
    /// Whether the configured temperature is sent.
    pub sends_temperature: bool,
}

impl Dialect {
    /// Gives what to speak with a target: what its settings say, as far as it has not refused that.
    pub(super) fn of(config: &TargetConfig, refused: &Refused) -> Self {
        let refused = refused.fields();
        let other = |field| match field {
            TokenLimitField::MaxTokens => TokenLimitField::MaxCompletionTokens,
            TokenLimitField::MaxCompletionTokens => TokenLimitField::MaxTokens,
        };
        let first = config.token_limit_field();
        let fields = [first, other(first)];
        let taken = fields.into_iter().find(|field| !refused.has(limit(*field)));
        let modes = match config.answer_mode() {
            AnswerMode::JsonSchema => &[AnswerMode::JsonSchema, AnswerMode::JsonObject][..],
            AnswerMode::JsonObject => &[AnswerMode::JsonObject][..],
            AnswerMode::Tools => &[AnswerMode::Tools][..],
            AnswerMode::Text => &[][..],
        };
        let answer = modes.iter().copied().find(|mode| {
            let field = format(*mode);
            !field.is_some_and(|field| refused.has(field))
        });
        Self {
            token_limit_field: taken.filter(|_| config.max_tokens > 0),
            answer: answer.unwrap_or(AnswerMode::Text),
            sends_temperature: config.temperature.is_some() && !refused.has(Field::Temperature),
        }
    }

    /// Gives the field to do without: one that was sent, and that the server names in its refusal.
    pub(super) fn refused_by(self, named: Fields) -> Option<Field> {
        let sent = Field::ALL.into_iter().filter(|field| self.sends(*field));
        sent.into_iter().find(|field| named.has(*field))
    }

    fn sends(self, field: Field) -> bool {
        match field {
            Field::MaxTokens | Field::MaxCompletionTokens => {
                self.token_limit_field.map(limit) == Some(field)
            }
            Field::JsonSchema | Field::JsonObject | Field::Tools => {
                format(self.answer) == Some(field)
            }
            Field::Temperature => self.sends_temperature,
        }
    }
}

fn limit(field: TokenLimitField) -> Field {
    match field {
        TokenLimitField::MaxTokens => Field::MaxTokens,
        TokenLimitField::MaxCompletionTokens => Field::MaxCompletionTokens,
    }
}

fn format(mode: AnswerMode) -> Option<Field> {
    match mode {
        AnswerMode::JsonSchema => Some(Field::JsonSchema),
        AnswerMode::JsonObject => Some(Field::JsonObject),
        AnswerMode::Tools => Some(Field::Tools),
        AnswerMode::Text => None,
    }
}

impl AnswerMode {
    /// Gives the name that the configuration has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JsonSchema => "json_schema",
            Self::JsonObject => "json_object",
            Self::Tools => "tools",
            Self::Text => "text",
        }
    }
}

impl TokenLimitField {
    /// Gives the name that requests have for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxTokens => "max_tokens",
            Self::MaxCompletionTokens => "max_completion_tokens",
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn config(more: &str) -> TargetConfig {
        toml::from_str(&format!("base_url = 'http://h'\nmodel = 'm'\n{more}")).unwrap()
    }

    fn spoken(more: &str, refused: &[Field]) -> (Option<&'static str>, &'static str, bool) {
        let learnt = Refused::default();
        for field in refused {
            learnt.learn(*field);
        }
        let dialect = Dialect::of(&config(more), &learnt);
        (
            dialect.token_limit_field.map(TokenLimitField::as_str),
            dialect.answer.as_str(),
            dialect.sends_temperature,
        )
    }

    #[rstest]
    #[case("", &[], (Some("max_tokens"), "json_schema", false))]
    #[case("", &[Field::MaxTokens], (Some("max_completion_tokens"), "json_schema", false))]
    #[case("", &[Field::MaxTokens, Field::MaxCompletionTokens], (None, "json_schema", false))]
    #[case("token_limit_field = 'max_completion_tokens'", &[Field::MaxCompletionTokens], (Some("max_tokens"), "json_schema", false))]
    #[case("max_tokens = 0", &[], (None, "json_schema", false))]
    #[case("", &[Field::JsonSchema], (Some("max_tokens"), "json_object", false))]
    #[case("", &[Field::JsonSchema, Field::JsonObject], (Some("max_tokens"), "text", false))]
    #[case("answer = 'json_object'", &[Field::JsonObject], (Some("max_tokens"), "text", false))]
    #[case("answer = 'tools'", &[], (Some("max_tokens"), "tools", false))]
    #[case("answer = 'tools'", &[Field::Tools], (Some("max_tokens"), "text", false))]
    #[case("temperature = 0.3", &[], (Some("max_tokens"), "json_schema", true))]
    #[case("temperature = 0.3", &[Field::Temperature], (Some("max_tokens"), "json_schema", false))]
    fn what_is_refused_is_done_without(
        #[case] settings: &str,
        #[case] refused: &[Field],
        #[case] expected: (Option<&'static str>, &'static str, bool),
    ) {
        assert_eq!(spoken(settings, refused), expected);
    }

    #[test]
    fn only_what_was_sent_can_be_refused() {
        let dialect = Dialect::of(&config(""), &Refused::default());
        let both = Fields::default()
            .with(Field::MaxTokens)
            .with(Field::MaxCompletionTokens);
        assert_eq!(dialect.refused_by(both), Some(Field::MaxTokens));
        let other = Fields::default()
            .with(Field::Temperature)
            .with(Field::JsonObject);
        assert_eq!(dialect.refused_by(other), None);
        assert_eq!(dialect.refused_by(Fields::default()), None);
    }
}
