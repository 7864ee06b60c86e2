//! How a desk is told an event: request by request, as its format asks for them, and by the second desk where the first
//! one is gone or down.

use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::Desk;
use super::format::{Learnt, Progress, Request, Told};
use crate::clock::{Elapsed, later};
use crate::domain::{Attempted, Delivery, HandoffId, OnUnknown};
use crate::http_client;
use crate::metrics::Code;
use crate::redact::Private;
use crate::retry::Schedule;
use crate::store::{DeskLink, Store, StoreError};
use crate::telemetry::Carried;

/// The waits between attempts: short ones for a desk that is away for a moment; one that was down for a night hears within
/// a quarter of an hour.
const RETRIES: Schedule = Schedule(&[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(5),
    Duration::from_mins(15),
]);

/// How long a `Retry-After` can make us wait; a desk that asks for more is asked again all the same.
const WAIT_AT_MOST: Duration = Duration::from_hours(1);

/// How long events wait at a desk that is switched off until they are looked at again: only a restart switches it on.
const OFF_REST: Duration = Duration::from_mins(15);

/// Requests that one event may take: two more than the longest plan of any format has.
const STEPS: usize = 12;

/// Bytes of a help desk's answer: a page of a hundred comments, each as long as WhatsApp takes.
const ANSWER_BYTES: usize = 1_024 * 1_024;

/// Why an event was not taken.
#[derive(Debug)]
enum Miss {
    /// It certainly was not; the desk may have asked to wait.
    Retry(Duration, String),
    /// It may have been.
    Doubt(String),
    /// It never will be.
    Final(String),
    /// The desk is switched off.
    Off,
}

impl Desk {
    /// Tells an event. The id is the same over all attempts; what the desk calls its ticket is kept in the store.
    pub async fn send(
        &self,
        delivery: &Delivery,
        body: &Private<String>,
        store: &dyn Store,
    ) -> Attempted {
        let wait = RETRIES.after(delivery.attempts + 1, delivery.id.0);
        match self.told_one(delivery, body, store).await {
            Ok(()) => Attempted::Sent,
            Err(Miss::Retry(asked, error)) => Attempted::Retry {
                at: later(self.clock.now(), self.before_second(asked.max(wait))),
                counts: true,
                error,
            },
            // The desk knows a second copy by its id, or it is looked for, so doubt is no reason to hold back.
            Err(Miss::Doubt(error)) => self.doubt(self.before_second(wait), &error),
            Err(Miss::Final(error)) => Attempted::Dead { error },
            Err(Miss::Off) => Attempted::Retry {
                at: later(self.clock.now(), OFF_REST),
                counts: false,
                error: "the desk is switched off: it answered 410".to_owned(),
            },
        }
    }

    /// Says of an attempt that it may have arrived.
    pub fn doubt(&self, wait: Duration, error: &str) -> Attempted {
        Attempted::Unknown {
            policy: OnUnknown::ResendOnce,
            at: later(self.clock.now(), wait),
            error: error.to_owned(),
        }
    }

    /// Tells this desk, or the one behind it. A handoff that the other has taken stays there.
    async fn told_one(
        &self,
        delivery: &Delivery,
        body: &Private<String>,
        store: &dyn Store,
    ) -> Result<(), Miss> {
        let again = delivery.attempts > 0 || delivery.possible_duplicate;
        let told = Told::read(delivery.id.to_string(), body, again);
        let handoff = told.text("/handoff_id").and_then(|id| id.parse().ok());
        let telling = Telling {
            delivery,
            raw: body,
            told: &told,
            handoff: handoff.map(HandoffId),
            store,
        };
        let links = match telling.handoff {
            Some(handoff) if self.second.is_some() || self.dialect.reads() => store
                .desk_links(handoff)
                .await
                .map_err(|error| unkept(&error))?,
            _ => Vec::new(),
        };
        let link = |desk: &Self| links.iter().find(|link| link.desk == desk.name);
        let Some(second) = &self.second else {
            return self.tell(&telling, link(self)).await;
        };
        if link(&second.desk).is_some() {
            return second.desk.tell(&telling, link(&second.desk)).await;
        }
        let missed = match self.tell(&telling, link(self)).await {
            Ok(()) => return Ok(()),
            Err(missed) => missed,
        };
        let may_come = matches!(missed, Miss::Retry(..) | Miss::Doubt(_));
        if may_come && self.down_for().is_none_or(|time| time < second.after) {
            return Err(missed);
        }
        match second.desk.tell(&telling, None).await {
            Ok(()) => {
                let (desk, second) = (&self.name, &second.desk.name);
                tracing::warn!(%desk, %second, "told the second desk instead");
                telling.keep(second, &Progress::default()).await
            }
            Err(_) if may_come => Err(missed),
            Err(seconds) => Err(seconds),
        }
    }

    /// Makes the requests that the format asks for, and keeps what it learns.
    async fn tell(&self, telling: &Telling<'_>, link: Option<&DeskLink>) -> Result<(), Miss> {
        if self.is_off() {
            return Err(Miss::Off);
        }
        let told = self.steps(telling, link).await;
        let mut down = self.state.down();
        match &told {
            // What it refuses for good shows that it is there.
            Ok(()) | Err(Miss::Final(_)) => *down = None,
            Err(Miss::Retry(..) | Miss::Doubt(_) | Miss::Off) => {
                down.get_or_insert_with(|| self.clock.elapsed());
            }
        }
        told
    }

