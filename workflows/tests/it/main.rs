//! The engine on a real PostgreSQL: what may never happen, each with the guard taken away to show that it would.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up should stop at once"
)]

mod cron;
mod failpoints;
mod kill_loop;
mod library;
mod model;
mod restart;
mod stage;
mod steps;
mod upgrade;
mod waits;
mod zombie;
