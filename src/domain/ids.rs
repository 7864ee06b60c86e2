//! Names that the gateway gives to things: UUIDs of version 7, so that they sort by the time they were given.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// One customer with one assistant.
    ConversationId,
    /// One thing said.
    MessageId,
    /// One outgoing effect.
    DeliveryId,
    /// One time that people were asked to take over.
    HandoffId,
    /// One run of the gateway's process.
    NodeId,
}

/// Gives a new id for the time `now`.
pub fn new_id(now: Timestamp) -> Uuid {
    let millis = now.as_millisecond().max(0);
    let seconds = u64::try_from(millis / 1_000).unwrap_or_default();
    let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(
        uuid::ContextV7::new(),
        seconds,
        nanos,
    ))
}
