//! The API from the outside: real requests, real operations, a database for each test.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]

mod asking;
mod buying;
mod client;
mod document;
