//! Rules, end to end.
