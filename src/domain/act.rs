//! What people can do with a conversation, and where that leads.

use super::Owner;

/// What a desk can do with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Ask people to take over.
    HandOff,
    /// Somebody is there.
    Acknowledge,
    /// Say something to the customer. Who does has the conversation.
    Reply,
    /// Note something that the customer does not see.
    Note,
    /// Give the conversation back to the assistant.
    Release,
}

impl Act {
    /// Every act there is.
    pub const ALL: [Self; 5] = [
        Self::HandOff,
        Self::Acknowledge,
        Self::Reply,
        Self::Note,
        Self::Release,
    ];

    /// Gives the name that stands in paths and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandOff => "handoff",
            Self::Acknowledge => "ack",
            Self::Reply => "replies",
            Self::Note => "notes",
            Self::Release => "release",
        }
    }

    /// Reads the name back.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.as_str() == name)
    }

    /// Gives who has a conversation after the act; nothing where it is not legal.
    pub fn leads(self, from: Owner) -> Option<Owner> {
        match (self, from) {
            (Self::HandOff, Owner::Assistant) => Some(Owner::Pending),
            (Self::Acknowledge, Owner::Pending | Owner::Human) | (Self::Reply, _) => {
                Some(Owner::Human)
            }
            (Self::Note, from) => Some(from),
            (Self::Release, Owner::Pending | Owner::Human) => Some(Owner::Assistant),
            (Self::HandOff, Owner::Pending | Owner::Human)
            | (Self::Acknowledge | Self::Release, Owner::Assistant) => None,
        }
    }

    /// Gives what is legal while this one has the conversation.
    pub fn legal(from: Owner) -> Vec<Self> {
        let is_legal = |act: &Self| act.leads(from).is_some();
        Self::ALL.into_iter().filter(is_legal).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_legal_and_where_it_leads() {
        let edges = |from: Owner| -> Vec<String> {
            let edge = |act: Act| {
                let to = act.leads(from).map_or("", Owner::as_str);
                format!("{} -> {to}", act.as_str())
            };
            Act::legal(from).into_iter().map(edge).collect()
        };
        assert_eq!(
            edges(Owner::Assistant),
            [
                "handoff -> pending",
                "replies -> human",
                "notes -> assistant"
            ]
        );
        assert_eq!(
            edges(Owner::Pending),
            [
                "ack -> human",
                "replies -> human",
                "notes -> pending",
                "release -> assistant"
            ]
        );
        assert_eq!(
            edges(Owner::Human),
            [
                "ack -> human",
                "replies -> human",
                "notes -> human",
                "release -> assistant"
            ]
        );
    }

    #[test]
    fn every_act_has_a_name_of_its_own() {
        for act in Act::ALL {
            assert_eq!(Act::from_name(act.as_str()), Some(act));
        }
        assert_eq!(Act::from_name("takeover"), None);
    }
}
