//! Taxes and fees: the rates an organization charges, what its events add to the price of tickets, and what both come to.
//!
//! Owns `tax_rule`, `taxation`, `event_taxation`, `fee`. Operations: `save_tax_rule`, `list_tax_rules`,
//! `save_tax_settings`, `save_fee`, `list_fees`; ticket types have a rule by `set_ticket_type_tax`. Changes:
//! `tax_rule.saved`, `tax_settings.saved`, `fee.saved`.
//!
//! What a hold or an order is charged is worked out once, here (`Pricing::charge`), and kept with its lines: changing a
//! rule or a fee changes what is sold from then on.

pub mod changes;
mod charge;
mod errors;
mod list_fees;
mod list_tax_rules;
mod model;
mod save_fee;
mod save_tax_rule;
mod save_tax_settings;
mod sql;

pub use errors::TaxError;
pub use list_fees::{Fees, ListFees};
pub use list_tax_rules::{ListTaxRules, TaxRules};
pub use model::{ChargedFee, Fee, FeePer, TaxAmount, TaxRule, TaxSettings};
pub use save_fee::SaveFee;
pub use save_tax_rule::SaveTaxRule;
pub use save_tax_settings::SaveTaxSettings;

pub(crate) use charge::{FeeLine, Item, LineTax, Pricing, charged, seen_fees, summed};
pub(crate) use model::AppliedTax;
pub(crate) use sql::{copy, default_rule, pricing, resolve_rule};
