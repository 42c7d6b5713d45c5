//! For tests: whether what is written down about orders adds up.

mod sql;

pub(crate) use sql::discrepancies;
