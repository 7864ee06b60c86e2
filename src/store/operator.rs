//! What operators ask of the store, and what it answers.

/// Who acts: written down with the act, in the same transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// His name in the configuration.
    pub name: String,
    /// What he may do.
    pub role: &'static str,
}
