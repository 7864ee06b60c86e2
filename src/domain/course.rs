//! What a conversation has come to: whether turns helped, and whether a person was offered.

use jiff::Timestamp;

/// Whether a turn helped, as far as that can be told without a model's guess.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Help {
    /// It did, or nothing speaks against it.
    #[default]
    Given,
    /// It ended without an answer, or with one that only sends the customer elsewhere.
    Missing,
    /// It did not, and a person was offered.
    Offered,
    /// Word was left for people who are not there.
    WordLeft,
}

/// Whether a person was offered in this conversation. Once is enough: an offer that is repeated is a refrain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// Not yet, or so long ago that it is another matter now.
    #[default]
    None,
    /// It was, and something else was said since.
    Made,
    /// It was the last thing said: what comes next may be the answer to it.
    Open,
}

/// What a conversation has come to before a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Course {
    /// Turns running, up to now, that did not help.
    pub unhelped: u32,
    /// Whether a person was offered.
    pub offer: Offer,
    /// When word was left for people last, where it was.
    pub word_left_at: Option<Timestamp>,
}

/// How a turn went, as its conversation remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aftermath {
    /// Whether it helped.
    pub help: Help,
    /// Whether the customer had asked the same before: then the turn before it did not help either.
    pub is_repeat: bool,
}

impl Help {
    /// Gives the name that is stored; nothing where it was given.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Given => None,
            Self::Missing => Some("missing"),
            Self::Offered => Some("offered"),
            Self::WordLeft => Some("word_left"),
        }
    }

    /// Reads the name back.
    pub fn from_name(name: Option<&str>) -> Option<Self> {
        [Self::Given, Self::Missing, Self::Offered, Self::WordLeft]
            .into_iter()
            .find(|help| help.as_str() == name)
    }
}

impl Course {
    /// Counts the turns running that did not help, with one under way. What is asked again shows that the turn before was
    /// in vain, whatever it seemed.
    pub fn failed_attempts(self, under_way: Aftermath) -> u32 {
        match (under_way.is_repeat, under_way.help) {
            (true, _) => self.unhelped.max(1).saturating_add(1),
            (false, Help::Given | Help::WordLeft) => self.unhelped,
            (false, Help::Missing | Help::Offered) => self.unhelped.saturating_add(1),
        }
    }

    /// Takes in one more turn that went before all that were taken in so far. `false` where no earlier one counts.
    pub fn goes_back(&mut self, turn: Aftermath, is_implied: bool) -> bool {
        let is_vain = turn.is_repeat || matches!(turn.help, Help::Missing | Help::Offered);
        if is_vain || is_implied {
            self.unhelped = self.unhelped.saturating_add(1);
        }
        is_vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELPED: Aftermath = Aftermath {
        help: Help::Given,
        is_repeat: false,
    };
    const MISSED: Aftermath = Aftermath {
        help: Help::Missing,
        is_repeat: false,
    };
    const AGAIN: Aftermath = Aftermath {
        help: Help::Given,
        is_repeat: true,
    };

    /// Reads a conversation from its newest turn back.
    fn course(turns: &[Aftermath]) -> Course {
        let mut course = Course::default();
        let mut is_implied = false;
        for turn in turns.iter().rev() {
            if !course.goes_back(*turn, is_implied) {
                break;
            }
            is_implied = turn.is_repeat;
        }
        course
    }

    #[test]
    fn only_turns_running_count() {
        for (turns, under_way, count) in [
            (&[][..], HELPED, 0),
            (&[HELPED], MISSED, 1),
            (&[MISSED, MISSED], MISSED, 3),
            (&[MISSED, MISSED, HELPED], MISSED, 1),
            (&[HELPED], AGAIN, 2),
            (&[HELPED, AGAIN], AGAIN, 3),
            (&[HELPED, HELPED, AGAIN], HELPED, 2),
            (&[MISSED], AGAIN, 2),
            (&[MISSED, AGAIN], AGAIN, 3),
        ] {
            let found = course(turns).failed_attempts(under_way);
            assert_eq!(found, count, "{turns:?} {under_way:?}");
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        for help in [Help::Given, Help::Missing, Help::Offered, Help::WordLeft] {
            assert_eq!(Help::from_name(help.as_str()), Some(help));
        }
        assert_eq!(Help::from_name(Some("other")), None);
    }
}
