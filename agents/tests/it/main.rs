//! Turns of agents as people meet them: workers, a database, a model with a script.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

mod automated;
mod crashing;
mod safety;
mod stage;
mod talking;
