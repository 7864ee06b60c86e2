//! What was done about words of a model that may not leave.

/// What a guard did about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guarded {
    /// It said that people take over, and now they do.
    ClaimHandedOff,
    /// It said that something had been done which nobody had; the model was asked again.
    ClaimRetried,
    /// It said so again, and another text was sent.
    ClaimReplaced,
    /// It repeated its instructions; the model was asked again.
    CanaryRetried,
    /// It repeated them again, and another text was sent.
    CanaryReplaced,
    /// It said what it must never say; the model was asked again.
    NeverSayRetried,
    /// It said so again, and another text was sent.
    NeverSayReplaced,
    /// An address that is not the business's was taken out.
    LinkRemoved,
    /// The number of a card or an account was masked.
    CardMasked,
}

impl Guarded {
    /// Everything that guards do.
    pub const ALL: [Self; 9] = [
        Self::ClaimHandedOff,
        Self::ClaimRetried,
        Self::ClaimReplaced,
        Self::CanaryRetried,
        Self::CanaryReplaced,
        Self::NeverSayRetried,
        Self::NeverSayReplaced,
        Self::LinkRemoved,
        Self::CardMasked,
    ];

    /// Gives the name that is stored, counted and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClaimHandedOff => "claim_handed_off",
            Self::ClaimRetried => "claim_retried",
            Self::ClaimReplaced => "claim_replaced",
            Self::CanaryRetried => "canary_retried",
            Self::CanaryReplaced => "canary_replaced",
            Self::NeverSayRetried => "never_say_retried",
            Self::NeverSayReplaced => "never_say_replaced",
            Self::LinkRemoved => "link_removed",
            Self::CardMasked => "card_masked",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|guarded| guarded.as_str() == name)
    }
}
