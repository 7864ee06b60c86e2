//! What the gateway tells of its work: the log, and traces. Both go by ids and names, and hold nothing of what was said,
//! but for traces where the operator asks for it.

mod config;
pub mod gen_ai;
mod log;
mod otlp;
mod spans;
mod trace;

pub use config::TracesConfig;
pub use log::{LogConfig, LogFormat};
pub use otlp::{Traces, TracesError};
pub use spans::{Carried, Requesting, Requests};
pub use trace::{Parent, Span, Tracer};
