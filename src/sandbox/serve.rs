//! The life of a request inside a stand-in: recorded, held, answered, spoilt, sent.

use std::future::Future;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;

use super::{Exchange, Fault, Plan, StandIn, lock};
use crate::clock::later;

/// How long a dripping answer takes for each byte of its body.
const DRIP_EVERY: Duration = Duration::from_secs(1);

/// An answer that is about to leave.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// What the event stream says about it.
    pub(super) note: String,
    /// What goes wrong with it.
    pub(super) plan: Option<Plan>,
    /// What goes wrong on its way, once it is whole.
    pub(super) travel: Option<Fault>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string())
    }

    pub(super) fn raw(status: u16, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.into(),
            note: String::new(),
            plan: None,
            travel: None,
        }
    }
}

/// Takes one request from the network and answers it.
pub(super) async fn take<S: Send + Sync + 'static>(
    State(stand_in): State<StandIn<S>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    // Twice the limit is read, so that a caller who is a little above it can finish and hear why.
    let read_max = stand_in.0.role.body_max.saturating_mul(2);
    let Ok(raw) = to_bytes(body, read_max).await else {
        return stand_in.respond((stand_in.0.role.refuse)(&stand_in, 413));
    };
    let exchange = Exchange {
        number: stand_in.0.numbers.fetch_add(1, Ordering::Relaxed) + 1,
        at: stand_in.now(),
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        raw,
        status: None,
    };
    stand_in.arrived(&exchange);
    let answer = stand_in.perform(&exchange).await;
    stand_in.answered(&exchange, answer.as_ref());
    answer.map_or_else(hang_up, |answer| stand_in.respond(answer))
}

/// Gives a response that fails before its first byte, at which the server closes the connection without one.
fn hang_up() -> Response {
    Response::new(Body::from_stream(stream::once(async { broken() })))
}

/// Ends a body so that the server closes the connection.
fn broken() -> io::Result<Bytes> {
    Err(io::ErrorKind::ConnectionReset.into())
}

impl<S: Send + Sync + 'static> StandIn<S> {
    fn respond(&self, answer: Answer) -> Response {
        let body = match answer.travel {
            Some(fault) => self.travelling(answer.body, fault),
            None => Body::from(answer.body),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or_default();
        for (name, value) in answer.headers {
            if let (Ok(name), Ok(value)) =
                (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// Gives a body that leaves as slowly, or as incompletely, as `fault` says; the stop ends it.
    fn travelling(&self, body: Bytes, fault: Fault) -> Body {
        let (stand_in, start) = (self.clone(), self.now());
        let steps = stream::unfold(0, move |sent| {
            let (stand_in, body) = (stand_in.clone(), body.clone());
            async move {
                let end = match fault {
                    Fault::Drip => sent + 1,
                    Fault::Cut if sent == 0 => (body.len() / 2).max(1),
                    Fault::Cut => {
                        // The half that was written has to leave before the connection breaks.
                        tokio::task::yield_now().await;
                        return Some((broken(), sent));
                    }
                    _ => {
                        stand_in.pause(std::future::pending()).await;
                        return Some((broken(), sent));
                    }
                };
                if sent >= body.len() {
                    return None;
                }
                if fault == Fault::Drip {
                    let second = u32::try_from(end).unwrap_or(u32::MAX);
                    let due = later(start, DRIP_EVERY.saturating_mul(second));
                    let clock = lock(&stand_in.0.clock).clone();
                    stand_in.pause(clock.sleep_until(due)).await;
                    if stand_in.0.shutdown.is_stopping() {
                        return Some((broken(), sent));
                    }
                }
                Some((Ok(body.slice(sent..end)), end))
            }
        });
        Body::from_stream(steps)
    }

    /// Waits for `wait`, but not beyond the stop.
    async fn pause(&self, wait: impl Future<Output = ()>) {
        tokio::select! {
            () = self.0.shutdown.stopping() => {}
            () = wait => {}
        }
    }

    fn arrived(&self, exchange: &Exchange) {
        let bytes = exchange.raw.len();
        self.0.requests.push(bytes, || exchange.clone());
    }

    /// Gives the answer with what goes wrong about it; `None` for none at all.
    async fn perform(&self, exchange: &Exchange) -> Option<Answer> {
        let plan = self.0.faults.take(&exchange.raw);
        self.pause(self.0.faults.pass()).await;
        let role = &self.0.role;
        if exchange.raw.len() > role.body_max {
            return Some((role.refuse)(self, 413));
        }
        let Some(plan) = plan else {
            return self.speak(exchange, (role.answer)(self, exchange)).await;
        };
        let answer = if plan.taken {
            let answer = (role.answer)(self, exchange);
            self.wait(exchange, plan.delay).await;
            answer
        } else {
            self.wait(exchange, plan.delay).await;
            match plan.fault {
                Some(fault) if !fault.spares_the_answer() => Answer::raw(200, ""),
                _ => (role.answer)(self, exchange),
            }
        };
        let answer = self.speak(exchange, answer).await?;
        self.spoil(answer, &plan).await
    }

    /// Applies the plan that an answer brings along.
    async fn speak(&self, exchange: &Exchange, mut answer: Answer) -> Option<Answer> {
        match answer.plan.take() {
            Some(plan) => {
                self.wait(exchange, plan.delay).await;
                self.spoil(answer, &plan).await
            }
            None => Some(answer),
        }
    }

    /// Waits until `delay` has passed since the arrival: a test that has seen it can move the clock at once.
    async fn wait(&self, exchange: &Exchange, delay: Duration) {
        if !delay.is_zero() {
            let clock = lock(&self.0.clock).clone();
            self.pause(clock.sleep_until(later(exchange.at, delay)))
                .await;
        }
    }

    async fn spoil(&self, answer: Answer, plan: &Plan) -> Option<Answer> {
        let mut answer = match plan.fault {
            None => answer,
            Some(Fault::Drip | Fault::Stall | Fault::Cut) => Answer {
                travel: plan.fault,
                ..answer
            },
            Some(Fault::Status(status)) => (self.0.role.refuse)(self, status),
            Some(Fault::Garbage) => Answer::raw(200, &b"\xff\xfe{\"choices\": [\x00"[..]),
            Some(Fault::Reset) => return None,
            Some(Fault::Hang) => {
                self.tell("leaves a request hanging");
                self.pause(std::future::pending()).await;
                return None;
            }
        };
        for (name, value) in plan.headers_at(self.now()) {
            answer
                .headers
                .retain(|(old, _)| !old.eq_ignore_ascii_case(&name));
            answer.headers.extend(value.map(|value| (name, value)));
        }
        Some(answer)
    }

    pub(super) fn tell(&self, line: &str) {
        // No reader is no error.
        drop(self.0.events.send(line.to_owned()));
    }

    /// Records how a request was answered.
    fn answered(&self, exchange: &Exchange, answer: Option<&Answer>) {
        let status = answer.map(|answer| answer.status);
        if let Some(status) = status {
            *lock(&self.0.answered).entry(status).or_default() += 1;
            self.0.requests.update(
                |kept| kept.number == exchange.number,
                |kept| kept.status = Some(status),
            );
        }
        if self.is_watched() {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            let note = answer.map_or("", |answer| &answer.note);
            let line = format!("{} {} {status} {note}", exchange.method, exchange.path);
            self.tell(line.trim_end());
        }
    }
}
