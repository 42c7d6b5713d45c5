//! Reports: what was sold, when, and for how much. Reads what other subjects own; writes nothing.
//!
//! Operation: `get_sales_report`.

mod get_sales_report;
mod model;
mod sql;

pub use get_sales_report::{GetSalesReport, GetSalesReportError};
pub use model::{
    Breakdown, CurrencyTotals, DaySales, EventSales, Pace, SalesReport, SalesTotals, TypeSales,
};

#[cfg(any(test, feature = "testing"))]
pub(crate) use sql::both_ways;
pub(crate) use sql::totals_of;