    async fn steps(&self, telling: &Telling<'_>, link: Option<&DeskLink>) -> Result<(), Miss> {
        let mut progress = Progress::from(link);
        for _ in 0..STEPS {
            let now = self.clock.now();
            let next = self
                .dialect
                .next(telling.told, telling.raw, now, &progress)
                .map_err(Miss::Final)?;
            let Some(request) = next else {
                return Ok(());
            };
            let before = (progress.contact.clone(), progress.thread.clone());
            self.step(telling, request, &mut progress).await?;
            if before != (progress.contact.clone(), progress.thread.clone()) {
                telling.keep(&self.name, &progress).await?;
            }
        }
        Err(Miss::Final("the desk's answers lead nowhere".to_owned()))
    }

    /// Makes one request and takes in its answer.
    async fn step(
        &self,
        telling: &Telling<'_>,
        request: Request,
        progress: &mut Progress,
    ) -> Result<(), Miss> {
        let step = request.step;
        let (status, headers, answer) = match self.exchange(telling.delivery, request).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(error)) if error.is_connect() => {
                let error = "could not connect to the desk".to_owned();
                return Err(Miss::Retry(Duration::ZERO, error));
            }
            Ok(Err(_)) => return Err(Miss::Doubt("the connection to the desk broke".to_owned())),
            Err(Elapsed) => return Err(Miss::Doubt("the desk did not answer in time".to_owned())),
        };
        if status == StatusCode::GONE {
            if !self.state.is_off.swap(true, Ordering::Relaxed) {
                self.metrics.is_off();
                tracing::error!(desk = %self.name, "the desk answered 410: nothing is sent to it until the next start");
            }
            return Err(Miss::Off);
        }
        let status = status.as_u16();
        match self
            .dialect
            .learn(telling.told, step, status, &answer, progress)
        {
            Learnt::Goes => Ok(()),
            Learnt::Unreadable => Err(Miss::Doubt(
                "the desk's answer lacks what it made".to_owned(),
            )),
            Learnt::Refused if self.dialect.is_final(status) => {
                Err(Miss::Final(format!("the desk answered {status}")))
            }
            Learnt::Refused => {
                let now = self.clock.now();
                let asked = http_client::retry_after(&headers, now, WAIT_AT_MOST);
                let error = format!("the desk answered {status}");
                Err(Miss::Retry(asked.unwrap_or_default(), error))
            }
        }
    }

    /// Makes one request, counts it and traces it. Gives the answer as JSON; null where it is none, or nobody reads it.
    async fn exchange(
        &self,
        delivery: &Delivery,
        request: Request,
    ) -> Result<Result<(StatusCode, HeaderMap, Value), reqwest::Error>, Elapsed> {
        let carried = Carried {
            assistant: &delivery.conversation.assistant,
            conversation: delivery.conversation.id.0,
            delivery: delivery.id.0,
            attempts: delivery.attempts,
        };
        let request = self.built(request);
        let reads = self.dialect.reads();
        let answer = async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = match reads {
                true => http_client::read_bounded(response, ANSWER_BYTES).await?,
                false => Vec::new(),
            };
            let answer = serde_json::from_slice(&body).unwrap_or_default();
            Ok((status, headers, answer))
        };
        let (span, started) = (self.traces.begin(&carried), self.clock.elapsed());
        let answered = self.clock.timeout(self.timeout, answer).await;
        let took = self.clock.elapsed().saturating_sub(started);
        let code = match &answered {
            Ok(Ok((status, ..))) => Code::Status(status.as_u16()),
            Ok(Err(error)) if reqwest::Error::is_connect(error) => Code::Unconnected,
            Ok(Err(_)) => Code::Broken,
            Err(Elapsed) => Code::Timeout,
        };
        self.metrics.asked(took, code);
        span.ended(code);
        answered
    }

    fn built(&self, request: Request) -> reqwest::RequestBuilder {
        let address = self.address.as_str();
        let target = match request.path.as_str() {
            "" => address.to_owned(),
            path => format!("{}{path}", address.trim_end_matches('/')),
        };
        let target = match Url::parse(&target) {
            Ok(mut url) if !request.query.is_empty() => {
                url.query_pairs_mut().extend_pairs(request.query);
                url.to_string()
            }
            // What is no URL is told as such when it is asked.
            _ => target,
        };
        let mut built = self
            .http
            .request(request.method, target)
            .headers(self.credentials.clone());
        for (name, value) in request.headers {
            built = built.header(name, value);
        }
        match request.body {
            Some(body) => built.header(CONTENT_TYPE, "application/json").body(body),
            None => built,
        }
    }

    /// Gives how long nothing was taken, where that is so.
    fn down_for(&self) -> Option<Duration> {
        let since = *self.state.down();
        since.map(|since| self.clock.elapsed().saturating_sub(since))
    }

    /// Shortens a wait that would end after the second desk may be told.
    fn before_second(&self, wait: Duration) -> Duration {
        let left = self.second.as_ref().and_then(|second| {
            let left = second.after.saturating_sub(self.down_for()?);
            (!left.is_zero()).then_some(left)
        });
        left.map_or(wait, |left| wait.min(left))
    }
}

/// An event that is being told.
struct Telling<'a> {
    delivery: &'a Delivery,
    raw: &'a str,
    told: &'a Told,
    handoff: Option<HandoffId>,
    store: &'a dyn Store,
}

impl Telling<'_> {
    /// Keeps what the desk calls its ticket, before anything else is asked of it.
    async fn keep(&self, desk: &str, progress: &Progress) -> Result<(), Miss> {
        let Some(handoff) = self.handoff else {
            return Ok(());
        };
        let link = DeskLink {
            desk: desk.to_owned(),
            contact: progress.contact.clone(),
            thread: progress.thread.clone(),
        };
        let kept = self.store.link_desk(handoff, link).await;
        kept.map_err(|error| unkept(&error))
    }
}

fn unkept(error: &StoreError) -> Miss {
    Miss::Doubt(format!("what the desk calls it could not be kept: {error}"))
}
