//! The real program under fire: killed at random moments and at exact points, cut from its power, stopped, poisoned.
//!
//! The stand-ins and the customers around it keep a ledger of what was accepted and what arrived, which is checked
//! against the promises when all is done ([`ledger`]). The short form runs with all tests; `tests/run --long` runs the
//! long one. Both print a line with their seeds and figures; `FRONTDESK_FIRE_SEED=7 tests/run fire::` runs a seed again.

mod ledger;
mod load;
pub(crate) mod random;
mod shim;
pub(crate) mod yard;

mod copies;
mod kills;
mod points;
mod poison;
mod start;
mod stops;
mod sync;
mod unanswered;
