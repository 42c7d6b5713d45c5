//! Agents: a prompted model with tools, as programs of the workflow engine.
//!
//! A turn of a conversation is a run, and its program (`turn`) is pure: fed what its steps came to, it says what comes next. So a
//! crash costs at most one question to the model, any worker goes on with it, and every step is written down once. Looks go
//! through our own MCP tools in this process, with no more rights than the person has; whatever writes is a proposal that a person
//! agrees to. The roster (`agents/roster/`) says who there is, with which words and tools.
#![warn(missing_docs)]

mod belt;
mod host;
mod ledger;
mod roster;
mod said;
mod turn;

pub use host::Agents;
pub use ledger::Books;
pub use roster::{Limits, Roster, RosterError, Spec};
