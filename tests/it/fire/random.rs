//! Where chance comes from: seeds that can be given again, and numbers that follow from them.

/// The seed of the short form, and the first of the long one. Another number gives other moments.
const SEED: u64 = 0x0f52_6f6e_7464_6573;

/// Runs of the long form, each with a seed of its own.
const LONG_RUNS: u64 = 3;

/// Tells whether the long form was asked for: `tests/run --long`.
pub(crate) fn is_long() -> bool {
    environment("FRONTDESK_FIRE").is_some_and(|form| form == "long")
}

/// Gives the seeds to run with: the one in `FRONTDESK_FIRE_SEED`, else the usual ones.
pub(crate) fn seeds() -> Vec<u64> {
    let runs = if is_long() { LONG_RUNS } else { 1 };
    match environment("FRONTDESK_FIRE_SEED") {
        Some(seed) => {
            vec![number(&seed).expect("FRONTDESK_FIRE_SEED is a number, such as 7 or 0xf00")]
        }
        None => (SEED..SEED + runs).collect(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own switches; the gateway does not know them"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Gives a number from 0 to below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}
