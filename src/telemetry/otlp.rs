//! Sends spans to a collector: OTLP over HTTP, in protobuf.
//!
//! The kit's own way would export in a thread that knows no runtime, and sleep in ours between its retries. So a span that
//! has ended goes into a bounded queue, and one task of our own empties it with our own client: what the collector does
//! not take is counted and gone, and nobody ever waits for it but the stop, for a little while.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracerProvider, Span as SdkSpan, SpanData, SpanExporter as _, SpanProcessor,
};
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::config::TracesConfig;
use super::trace::{Source, Tracer};
use crate::clock::Clock;
use crate::http_client::{self, BuildError, Options};
use crate::metrics::{SpanEnd, Spans};
use crate::shutdown::Shutdown;

/// Spans that wait for the collector: some seconds of a busy gateway, and a few MiB.
const SPANS_WAITING: usize = 2_048;

/// Fewer wait where they hold what was said, which can be a hundred times longer.
const SPANS_WITH_CONTENT: usize = 256;

/// Spans in one request, as the kit has it.
const SPANS_AT_ONCE: usize = 512;

/// How long a span waits for others to go with.
const EXPORT_EVERY: Duration = Duration::from_secs(5);

/// How long the collector may take for one request.
const EXPORT_WITHIN: Duration = Duration::from_secs(10);

/// How long the stop waits for the last spans: what supervisors allow beyond `server.drain` is five seconds or more.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// What is read of the collector's answer.
const EXPORT_ANSWER_BYTES: usize = 64 * 1_024;

/// The traces of one gateway, from its start to its stop.
#[derive(Debug)]
pub struct Traces {
    tracer: Tracer,
    exporting: Shutdown,
}

/// Says why no spans can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// There is no HTTP client to send with.
    #[error(transparent)]
    Client(#[from] BuildError),
    /// The exporter refuses its settings.
    #[error("{0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

impl Traces {
    /// Starts what sends spans, where the configuration names a collector. Nobody is called yet.
    pub fn start(config: &TracesConfig, clock: &Clock, spans: &Spans) -> Result<Self, TracesError> {
        let exporting = Shutdown::new();
        let Some(endpoint) = config.endpoint() else {
            return Ok(Self {
                tracer: Tracer::default(),
                exporting,
            });
        };
        let attributes = config.service();
        let resource = Resource::builder_empty()
            .with_attributes(attributes.map(|(key, value)| KeyValue::new(key, value)))
            .build();
        let mut exporter = exporter(config, endpoint, clock)?;
        exporter.set_resource(&resource);
        let room = match config.content {
            true => SPANS_WITH_CONTENT,
            false => SPANS_WAITING,
        };
        let (sender, receiver) = mpsc::channel(room);
        let outbox = Outbox {
            sender,
            spans: spans.clone(),
        };
        let task = Exporting {
            receiver,
            exporter,
            clock: clock.clone(),
            stop: exporting.clone(),
            spans: spans.clone(),
            is_failing: false,
        };
        exporting.spawn(task.run());
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                config.sample,
            ))))
            .with_span_processor(outbox)
            .build();
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
            .with_version(env!("CARGO_PKG_VERSION"))
            .with_schema_url(config.names().schema_url());
        let source = Source {
            tracer: provider.tracer_with_scope(scope.build()),
            clock: clock.clone(),
            names: config.names(),
            content: config.content,
        };
        Ok(Self {
            tracer: Tracer::new(source),
            exporting,
        })
    }

    /// Gives what begins spans.
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Sends what waits, for no longer than a few seconds. What ends later is not sent.
    pub async fn flush(&self, clock: &Clock) {
        if self.exporting.drain(clock, FLUSH_WITHIN).await > 0 {
            tracing::warn!("stopped before all spans had left for the collector");
        }
    }
}

