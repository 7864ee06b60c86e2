//! Frontdesk answers a business's WhatsApp customers.

pub mod domain;

pub mod clock;
pub mod problem;
pub mod redact;
pub mod shutdown;
