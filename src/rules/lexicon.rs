//! Which words the phrases know, and what each word of a message may stand for.

use std::collections::HashMap;
use std::sync::Arc;

use super::pattern::Word;

/// The longest word, in letters, in which a slip is looked for: typed words end well below it.
const SLIP_LETTERS_MAX: usize = 24;

/// A set of words that stand in the same place of some phrase; a small number.
pub(super) type Label = u32;

/// All words of all phrases, each with the labels whose sets hold it. A word in no phrase has none.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    numbers: HashMap<Word, u32>,
    sets: HashMap<Vec<u32>, Label>,
    exact: HashMap<Arc<str>, Vec<Label>>,
    /// Words that forgive a slip, by each of their spellings with one letter left out (and none).
    near: HashMap<String, Vec<Arc<str>>>,
    forgiving: HashMap<Arc<str>, Vec<Label>>,
}

impl Lexicon {
    /// Gives the label of a set of words.
    pub(super) fn label(&mut self, words: &[&Word]) -> Label {
        let mut set: Vec<u32> = words.iter().map(|word| self.number(word)).collect();
        set.sort_unstable();
        set.dedup();
        if let Some(label) = self.sets.get(&set) {
            return *label;
        }
        let label = count(self.sets.len());
        for word in words {
            self.learn(word, label);
        }
        self.sets.insert(set, label);
        label
    }

    /// Gives the number of labels.
    pub(super) fn labels(&self) -> usize {
        self.sets.len()
    }

    /// Gives what a word of a message may stand for, in ascending order.
    pub(super) fn look_up(&self, word: &str) -> &[Label] {
        if let Some(labels) = self.exact.get(word) {
            return labels;
        }
        for squeezed in squeezed(word) {
            if let Some(labels) = self.exact.get(squeezed.as_str()) {
                return labels;
            }
        }
        self.slipped(word)
    }

    fn number(&mut self, word: &Word) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = count(self.numbers.len());
        self.numbers.insert(word.clone(), number);
        number
    }

    fn learn(&mut self, word: &Word, label: Label) {
        push_once(self.exact.entry(word.text.clone()).or_default(), label);
        if word.slips {
            push_once(self.forgiving.entry(word.text.clone()).or_default(), label);
            for near in shortened(&word.text) {
                let words = self.near.entry(near).or_default();
                if !words.contains(&word.text) {
                    words.push(word.text.clone());
                }
            }
        }
    }

    /// Finds the word that was meant where one letter is missing, too many, wrong, or swapped with its neighbour.
    /// The first letter is never the slip: there a wrong letter mostly makes another word.
    fn slipped(&self, word: &str) -> &[Label] {
        let letters = word.chars().count();
        if !(4..=SLIP_LETTERS_MAX).contains(&letters) {
            return &[];
        }
        shortened(word)
            .filter_map(|near| self.near.get(&near))
            .flatten()
            .find(|meant| meant.chars().next() == word.chars().next() && one_slip(meant, word))
            .and_then(|meant| self.forgiving.get(meant))
            .map_or(&[], Vec::as_slice)
    }
}

/// Gives the next free number. No file that keeps to the limits comes near the largest.
fn count(known: usize) -> u32 {
    u32::try_from(known).unwrap_or(u32::MAX)
}

fn push_once(labels: &mut Vec<Label>, label: Label) {
    if let Err(at) = labels.binary_search(&label) {
        labels.insert(at, label);
    }
}

/// Gives "stooop" as "stop" and "stoop": letters said three times or more, said once and twice.
fn squeezed(word: &str) -> Vec<String> {
    let chars: Vec<char> = word.chars().collect();
    if !chars.windows(3).any(|w| w[0] == w[1] && w[1] == w[2]) {
        return Vec::new();
    }
    let runs: Vec<&[char]> = chars.chunk_by(|a, b| a == b).collect();
    let cut_to = |most: usize| {
        runs.iter()
            .flat_map(|run| &run[..if run.len() > 2 { most } else { run.len() }])
            .collect()
    };
    vec![cut_to(1), cut_to(2)]
}

/// Gives a word as it stands and with each of its letters, but the first, left out.
fn shortened(word: &str) -> impl Iterator<Item = String> {
    let without = |at: usize, c: char| [&word[..at], &word[at + c.len_utf8()..]].concat();
    let rest = word.char_indices().skip(1);
    std::iter::once(word.to_owned()).chain(rest.map(move |(at, c)| without(at, c)))
}

/// Tells whether two different words are one missing, added, wrong or swapped letter apart.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let same_front = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same_front..], &b[same_front..]);
    let same_back = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    match (&a[..a.len() - same_back], &b[..b.len() - same_back]) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([first, second], swapped) => swapped == [second, first].map(|c| *c),
        _ => false,
    }
}
