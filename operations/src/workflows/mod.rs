//! Workflows: definitions that organizers and agents write, and the pure machine that says what a run does next.

mod program;

pub use program::{Action, Awaited, End, Next, Program, Retry, Step, StepError};
