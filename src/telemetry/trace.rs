//! Spans: what was done, from when to when, as a part of what.
//!
//! Whoever works holds a span of its own and hands it down; nothing is looked up in a thread. Without a collector, and in
//! what is not sampled, a span is nothing and costs nothing.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use uuid::Uuid;

use super::gen_ai::Generation;
use crate::clock::Clock;

/// The kind of fault that a span ended with.
const ERROR_TYPE: &str = "error.type";

/// Begins spans. Cloning gives another handle; the default one begins none.
#[derive(Clone, Debug, Default)]
pub struct Tracer(Option<Arc<Source>>);

/// What all spans of a gateway share.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) tracer: SdkTracer,
    pub(super) clock: Clock,
    pub(super) names: Generation,
    pub(super) content: bool,
}

/// One thing that is done. It ends when it is dropped; the default one is nothing.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Open>>);

#[derive(Debug)]
struct Open {
    source: Arc<Source>,
    span: SdkSpan,
    /// The time of day when the whole trace began, and how long the clock had run then: within a trace, time never goes
    /// back.
    began: (SystemTime, Duration),
}

/// The turn that calls of models are parts of. Cloning gives another handle; what is a part of the default one is nothing.
#[derive(Clone, Debug, Default)]
pub struct Parent(Option<Arc<Turn>>);

#[derive(Debug)]
struct Turn {
    source: Arc<Source>,
    context: SpanContext,
    began: (SystemTime, Duration),
    conversation: Uuid,
    parts: AtomicU32,
}

impl Tracer {
    pub(super) fn new(source: Source) -> Self {
        Self(Some(Arc::new(source)))
    }

    /// Begins a span that is nobody's part.
    pub(super) fn begin(&self, name: &'static str, kind: SpanKind) -> Span {
        let Some(source) = &self.0 else {
            return Span::default();
        };
        let began = (source.clock.now().into(), source.clock.elapsed());
        Span::open(source, name.into(), kind, began, &Context::new())
    }
}

impl Span {
    fn open(
        source: &Arc<Source>,
        name: Cow<'static, str>,
        kind: SpanKind,
        began: (SystemTime, Duration),
        parent: &Context,
    ) -> Self {
        let builder = source.tracer.span_builder(name);
        let builder = builder.with_kind(kind).with_start_time(now(source, began));
        let span = source.tracer.build_with_context(builder, parent);
        // What is not sampled has no parts either.
        if !span.is_recording() {
            return Self::default();
        }
        let source = Arc::clone(source);
        Self(Some(Box::new(Open {
            source,
            span,
            began,
        })))
    }

    /// Gives what calls about this conversation are parts of.
    pub fn parent(&self, conversation: Uuid) -> Parent {
        let turn = |open: &Open| Turn {
            source: Arc::clone(&open.source),
            context: open.span.span_context().clone(),
            began: open.began,
            conversation,
            parts: AtomicU32::new(0),
        };
        Parent(self.0.as_deref().map(turn).map(Arc::new))
    }

    /// Notes a fact about it.
    pub(super) fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.span.set_attribute(KeyValue::new(key, value));
        }
    }

    /// Notes that it failed, and by what kind of fault.
    pub(super) fn fail(&mut self, fault: impl Into<Cow<'static, str>>) {
        if let Some(open) = &mut self.0 {
            let fault: Cow<'static, str> = fault.into();
            open.span
                .set_attribute(KeyValue::new(ERROR_TYPE, fault.clone()));
            open.span.set_status(Status::Error { description: fault });
        }
    }

    /// Tells which names are used on it.
    pub(super) fn names(&self) -> Generation {
        let open = self.0.as_ref();
        open.map(|open| open.source.names).unwrap_or_default()
    }

    /// Tells whether it exists, and what was said may stand in it.
    pub(super) fn shows_content(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.source.content)
    }
}

impl Parent {
    /// Begins a part of the turn. Gives it with the conversation and its number among the turn's parts, from 1; `None`
    /// where nothing is traced.
    pub(super) fn part(
        &self,
        name: impl FnOnce() -> String,
        kind: SpanKind,
    ) -> Option<(Span, Uuid, u32)> {
        let turn = self.0.as_deref()?;
        let parent = Context::new().with_remote_span_context(turn.context.clone());
        let span = Span::open(&turn.source, name().into(), kind, turn.began, &parent);
        let number = turn.parts.fetch_add(1, Ordering::Relaxed) + 1;
        Some((span, turn.conversation, number))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.span.end_with_timestamp(now(&self.source, self.began));
    }
}

fn now(source: &Source, (time, ran): (SystemTime, Duration)) -> SystemTime {
    time + source.clock.elapsed().saturating_sub(ran)
}
