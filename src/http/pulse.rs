//! What one connection is doing, as its sockets, requests and answers tell it: who waits for whom, and since when.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Version;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use super::accept::Limits;
use crate::clock::Clock;

/// The state of one connection. Its times are real ones: a peer does not keep to a clock that a test moves.
#[derive(Debug)]
pub(super) struct Pulse {
    clock: Clock,
    beat: Mutex<Beat>,
    /// Rung when there is another deadline.
    moved: Notify,
    /// Rung when we have nothing more to do for a request, for who waits for a place.
    freed: Arc<Notify>,
}

#[derive(Debug)]
struct Beat {
    /// Requests whose answer has not left whole.
    open: usize,
    /// Those of them that a handler works on.
    handled: usize,
    /// Those of them whose body has not come whole.
    arriving: usize,
    /// Whether we wait for the rest of a request's head.
    heading: bool,
    /// Whether a request was answered here before.
    proven: bool,
    /// Whether it is HTTP/2, where bytes may come that belong to no request.
    multiplexed: bool,
    /// When a request began or ended here for the last time, or a head began.
    since: Duration,
}

/// Counts a request in one of the fields of the beat for as long as it lives.
pub(super) struct Counted {
    pulse: Arc<Pulse>,
    field: fn(&mut Beat) -> &mut usize,
}

impl Pulse {
    /// Begins with the accepted connection, of which a head is expected.
    pub(super) fn new(clock: Clock, freed: Arc<Notify>) -> Self {
        let beat = Beat {
            open: 0,
            handled: 0,
            arriving: 0,
            heading: true,
            proven: false,
            multiplexed: false,
            since: clock.elapsed(),
        };
        Self {
            clock,
            beat: Mutex::new(beat),
            moved: Notify::new(),
            freed,
        }
    }

    /// Notes that the head of a request has come. The guards count it until its answer has left, and until its handler
    /// is done.
    pub(super) fn begin(self: &Arc<Self>, version: Version) -> (Counted, Counted) {
        let mut beat = self.beat();
        beat.heading = false;
        beat.multiplexed = version == Version::HTTP_2;
        beat.since = self.clock.elapsed();
        drop(beat);
        self.moved.notify_one();
        (
            self.count(|beat| &mut beat.open),
            self.count(|beat| &mut beat.handled),
        )
    }

    /// Watches a request's body until all of it has come, or nobody wants it any more.
    pub(super) fn arriving(self: &Arc<Self>, body: Body) -> Body {
        match body.is_end_stream() {
            true => body,
            false => Body::new(Kept::new(body, self.count(|beat| &mut beat.arriving))),
        }
    }

    /// Tells whether no request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.beat().open == 0
    }

    /// Tells since when the peer keeps us waiting, those first who have never had an answer. `None` while we keep the
    /// peer waiting.
    pub(super) fn waiting(&self) -> Option<(bool, Duration)> {
        let beat = self.beat();
        (beat.handled <= beat.arriving).then_some((beat.proven, beat.since))
    }

    /// Returns when the connection has taken longer over something than it may.
    pub(super) async fn overdue(&self, limits: &Limits) {
        loop {
            let left = self.deadline(limits).saturating_sub(self.clock.elapsed());
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = self.clock.sleep(left) => {}
                () = self.moved.notified() => {}
            }
        }
    }

    fn deadline(&self, limits: &Limits) -> Duration {
        let beat = self.beat();
        let allowed = match (beat.open, beat.heading) {
            (0, true) => limits.head,
            (0, false) => limits.idle,
            _ => limits.exchange,
        };
        beat.since + allowed
    }

    /// Notes that bytes came. `true` where a head begins with them.
    pub(super) fn received(&self) -> bool {
        let mut beat = self.beat();
        let begins = beat.open == 0 && !beat.heading && !beat.multiplexed;
        if begins {
            beat.heading = true;
            beat.since = self.clock.elapsed();
            self.moved.notify_one();
        }
        begins
    }

    fn count(self: &Arc<Self>, field: fn(&mut Beat) -> &mut usize) -> Counted {
        *field(&mut self.beat()) += 1;
        Counted {
            pulse: Arc::clone(self),
            field,
        }
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.beat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut beat = self.pulse.beat();
        let open = beat.open;
        *(self.field)(&mut beat) -= 1;
        if beat.open < open {
            beat.since = self.pulse.clock.elapsed();
            beat.proven = true;
        }
        drop(beat);
        self.pulse.moved.notify_one();
        self.pulse.freed.notify_one();
    }
}

/// A body that keeps something alive until it is gone.
pub(super) struct Kept<G> {
    body: Body,
    _guard: G,
}

impl<G> Kept<G> {
    pub(super) fn new(body: Body, guard: G) -> Self {
        Self {
            body,
            _guard: guard,
        }
    }
}

impl<G: Unpin> HttpBody for Kept<G> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
