//! What became of a message.

/// What became of an inbound message. Each gets exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The model's words were sent.
    Replied,
    /// People were asked to take over.
    HandedOff,
    /// It went to the people who already have the conversation.
    Forwarded,
    /// A rule answered it with a text from the assistant's folder.
    Canned,
    /// Another assistant has it now, as a message of its own.
    PassedOn,
    /// Nothing was sent, on purpose.
    Suppressed(Suppression),
    /// It could not be answered; the customer got the fallback text where that was possible.
    Failed(Failure),
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// The customer has asked for no more messages.
    OptedOut,
    /// A person took the conversation before the reply left.
    HumanTookOver,
    /// A newer message made the reply out of date.
    Superseded,
    /// The reply became too old to be of use.
    Expired,
    /// A rule says to ignore such messages.
    Ignored,
    /// The day's limit is reached, and the customer has been told so.
    Limit,
}

/// Why a message could not be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The model gave no usable answer in time.
    Model,
    /// The model, or a filter in front of it, would not answer.
    Refused,
    /// The assistant's prompt could not be rendered.
    Prompt,
    /// The assistant is no longer in the configuration.
    NoAssistant,
    /// Its turn crashed the gateway again and again.
    Poison,
    /// No answer could be given before it was too late for one, and the customer was told so.
    Late,
    /// The day's limit of tokens or money is reached, and the customer was told so.
    Limit,
    /// Braze refused the reply for good.
    Delivery,
    /// Whether the reply arrived is not known, and it was not to be sent twice.
    DeliveryUnknown,
}

impl Suppression {
    /// Every reason there is.
    pub const ALL: [Self; 6] = [
        Self::OptedOut,
        Self::HumanTookOver,
        Self::Superseded,
        Self::Expired,
        Self::Ignored,
        Self::Limit,
    ];

    /// Gives the name that is counted and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::HumanTookOver => "human_took_over",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Ignored => "ignored",
            Self::Limit => "limit",
        }
    }
}

impl Outcome {
    /// Every outcome there is.
    pub const ALL: [Self; 20] = [
        Self::Replied,
        Self::HandedOff,
        Self::Forwarded,
        Self::Canned,
        Self::PassedOn,
        Self::Suppressed(Suppression::OptedOut),
        Self::Suppressed(Suppression::HumanTookOver),
        Self::Suppressed(Suppression::Superseded),
        Self::Suppressed(Suppression::Expired),
        Self::Suppressed(Suppression::Ignored),
        Self::Suppressed(Suppression::Limit),
        Self::Failed(Failure::Model),
        Self::Failed(Failure::Refused),
        Self::Failed(Failure::Prompt),
        Self::Failed(Failure::NoAssistant),
        Self::Failed(Failure::Poison),
        Self::Failed(Failure::Late),
        Self::Failed(Failure::Limit),
        Self::Failed(Failure::Delivery),
        Self::Failed(Failure::DeliveryUnknown),
    ];

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }

    /// Gives the name that is stored and shown: `replied`, `suppressed(opted_out)`, `failed(model)`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replied => "replied",
            Self::HandedOff => "handed_off",
            Self::Forwarded => "forwarded",
            Self::Canned => "canned",
            Self::PassedOn => "passed_on",
            Self::Suppressed(Suppression::OptedOut) => "suppressed(opted_out)",
            Self::Suppressed(Suppression::HumanTookOver) => "suppressed(human_took_over)",
            Self::Suppressed(Suppression::Superseded) => "suppressed(superseded)",
            Self::Suppressed(Suppression::Expired) => "suppressed(expired)",
            Self::Suppressed(Suppression::Ignored) => "suppressed(ignored)",
            Self::Suppressed(Suppression::Limit) => "suppressed(limit)",
            Self::Failed(Failure::Model) => "failed(model)",
            Self::Failed(Failure::Refused) => "failed(refused)",
            Self::Failed(Failure::Prompt) => "failed(prompt)",
            Self::Failed(Failure::NoAssistant) => "failed(no_assistant)",
            Self::Failed(Failure::Poison) => "failed(poison)",
            Self::Failed(Failure::Late) => "failed(late)",
            Self::Failed(Failure::Limit) => "failed(limit)",
            Self::Failed(Failure::Delivery) => "failed(delivery)",
            Self::Failed(Failure::DeliveryUnknown) => "failed(delivery_unknown)",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_name_of_its_own() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_name(outcome.as_str()), Some(outcome));
        }
        assert_eq!(Outcome::from_name("suppressed"), None);
    }
}
