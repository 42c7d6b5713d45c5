//! What language models cost: a row for each attempt, budgets per run, day and month.
//!
//! Owns `model_call`, `model_budget`. Operations: `get_model_costs`, `set_model_budget` (for people, not for models).
//! Change: `model_budget.set`. [`reserve`] and [`settle`] are called around each attempt by whoever runs agents.

pub mod changes;
mod get_model_costs;
mod ledger;
mod set_model_budget;
mod sql;

pub use get_model_costs::{GetModelCosts, ModelCost, ModelCosts};
pub use ledger::{Attempt, Overdrawn, ReserveError, Settlement, reserve, settle};
pub use set_model_budget::{ModelBudget, SetModelBudget, SetModelBudgetError};

/// What an organization may spend in a day when nobody has said otherwise: 5 US dollars, in millionths.
pub(crate) const DAY_LIMIT: i64 = 5_000_000;
/// The same in a month: 50 US dollars.
pub(crate) const MONTH_LIMIT: i64 = 50_000_000;
