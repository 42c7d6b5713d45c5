//! Workflows: definitions that organizers and agents write, and the pure machine that says what a run does next.

mod check;
mod definition;
mod document;
mod duration;
mod expression;
mod machine;
mod plan;
mod problem;
mod program;
mod schedule;
mod source;
mod template;

pub use definition::{Definition, json_schema};
pub use document::{Document, OnConflict, Param, ParamType};
pub use duration::Span;
pub use expression::Expression;
pub use machine::{Machine, Start};
pub use plan::{Concurrency, Params, Trigger};
pub use problem::Problem;
pub use program::{Action, Awaited, End, Next, Program, Retry, Step, StepError};
pub use schedule::{CatchUp, Schedule};

#[cfg(test)]
mod tests;
