//! The engine on a real PostgreSQL: what may never happen, each with the guard taken away to show that it would.

mod cron;
mod failpoints;
mod kill_loop;
mod model;
mod restart;
mod stage;
mod steps;
mod upgrade;
mod waits;
mod zombie;
