//! Reports: what was sold, when, and for how much, and what people said afterwards. Reads what other subjects own; writes nothing.
//!
//! Operations: `get_sales_report`, `get_settlement`, `get_survey_results`.

mod get_sales_report;
mod get_settlement;
mod get_survey_results;
mod model;
mod sql;

pub use get_sales_report::{GetSalesReport, GetSalesReportError};
pub use get_settlement::{
    GetSettlement, GetSettlementError, MethodSettlement, Settlement, TicketsSettlement,
};
pub use get_survey_results::{GetSurveyResults, SurveyComment, SurveyResults};
pub use model::{
    Breakdown, CurrencyTotals, DaySales, EventSales, Pace, SalesReport, SalesTotals, TypeSales,
};

#[cfg(any(test, feature = "testing"))]
pub(crate) use sql::both_ways;
pub(crate) use sql::totals_of;

#[cfg(test)]
mod tests_of_money;
