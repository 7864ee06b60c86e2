//! A collector of traces: takes OTLP over HTTP, and reads it by the types that its definition gives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use frontdesk::shutdown::Shutdown;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as Ended;
use prost::Message;
use tokio::sync::watch;

/// A collector on this machine.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) url: String,
    state: Arc<Collected>,
}

struct Collected {
    requests: Mutex<Vec<Request>>,
    arrived: watch::Sender<usize>,
    answers: Mutex<StatusCode>,
    holds: watch::Sender<bool>,
}

/// One request to it.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) headers: HeaderMap,
    /// What is said of the service.
    pub(crate) service: BTreeMap<String, String>,
    /// The addresses of what defines the names.
    pub(crate) schemas: Vec<String>,
    pub(crate) spans: Vec<Span>,
    /// All of it, as text would be found in it.
    pub(crate) bytes: Vec<u8>,
}

/// A span, as it can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) trace: String,
    pub(crate) parent: String,
    pub(crate) is_client: bool,
    pub(crate) has_failed: bool,
    pub(crate) nanos: u64,
    facts: BTreeMap<String, String>,
}

impl Span {
    /// Gives a fact as text; empty where it is not told.
    pub(crate) fn fact(&self, key: &str) -> &str {
        self.facts.get(key).map_or("", String::as_str)
    }

    pub(crate) fn has(&self, facts: &[(&str, &str)]) {
        for (key, value) in facts {
            assert_eq!(self.fact(key), *value, "{key} of {self:#?}");
        }
    }
}

impl Collector {
    /// Starts one that takes everything.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Collected {
            requests: Mutex::default(),
            arrived: watch::channel(0).0,
            answers: Mutex::new(StatusCode::OK),
            holds: watch::channel(false).0,
        });
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&state));
        drop(Shutdown::new().spawn_contained(async move {
            axum::serve(listener, router).await.unwrap();
        }));
        Self { url, state }
    }

    /// Lets it answer everything with a status from now on.
    pub(crate) fn answer(&self, status: u16) {
        *self.state.answers.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    /// Lets it answer nothing until it is let go.
    pub(crate) fn hold(&self, holds: bool) {
        self.state.holds.send_replace(holds);
    }

    /// Waits until it has been sent so many requests.
    pub(crate) async fn wait_for(&self, requests: usize) {
        let mut arrived = self.state.arrived.subscribe();
        arrived.wait_for(|count| *count >= requests).await.unwrap();
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// Gives all spans, in the order in which they ended.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.requests().into_iter();
        requests.flat_map(|request| request.spans).collect()
    }

    /// Gives the only span of this name.
    pub(crate) fn span(&self, name: &str) -> Span {
        let mut named = self.named(name);
        assert_eq!(named.len(), 1, "{name} in {:#?}", self.spans());
        named.remove(0)
    }

    /// Gives the spans of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Span> {
        let spans = self.spans().into_iter();
        spans.filter(|span| span.name == name).collect()
    }
}

async fn take(State(state): State<Arc<Collected>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let read = ExportTraceServiceRequest::decode(body.clone()).expect("it is OTLP");
    let mut request = Request {
        headers,
        service: BTreeMap::new(),
        schemas: Vec::new(),
        spans: Vec::new(),
        bytes: body.to_vec(),
    };
    for resource in read.resource_spans {
        let attributes = resource.resource.unwrap().attributes;
        request.service.extend(facts(attributes));
        for scope in resource.scope_spans {
            request.schemas.push(scope.schema_url);
            request.spans.extend(scope.spans.into_iter().map(span));
        }
    }
    state.requests.lock().unwrap().push(request);
    state.arrived.send_modify(|count| *count += 1);
    let mut holds = state.holds.subscribe();
    drop(holds.wait_for(|holds| !holds).await);
    *state.answers.lock().unwrap()
}

fn span(span: opentelemetry_proto::tonic::trace::v1::Span) -> Span {
    let hex = |bytes: &[u8]| {
        let pairs: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.concat()
    };
    Span {
        name: span.name,
        id: hex(&span.span_id),
        trace: hex(&span.trace_id),
        parent: hex(&span.parent_span_id),
        is_client: span.kind == SpanKind::Client as i32,
        has_failed: span
            .status
            .is_some_and(|status| status.code == Ended::Error as i32),
        nanos: span.end_time_unix_nano - span.start_time_unix_nano,
        facts: facts(span.attributes),
    }
}

fn facts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let facts = attributes.into_iter();
    facts
        .map(|fact| (fact.key, fact.value.map(text).unwrap_or_default()))
        .collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(Value::BoolValue(is_so)) => is_so.to_string(),
        Some(Value::ArrayValue(list)) => {
            let texts: Vec<_> = list.values.into_iter().map(text).collect();
            texts.join(",")
        }
        other => panic!("{other:?}"),
    }
}
