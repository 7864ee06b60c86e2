//! What is done about a fault: the same target again, the next one, or nothing more.

use std::time::Duration;

use super::{Fault, FaultKind};

/// The shortest time in which it is worth to begin an attempt: no model answers within less.
pub(super) const LEAST: Duration = Duration::from_secs(1);

/// How long is waited for a target that asks for it, where another could answer meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// What can still be tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// Repetitions of a call to the same target.
    pub(super) retries: u32,
    /// Whether another target could be asked now.
    pub(super) another: bool,
    /// Whether there are others, though they may rest.
    pub(super) others: bool,
    /// The time until the deadline.
    pub(super) time: Duration,
    /// How long to wait before a repetition, beyond the time that the server names.
    pub(super) backoff: Duration,
}

/// What is done about a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The same target is asked again, after a wait.
    Again(Duration),
    /// The next target is asked.
    Next,
    /// Nobody is asked any more.
    Stop,
}

/// What may help against a kind of fault.
enum Remedy {
    /// Time: the same target may do better in a moment.
    Time,
    /// Another target at once; the same one again only where there is no other.
    Another,
    /// Another target alone: the same one would say the same.
    OnlyAnother,
    /// Nothing.
    Nothing,
}

fn remedy(kind: FaultKind) -> Remedy {
    match kind {
        FaultKind::RateLimited
        | FaultKind::Overloaded
        | FaultKind::Empty
        | FaultKind::BadResponse => Remedy::Time,
        FaultKind::Timeout | FaultKind::Connect => Remedy::Another,
        FaultKind::Quota
        | FaultKind::Auth
        | FaultKind::BadRequest
        | FaultKind::ContextLength
        | FaultKind::Filtered
        | FaultKind::Truncated => Remedy::OnlyAnother,
        // Who refuses has understood. To ask around until somebody says it is not for an assistant to do.
        FaultKind::Refused => Remedy::Nothing,
    }
}

/// Decides on a fault that no change of the request can mend.
pub(super) fn verdict(fault: &Fault, left: Left) -> Verdict {
    let elsewhere = match left.others && left.time >= LEAST {
        true => Verdict::Next,
        false => Verdict::Stop,
    };
    match remedy(fault.kind) {
        Remedy::Nothing => Verdict::Stop,
        Remedy::OnlyAnother => elsewhere,
        Remedy::Another if left.another => elsewhere,
        Remedy::Another | Remedy::Time => {
            let wait = fault.retry_after.unwrap_or_default() + left.backoff;
            let in_time = wait.saturating_add(LEAST) <= left.time;
            let in_patience = wait <= PATIENCE || !left.another;
            match left.retries > 0 && in_time && in_patience {
                true => Verdict::Again(wait),
                false => elsewhere,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use FaultKind::{
        Auth, BadRequest, BadResponse, Connect, ContextLength, Empty, Filtered, Overloaded, Quota,
        RateLimited, Refused, Timeout, Truncated,
    };
    use rstest::rstest;

    use super::*;

    const BACKOFF: Duration = Duration::from_millis(300);
    const AGAIN: Verdict = Verdict::Again(BACKOFF);

    fn left(another: bool) -> Left {
        Left {
            retries: 1,
            another,
            others: another,
            time: Duration::from_secs(20),
            backoff: BACKOFF,
        }
    }

    #[rstest]
    #[case(RateLimited, AGAIN, AGAIN)]
    #[case(Overloaded, AGAIN, AGAIN)]
    #[case(Quota, Verdict::Stop, Verdict::Next)]
    #[case(Auth, Verdict::Stop, Verdict::Next)]
    #[case(BadRequest, Verdict::Stop, Verdict::Next)]
    #[case(ContextLength, Verdict::Stop, Verdict::Next)]
    #[case(Filtered, Verdict::Stop, Verdict::Next)]
    #[case(Refused, Verdict::Stop, Verdict::Stop)]
    #[case(Empty, AGAIN, AGAIN)]
    #[case(Truncated, Verdict::Stop, Verdict::Next)]
    #[case(Timeout, AGAIN, Verdict::Next)]
    #[case(Connect, AGAIN, Verdict::Next)]
    #[case(BadResponse, AGAIN, AGAIN)]
    fn each_kind_has_its_verdict(
        #[case] kind: FaultKind,
        #[case] alone: Verdict,
        #[case] with_another: Verdict,
    ) {
        let fault = Fault::from(kind);
        assert_eq!(verdict(&fault, left(false)), alone, "alone");
        assert_eq!(verdict(&fault, left(true)), with_another, "with another");
        let spent = |another| Left {
            retries: 0,
            ..left(another)
        };
        assert_eq!(verdict(&fault, spent(false)), Verdict::Stop);
        let late = Left {
            time: LEAST / 2,
            ..left(true)
        };
        assert_eq!(verdict(&fault, late), Verdict::Stop, "no time is left");
        if kind != Refused {
            assert_eq!(verdict(&fault, spent(true)), Verdict::Next);
        }
    }

    #[test]
    fn another_that_rests_is_no_reason_to_hurry_and_better_than_none() {
        let left = Left {
            others: true,
            ..left(false)
        };
        assert_eq!(verdict(&Timeout.into(), left), AGAIN);
        assert_eq!(verdict(&Quota.into(), left), Verdict::Next);
        assert_eq!(verdict(&Refused.into(), left), Verdict::Stop);
        let wait = Fault {
            retry_after: Some(Duration::from_secs(5)),
            ..RateLimited.into()
        };
        let kept = Verdict::Again(Duration::from_millis(5_300));
        assert_eq!(verdict(&wait, left), kept);
    }

    #[rstest]
    #[case(200, true, Verdict::Again(Duration::from_millis(500)))]
    #[case(700, true, Verdict::Again(Duration::from_secs(1)))]
    #[case(701, true, Verdict::Next)]
    #[case(701, false, Verdict::Again(Duration::from_millis(1_001)))]
    #[case(18_700, false, Verdict::Again(Duration::from_secs(19)))]
    #[case(18_701, false, Verdict::Stop)]
    #[case(600_000, true, Verdict::Next)]
    fn a_wait_that_is_asked_for_is_kept_where_it_fits(
        #[case] millis: u64,
        #[case] another: bool,
        #[case] expected: Verdict,
    ) {
        let fault = Fault {
            retry_after: Some(Duration::from_millis(millis)),
            ..RateLimited.into()
        };
        assert_eq!(verdict(&fault, left(another)), expected);
    }
}
