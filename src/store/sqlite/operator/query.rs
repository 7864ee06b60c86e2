//! Lists in parts: conditions that are there or not, and a key below which the next part begins.

use rusqlite::ParamsFromIter;
use rusqlite::types::Value;

use super::super::super::{Page, Part};

/// The conditions of a list, with the values that they want.
pub(super) struct Query {
    conditions: Vec<String>,
    values: Vec<Value>,
    limit: u32,
}

impl Query {
    /// Begins with the part that is wanted.
    pub(super) fn of(part: Part) -> Self {
        Self {
            conditions: vec!["key < ?".to_owned()],
            values: vec![part.before.unwrap_or(i64::MAX).into()],
            limit: part.limit,
        }
    }

    /// Adds a condition with one `?`, where there is a value for it.
    pub(super) fn and(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.conditions.push(condition.to_owned());
            self.values.push(value.into());
        }
    }

    /// Adds a condition that needs no value. A partial index is used only where its own stands in the text.
    pub(super) fn and_fixed(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    /// Gives the text between `WHERE` and `ORDER BY`.
    pub(super) fn conditions(&self) -> String {
        self.conditions.join(" AND ")
    }

    /// Gives the values; the last is the limit, one more than wanted, which tells whether there are more.
    pub(super) fn values(self) -> ParamsFromIter<Vec<Value>> {
        let mut values = self.values;
        values.push((i64::from(self.limit) + 1).into());
        rusqlite::params_from_iter(values)
    }
}

/// Makes a page of what [`Query`] found, each with its key.
pub(super) fn page<T>(mut found: Vec<(i64, T)>, part: Part) -> Page<T> {
    let limit = usize::try_from(part.limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|(key, _)| *key).filter(|_| has_more);
    Page {
        items: found.into_iter().map(|(_, item)| item).collect(),
        next,
    }
}
