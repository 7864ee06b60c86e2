//! What the gateway tells of its work: the log, by ids and names, never by a customer's words; and the names by which it
//! tells of models.

pub mod gen_ai;
mod log;

pub use log::{LogConfig, LogFormat};