fn exporter(
    config: &TracesConfig,
    endpoint: &str,
    clock: &Clock,
) -> Result<SpanExporter, TracesError> {
    let poster = Poster {
        http: http_client::build(&Options::towards_address(endpoint))?,
        clock: clock.clone(),
    };
    let headers = config.headers.iter();
    let headers = headers.map(|(name, secret)| (name.clone(), secret.expose().to_owned()));
    let endpoint = endpoint.trim_end_matches('/');
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(poster)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .with_timeout(EXPORT_WITHIN)
        .with_headers(headers.collect::<HashMap<_, _>>())
        // It would sleep in a thread of the runtime.
        .with_retry_policy(RetryPolicy::disabled());
    Ok(exporter.build()?)
}

/// Takes the spans that have ended.
#[derive(Debug)]
struct Outbox {
    sender: Sender<SpanData>,
    spans: Spans,
}

impl SpanProcessor for Outbox {
    fn on_start(&self, _span: &mut SdkSpan, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.sender.try_send(span).is_err() {
            self.spans.ended(SpanEnd::Dropped, 1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Empties the queue until the stop, and then to its end.
struct Exporting {
    receiver: Receiver<SpanData>,
    exporter: SpanExporter,
    clock: Clock,
    stop: Shutdown,
    spans: Spans,
    is_failing: bool,
}

impl Exporting {
    async fn run(mut self) {
        let stop = self.stop.clone();
        loop {
            let mut batch = Vec::new();
            let goes_on = tokio::select! {
                biased;
                () = stop.stopping() => false,
                goes_on = fill(&mut self.receiver, &mut batch, &self.clock) => goes_on,
            };
            if !goes_on {
                return self.empty(batch).await;
            }
            self.export(batch).await;
        }
    }

    /// Sends what is left, and takes nothing more.
    async fn empty(mut self, mut batch: Vec<SpanData>) {
        self.receiver.close();
        loop {
            while batch.len() < SPANS_AT_ONCE
                && let Ok(span) = self.receiver.try_recv()
            {
                batch.push(span);
            }
            if batch.is_empty() {
                return;
            }
            self.export(std::mem::take(&mut batch)).await;
        }
    }

    async fn export(&mut self, batch: Vec<SpanData>) {
        let count = batch.len();
        let exported = self.exporter.export(batch).await;
        let end = match &exported {
            Ok(()) => SpanEnd::Exported,
            Err(_) => SpanEnd::Failed,
        };
        self.spans.ended(end, count);
        // A collector can be down for hours.
        match (&exported, self.is_failing) {
            (Err(error), false) => tracing::warn!(%error, "the collector takes no spans"),
            (Ok(()), true) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        self.is_failing = exported.is_err();
    }
}

/// Takes spans until enough have come to go together, or the first has waited long enough. `false` when none will come.
async fn fill(receiver: &mut Receiver<SpanData>, batch: &mut Vec<SpanData>, clock: &Clock) -> bool {
    if receiver.recv_many(batch, SPANS_AT_ONCE).await == 0 {
        return false;
    }
    let more = async {
        while batch.len() < SPANS_AT_ONCE {
            let room = SPANS_AT_ONCE - batch.len();
            if receiver.recv_many(batch, room).await == 0 {
                return false;
            }
        }
        true
    };
    clock.timeout(EXPORT_EVERY, more).await.unwrap_or(true)
}

/// Posts the exporter's requests with our own client.
#[derive(Debug)]
struct Poster {
    http: reqwest::Client,
    clock: Clock,
}

#[async_trait]
impl HttpClient for Poster {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let exchange = async {
            let response = self.http.execute(request).await?;
            let status = response.status();
            let body = http_client::read_bounded(response, EXPORT_ANSWER_BYTES).await?;
            let mut answer = Response::new(Bytes::from(body));
            *answer.status_mut() = status;
            Ok(answer)
        };
        self.clock.timeout(EXPORT_WITHIN, exchange).await?
    }
}
