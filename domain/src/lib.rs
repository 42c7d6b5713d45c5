//! The words everyone shares: ids, money, time, text, context, changes, faults, pages.
//!
//! Nothing here performs IO or knows a database, a protocol or a clock.
#![warn(missing_docs)]

#[macro_use]
mod text_enum;

pub mod change;
pub mod context;
pub mod date;
pub mod fault;
pub mod ids;
pub mod message;
pub mod money;
pub mod page;
pub mod permission;
pub mod reference;
pub mod tax;
pub mod text;
pub mod time;

pub use change::{Change, Recorded, Subject};
pub use context::{Actor, Checkpoint, Cx};
pub use date::LocalDate;
pub use fault::{Facts, Fault, FaultKind, FaultSpec};
pub use ids::*;
pub use message::{Language, MessageChannel, MessageKind};
pub use money::{Currency, Money};
pub use page::{Cursor, Page, PageRequest};
pub use permission::{Permission, Permissions};
pub use reference::Reference;
pub use tax::{PriceTax, TaxRate, TaxRounding, Taxable, Taxed};
pub use text::{EmailAddress, LongText, Name, Patch, Untrusted};
pub use time::{LocalTime, Timestamp, Zone};
