//! The brake for two machines that write to each other: what it goes by, and when it is pulled.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::shape::Shape;
use crate::clock::later;

/// The time within which `turns` make a loop. A person reads and types, and does not keep up ten in a minute for so long.
const TURNS_WITHIN: Duration = Duration::from_mins(3);

/// How soon a text that is nearly the same has to come to count. Machines answer at once; a person who asks again has
/// waited.
const REPEATED_WITHIN: Duration = Duration::from_mins(1);

/// How soon the next text that looks automatic has to come to count: some machines answer by the minute.
const AUTOMATIC_WITHIN: Duration = Duration::from_mins(15);

/// What makes a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeTerms {
    /// Turns within three minutes.
    pub turns: usize,
    /// Texts one after another that are nearly the same; twice as many where they are short.
    pub repeats: u32,
    /// Texts one after another that look automatic.
    pub automatic: u32,
    /// How long the assistant says nothing then; zero for no brake at all.
    pub pause: Duration,
}

/// What a customer has written lately, as far as the brake goes by it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    turns: VecDeque<Timestamp>,
    last: Option<(Timestamp, Shape)>,
    repeats: u32,
    automatic: u32,
}

impl Trail {
    /// Adds a turn. Tells whether it makes a loop.
    pub(super) fn add(
        &mut self,
        terms: BrakeTerms,
        now: Timestamp,
        shape: Shape,
        is_automatic: bool,
    ) -> bool {
        let is_within = |last: Timestamp, time| now <= later(last, time);
        let (repeats, automatic) = match &self.last {
            Some((at, last)) => (
                is_within(*at, REPEATED_WITHIN) && last.is_like(&shape),
                is_within(*at, AUTOMATIC_WITHIN),
            ),
            None => (false, false),
        };
        self.repeats = if repeats { self.repeats + 1 } else { 1 };
        self.automatic = match (is_automatic, automatic) {
            (true, true) => self.automatic + 1,
            (true, false) => 1,
            (false, _) => 0,
        };
        let most = terms.repeats * if shape.is_short() { 2 } else { 1 };
        self.last = Some((now, shape));
        self.turns.push_back(now);
        while let Some(first) = self.turns.front()
            && (self.turns.len() > terms.turns || !is_within(*first, TURNS_WITHIN))
        {
            self.turns.pop_front();
        }
        self.turns.len() >= terms.turns || self.repeats >= most || self.automatic >= terms.automatic
    }

    /// Tells whether nothing of it can count any more.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        let last = self.last.as_ref().map(|(at, _)| *at);
        last.is_none_or(|at| later(at, AUTOMATIC_WITHIN) < now)
    }

    /// Tells whether something was added since a time.
    pub(super) fn goes_on_after(&self, time: Timestamp) -> bool {
        self.last.as_ref().is_some_and(|(at, _)| *at > time)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TERMS: BrakeTerms = BrakeTerms {
        turns: 6,
        repeats: 3,
        automatic: 2,
        pause: Duration::from_mins(30),
    };

    /// Tells at which of these texts the brake is pulled, when one comes every so many seconds.
    fn pulled(texts: &[(&str, bool)], seconds: u64) -> Option<usize> {
        let mut trail = Trail::default();
        let mut now = Timestamp::UNIX_EPOCH;
        texts.iter().position(|(text, is_automatic)| {
            now = later(now, Duration::from_secs(seconds));
            let shape = Shape::of([*text].into_iter());
            trail.add(TERMS, now, shape, *is_automatic)
        })
    }

    const SAME: (&str, bool) = ("Your request was received, ticket 1.", false);
    const SHORT: (&str, bool) = ("hello?", false);
    const AWAY: (&str, bool) = ("I am out of office until Monday.", true);
    const OTHERS: [(&str, bool); 7] = [
        ("Where is my parcel, please?", false),
        ("It was to come on Monday.", false),
        ("No, the blue one that I bought in May", false),
        ("And what does the express cost then", false),
        ("Can you send it to my office?", false),
        ("Great, thank you very much for this", false),
        ("One more thing about my invoice", false),
    ];

    #[rstest]
    #[case::near_identical(&[SAME; 5], 10, Some(2))]
    #[case::asked_again_after_a_while(&[SAME; 5], 61, None)]
    #[case::short_ones_count_half(&[SHORT; 9], 40, Some(5))]
    #[case::something_between(&[SAME, SAME, OTHERS[0], SAME, SAME], 40, None)]
    #[case::one_that_looks_automatic(&[AWAY, OTHERS[0], AWAY, OTHERS[1]], 40, None)]
    #[case::two_that_look_automatic(&[AWAY, AWAY], 600, Some(1))]
    #[case::automatic_a_day_apart(&[AWAY, AWAY, AWAY], 86_400, None)]
    #[case::too_quick_for_a_person(&OTHERS, 3, Some(5))]
    #[case::as_quick_as_a_person(&OTHERS, 40, None)]
    fn what_pulls_the_brake(
        #[case] texts: &[(&str, bool)],
        #[case] seconds: u64,
        #[case] at: Option<usize>,
    ) {
        assert_eq!(pulled(texts, seconds), at);
    }

    #[test]
    fn a_trail_holds_no_more_turns_than_count_and_is_over_in_time() {
        let mut trail = Trail::default();
        let mut now = Timestamp::UNIX_EPOCH;
        assert!(trail.is_over(now));
        for _ in 0..100 {
            now = later(now, Duration::from_secs(1));
            trail.add(TERMS, now, Shape::default(), false);
        }
        assert_eq!(trail.turns.len(), TERMS.turns);
        assert!(!trail.is_over(now) && trail.is_over(later(now, Duration::from_mins(16))));
    }
}
