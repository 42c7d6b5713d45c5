//! Payment by bank transfer, without anybody's interface: what the buyer is told, and which line of a bank statement
//! pays which order.
//!
//! Not a [`crate::Processor`]: nobody can be asked what came of a transfer, and a refund is a transfer that a person
//! makes. What it has instead is a person with a bank statement.

mod amount;
mod instructions;
mod matching;
mod statement;

pub use instructions::{BankAccount, Iban, IbanError, Instructions};
pub use matching::{Candidate, Match, OpenOrder, Reason, Verdict, match_statement};
pub use statement::{Skipped, Statement, StatementError, StatementLine, read_statement};
