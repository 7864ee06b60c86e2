//! When to try again.

use std::time::Duration;

use uuid::Uuid;

/// The waits between the attempts at something, at least one. The last is repeated until what waits is too old.
#[derive(Clone, Copy, Debug)]
pub struct Schedule(pub &'static [Duration]);

impl Schedule {
    /// Gives the wait after the attempt number `attempt` (from 1), a fifth more or less.
    ///
    /// What is waited for decides the jitter by its own id: things that failed together come back apart, and a test
    /// knows when.
    pub fn after(&self, attempt: u32, id: Uuid) -> Duration {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let wait = self.0.get(index).or(self.0.last()).copied();
        let [turn, ..] = attempt.to_le_bytes();
        let byte = id.as_bytes()[15].wrapping_add(turn.wrapping_mul(37));
        wait.unwrap_or_default()
            .mul_f64(0.8 + 0.4 * f64::from(byte) / 255.0)
    }
}

/// Gives a wait from nothing to `most`, for the attempt number `attempt`: another one for each id, and the same one each
/// time, so that a test knows when.
pub fn jitter(most: Duration, attempt: u32, id: Uuid) -> Duration {
    let [.., high, low] = *id.as_bytes();
    let [turn, ..] = attempt.to_le_bytes();
    let part = u16::from_be_bytes([high, low]).wrapping_add(u16::from(turn).wrapping_mul(40_503));
    most.mul_f64(f64::from(part) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_waits_its_time_within_a_fifth() {
        const SCHEDULE: Schedule = Schedule(&[Duration::from_secs(1), Duration::from_secs(10)]);
        for last_byte in 0..=255 {
            let id = Uuid::from_u128(last_byte);
            let seconds = |attempt| SCHEDULE.after(attempt, id).as_secs_f64();
            assert!((0.8..=1.2).contains(&seconds(1)) && (8.0..=12.0).contains(&seconds(2)));
            assert!((8.0..=12.0).contains(&seconds(3)) && (8.0..=12.0).contains(&seconds(4_000)));
        }
    }
}
