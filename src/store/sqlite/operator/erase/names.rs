//! What a customer is known by, and whether a text says it.

use std::collections::BTreeSet;
use std::fmt;

use super::bare_number;

/// What a customer is known by.
#[derive(Clone, Default)]
pub(super) struct Names {
    external_ids: BTreeSet<String>,
    braze_ids: BTreeSet<String>,
    phones: BTreeSet<String>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[private]")
    }
}

impl Names {
    /// Adds what one conversation knows.
    pub(super) fn add(
        &mut self,
        external_id: Option<String>,
        braze_id: Option<String>,
        phone: Option<String>,
    ) {
        let known = |name: &String| !name.is_empty();
        self.external_ids.extend(external_id.filter(known));
        self.braze_ids.extend(braze_id.filter(known));
        let phone = phone.map(|phone| bare_number(&phone)).filter(known);
        self.phones.extend(phone);
    }

    /// Gives the ids that Braze gave.
    pub(super) fn braze_ids(&self) -> Vec<String> {
        self.braze_ids.iter().cloned().collect()
    }

    /// Gives the numbers, without what people write between digits.
    pub(super) fn phones(&self) -> Vec<String> {
        self.phones.iter().cloned().collect()
    }

    /// Tells whether these are at least as many as `others`.
    pub(super) fn covers(&self, others: &Self) -> bool {
        self.external_ids.is_superset(&others.external_ids)
            && self.braze_ids.is_superset(&others.braze_ids)
            && self.phones.is_superset(&others.phones)
    }

    /// Tells whether a body says one of them: as a word of its own, as it is or as JSON writes it; a number however its
    /// digits are set apart.
    pub(super) fn stand_in(&self, body: &[u8]) -> bool {
        let ids = self.external_ids.iter().chain(&self.braze_ids);
        let mut spellings = ids.flat_map(|id| [id.clone(), escaped(id)]);
        spellings.any(|id| has_word(body, id.as_bytes()))
            || numbers(body).any(|number| self.phones.contains(&number))
            || self
                .phones
                .iter()
                .any(|phone| has_word(body, phone.as_bytes()))
    }
}

/// Writes an id as it stands in a JSON text.
fn escaped(id: &str) -> String {
    let quoted = serde_json::Value::from(id).to_string();
    quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_default()
        .to_owned()
}

fn has_word(body: &[u8], word: &[u8]) -> bool {
    let is_part = |byte: Option<&u8>| {
        byte.is_some_and(|b| b.is_ascii_alphanumeric() || b"_-@".contains(b) || !b.is_ascii())
    };
    let found = body
        .windows(word.len().max(1))
        .enumerate()
        .filter(|(_, window)| *window == word);
    found.into_iter().any(|(start, _)| {
        let before = start.checked_sub(1).and_then(|index| body.get(index));
        !is_part(before) && !is_part(body.get(start + word.len()))
    })
}

/// Gives the numbers of a text: runs of digits and of what people write between them.
fn numbers(body: &[u8]) -> impl Iterator<Item = String> + '_ {
    let runs = body.split(|byte| !byte.is_ascii_digit() && !b"+ -().".contains(byte));
    runs.map(|run| {
        let digits = run.iter().filter(|byte| byte.is_ascii_digit());
        digits.map(|byte| char::from(*byte)).collect::<String>()
    })
    .filter(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_as_a_word_of_its_own() {
        let mut names = Names::default();
        names.add(
            Some("ana".to_owned()),
            Some("a\"b/é".to_owned()),
            Some("+1 (555) 01-00".to_owned()),
        );
        for (body, said) in [
            (r#"{"user_id": "ana""#, true),
            ("I am ana.", true),
            ("ana", true),
            ("banana", false),
            ("ana2", false),
            ("juana, ana@example.com, ana-maria, año", false),
            (r#""braze_id": "a\"b/é""#, true),
            (r#"a"b/é"#, true),
            ("+15550100", true),
            ("1 555-0100, 7", true),
            ("15550100", true),
            ("115550100", false),
            ("+1555010", false),
            ("", false),
        ] {
            assert_eq!(names.stand_in(body.as_bytes()), said, "{body}");
        }
    }

    #[test]
    fn who_has_no_name_is_named_nowhere() {
        let mut names = Names::default();
        names.add(Some(String::new()), None, Some("+".to_owned()));
        assert!(!names.stand_in(b"+ 1, anything"));
    }
}
