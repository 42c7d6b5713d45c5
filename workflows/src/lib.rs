//! The durable engine: workers that take up runs and execute what their workflow says next, the dispatcher that
//! starts runs on changes, the scheduler that starts them on time, and the library of workflows that ship.
//!
//! Rules live in `operations`; this crate executes what rows say and writes back through operations and `store`.
#![warn(missing_docs)]
