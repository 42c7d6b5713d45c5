//! The whole program as a user meets it: started, talked to, killed, started again.
#![expect(
    clippy::disallowed_methods,
    reason = "tests start programs and read their environment"
)]

mod commands;
mod crashes;
mod program;
mod serving;
