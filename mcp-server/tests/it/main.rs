//! The MCP server from the outside: real clients of both eras, real operations, a database for each test.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop at once"
)]
#![expect(
    clippy::too_many_lines,
    reason = "a table of cases is read from top to bottom"
)]

mod approving;
mod calling;
mod client;
mod confirming;
mod guarding;
mod http;
mod listing;
mod reading;
mod subscribing;
