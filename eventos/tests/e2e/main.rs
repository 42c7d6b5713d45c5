//! The whole program as a user meets it: started, talked to, killed, started again.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop at once"
)]

mod commands;
mod crashes;
mod mailing;
mod paying;
mod program;
mod serving;
mod surveying;
mod waiting;
mod workflows;
