//! `EventOS` as JSON over HTTP: every operation of the catalog under `/v1` for whoever holds a token, and what somebody
//! needs who buys tickets, under `/v1/public`, for everybody. No rule about ticketing lives here.
//!
//! Nothing is written by hand for an operation: its path, its input, its answers and its refusals come from the catalog,
//! and so does `/openapi.json`.

mod answer;
mod call;
mod door;
mod input;
mod openapi;
mod options;
mod problem;
mod public;
mod router;

pub use openapi::document;
pub use options::Options;
pub use router::router;
