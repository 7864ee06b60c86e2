//! When to try again.

use std::time::Duration;

use uuid::Uuid;

/// The waits between the attempts at something; after the last, it is given up.
#[derive(Clone, Copy, Debug)]
pub struct Schedule(pub &'static [Duration]);

impl Schedule {
    /// Gives the wait after the attempt number `attempt` (from 1), a fifth more or less, or `None` to give up.
    ///
    /// What is waited for decides the jitter by its own id: things that failed together come back apart, and a test
    /// knows when.
    pub fn after(&self, attempt: u32, id: Uuid) -> Option<Duration> {
        let index = usize::try_from(attempt).ok()?.checked_sub(1)?;
        let wait = self.0.get(index)?;
        let byte = id.as_bytes()[15]
            .wrapping_add(u8::try_from(index).unwrap_or_default().wrapping_mul(37));
        Some(wait.mul_f64(0.8 + 0.4 * f64::from(byte) / 255.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_waits_its_time_within_a_fifth() {
        const SCHEDULE: Schedule = Schedule(&[Duration::from_secs(1), Duration::from_secs(10)]);
        for last_byte in 0..=255 {
            let id = Uuid::from_u128(last_byte);
            let first = SCHEDULE.after(1, id).unwrap().as_secs_f64();
            let second = SCHEDULE.after(2, id).unwrap().as_secs_f64();
            assert!((0.8..=1.2).contains(&first) && (8.0..=12.0).contains(&second));
            assert_eq!(SCHEDULE.after(3, id), None);
        }
    }
}
