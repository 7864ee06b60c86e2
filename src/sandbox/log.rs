//! What a stand-in remembers: bounded, and with a way to wait for more of it.

use std::collections::VecDeque;

use tokio::sync::watch;

/// Entries kept; the oldest go first. Ten times what the longest test sends.
const ENTRIES_MAX: usize = 100_000;

/// Bytes of bodies kept; the oldest go first. A stand-in that is left running for days stays a small process.
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// A bounded list of what happened, with a count that goes on where the list does not.
pub(super) struct Log<T>(watch::Sender<State<T>>);

struct State<T> {
    keep: bool,
    count: u64,
    bytes: usize,
    items: VecDeque<T>,
    sizes: VecDeque<usize>,
}

impl<T> Log<T> {
    /// Makes an empty log that keeps what it is given.
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State {
            keep: true,
            count: 0,
            bytes: 0,
            items: VecDeque::new(),
            sizes: VecDeque::new(),
        }))
    }

    /// Says whether entries are kept, or only counted.
    pub(super) fn keep(&self, keep: bool) {
        self.0.send_modify(|state| state.keep = keep);
    }

    /// Counts an entry, and keeps it where entries are kept; `bytes` is what it weighs.
    pub(super) fn push(&self, bytes: usize, item: impl FnOnce() -> T) {
        self.0.send_modify(|state| {
            state.count += 1;
            if !state.keep {
                return;
            }
            state.items.push_back(item());
            state.sizes.push_back(bytes);
            state.bytes += bytes;
            while state.items.len() > ENTRIES_MAX || state.bytes > BYTES_MAX {
                state.items.pop_front();
                state.bytes -= state.sizes.pop_front().unwrap_or(state.bytes);
            }
        });
    }

    /// Changes the newest entry that `which` names, if it is still there.
    pub(super) fn update(&self, which: impl Fn(&T) -> bool, change: impl FnOnce(&mut T)) {
        self.0.send_modify(|state| {
            if let Some(item) = state.items.iter_mut().rev().find(|item| which(item)) {
                change(item);
            }
        });
    }

    /// Tells how many entries there were since the start or the last [`Log::clear`], kept or not.
    pub(super) fn count(&self) -> u64 {
        self.0.borrow().count
    }

    /// Forgets the entries and starts the count anew.
    pub(super) fn clear(&self) {
        self.0.send_modify(|state| {
            state.count = 0;
            state.bytes = 0;
            state.items.clear();
            state.sizes.clear();
        });
    }

    /// Waits until there were `count` entries.
    pub(super) async fn wait_for(&self, count: u64) {
        // The sender lives in this very log, so the wait cannot end by its loss.
        drop(
            self.0
                .subscribe()
                .wait_for(|state| state.count >= count)
                .await,
        );
    }

    /// Waits until the kept entries are as `enough` wants them.
    pub(super) async fn wait_until(&self, mut enough: impl FnMut(&VecDeque<T>) -> bool) {
        drop(
            self.0
                .subscribe()
                .wait_for(|state| enough(&state.items))
                .await,
        );
    }
}

impl<T: Clone> Log<T> {
    /// Gives the kept entries, oldest first.
    pub(super) fn all(&self) -> Vec<T> {
        self.0.borrow().items.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_first_and_the_count_goes_on() {
        let log = Log::new();
        for number in 0..=ENTRIES_MAX {
            log.push(0, || number);
        }
        assert_eq!(log.count(), ENTRIES_MAX as u64 + 1);
        assert_eq!(log.all().len(), ENTRIES_MAX);
        assert_eq!(log.all().first(), Some(&1));

        log.push(BYTES_MAX, || 7);
        log.push(1, || 8);
        assert_eq!(log.all(), [8]);
    }

    #[test]
    fn a_log_that_keeps_nothing_counts() {
        let log = Log::new();
        log.keep(false);
        log.push(1, || panic!("made for nothing"));
        assert_eq!((log.count(), log.all()), (1, Vec::<u8>::new()));
        log.clear();
        assert_eq!(log.count(), 0);
    }

    #[tokio::test]
    async fn waiting_ends_when_enough_has_come() {
        let log = Log::new();
        let waiting = log.wait_until(|items| items.iter().any(|item| *item == "b"));
        tokio::pin!(waiting);
        log.push(0, || "a");
        assert!(futures_util::poll!(&mut waiting).is_pending());
        log.update(|item| *item == "a", |item| *item = "b");
        waiting.await;
        log.wait_for(1).await;
    }
}
