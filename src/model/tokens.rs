//! Tokens, estimated before a server has counted them.
//!
//! Nobody ships the vocabulary of every model. But each server tells what it read, so the characters that a token takes
//! are learned, script by script, from that. The estimate is safe before anything is learned, and bounded whatever a
//! server tells. Nothing is kept: a restart begins anew.

use std::iter::Sum;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens are reckoned in millionths.
const TOKEN: u64 = 1_000_000;

/// What each text costs beyond its characters: its role, and the marks around it.
const FRAME: u64 = 4;

/// A report moves the estimate by at most this part of its error. Twenty reports remove nine tenths of it.
const GAIN: i128 = 8;

/// A report counts as at most this many times the estimate, or as this part of it: one that is wild does little.
const WILD: u64 = 2;

/// A question of fewer tokens than this teaches less: what a server adds to each weighs too much in it.
const SHORT: i128 = 64;

/// No model reads more tokens than this, so a report beyond it is none.
const LONGEST: u64 = 10_000_000;

/// What one character takes, in millionths of a token: at first, at least and at most.
struct Weight {
    first: u32,
    least: u32,
    most: u32,
}

/// Scripts that cost alike, in the order of [`class`]. At first, what the older vocabularies took. The least is better
/// than the best vocabulary in use, the most is a token a byte.
const WEIGHTS: [Weight; 6] = [
    // Latin, with digits, spaces and plain marks.
    Weight::new(333_334, 125_000, 1_000_000),
    // Greek, Cyrillic, Armenian, Georgian.
    Weight::new(500_000, 166_667, 2_000_000),
    // Hebrew, Arabic and their kin.
    Weight::new(750_000, 200_000, 2_000_000),
    // The scripts of India, of South-East Asia, of Ethiopia.
    Weight::new(1_000_000, 200_000, 3_000_000),
    // Chinese characters, kana, hangul.
    Weight::new(1_000_000, 250_000, 3_000_000),
    // Emoji, symbols, whatever is rare.
    Weight::new(2_000_000, 250_000, 4_000_000),
];

/// How many characters of each script a text has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    counts: [u32; WEIGHTS.len()],
    texts: u32,
}

/// Estimates tokens as one model counts them, and learns. Cloning gives another handle on what was learned.
#[derive(Clone, Debug)]
pub struct Ruler(Arc<[AtomicU32; WEIGHTS.len()]>);

impl Scripts {
    /// Counts one text. Add up the counts of all that a request carries: prompts, messages, a schema.
    pub fn of(text: &str) -> Self {
        let mut counts = [0_u32; WEIGHTS.len()];
        for letter in text.chars() {
            let count = &mut counts[class(letter)];
            *count = count.saturating_add(1);
        }
        Self { counts, texts: 1 }
    }
}

impl AddAssign for Scripts {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.texts = self.texts.saturating_add(other.texts);
    }
}

impl Sum for Scripts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, more| {
            sum += more;
            sum
        })
    }
}

impl Ruler {
    /// Estimates the tokens of one text in a question, rounded up, with what stands around it.
    pub fn measure(&self, text: &str) -> usize {
        self.tokens(&Scripts::of(text))
    }

    /// Estimates the tokens of texts that were counted, rounded up.
    pub fn tokens(&self, scripts: &Scripts) -> usize {
        let tokens = self.estimate(scripts).div_ceil(TOKEN);
        usize::try_from(tokens).unwrap_or(usize::MAX)
    }

    /// Tells how many texts, the first ones, fit into so many tokens. Give the newest first.
    pub fn fitting<'a>(&self, texts: impl IntoIterator<Item = &'a str>, tokens: usize) -> usize {
        let mut left = tokens;
        texts
            .into_iter()
            .take_while(|text| match left.checked_sub(self.measure(text)) {
                Some(rest) => {
                    left = rest;
                    true
                }
                None => false,
            })
            .count()
    }

    /// Learns from what a server says that it read: `scripts` is all that the question carried, `reported` its tokens.
    ///
    /// The weights follow by normalised least mean squares, each scaled by what it was at first, within its bounds. A
    /// report of nothing, or of more than any model reads, teaches nothing.
    pub fn learn(&self, scripts: &Scripts, reported: u64) {
        let estimate = self.estimate(scripts);
        if reported == 0 || reported > LONGEST || estimate > LONGEST * TOKEN {
            return;
        }
        let believed = (reported * TOKEN).clamp(estimate / WILD, estimate * WILD);
        let error = i128::from(believed) - i128::from(estimate);
        let shares = scripts.counts.iter().zip(&WEIGHTS);
        let shares = shares
            .map(|(count, weight)| i128::from(u64::from(*count) * u64::from(weight.first) / TOKEN));
        let norm = shares
            .clone()
            .fold(SHORT * SHORT, |norm, share| norm + share * share);
        for ((share, learned), weight) in shares.zip(&*self.0).zip(&WEIGHTS) {
            let step = error * share * i128::from(weight.first) / (GAIN * norm * i128::from(TOKEN));
            let moved = i128::from(learned.load(Ordering::Relaxed)) + step;
            let bounded = moved.clamp(weight.least.into(), weight.most.into());
            // Of two that learn at once, one may be lost: there will be others.
            learned.store(
                u32::try_from(bounded).unwrap_or(weight.most),
                Ordering::Relaxed,
            );
        }
    }

    /// Estimates in millionths of a token.
    fn estimate(&self, scripts: &Scripts) -> u64 {
        let frames = u64::from(scripts.texts) * FRAME * TOKEN;
        let letters = scripts.counts.iter().zip(&*self.0);
        letters.fold(frames, |sum, (count, weight)| {
            sum + u64::from(*count) * u64::from(weight.load(Ordering::Relaxed))
        })
    }
}

impl Default for Ruler {
    fn default() -> Self {
        Self(Arc::new(WEIGHTS.map(|weight| AtomicU32::new(weight.first))))
    }
}

impl Weight {
    const fn new(first: u32, least: u32, most: u32) -> Self {
        Self { first, least, most }
    }
}

/// Gives the place of a character's script in [`WEIGHTS`], by the blocks of Unicode.
fn class(letter: char) -> usize {
    match u32::from(letter) {
        0x0000..0x0370 | 0x1e00..0x1f00 | 0x2010..0x2028 => 0,
        0x0370..0x0590
        | 0x10a0..0x1100
        | 0x1c80..0x1cc0
        | 0x1f00..0x2000
        | 0x2d00..0x2d30
        | 0x2de0..0x2e00
        | 0xa640..0xa6a0 => 1,
        0x0590..0x0900 | 0xfb1d..0xfe00 | 0xfe70..0xff00 => 2,
        0x0900..0x10a0 | 0x1200..0x1c80 | 0x2d80..0x2de0 | 0xa8e0..0xa960 => 3,
        0x1100..0x1200
        | 0x2e80..0xa4d0
        | 0xa960..0xa980
        | 0xac00..0xd800
        | 0xf900..0xfb00
        | 0xfe30..0xfe50
        | 0xff00..0xfff0
        | 0x20000..0x40000 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests;
