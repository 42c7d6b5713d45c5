//! What can happen to the budget for models.

use domain::{Change, OrganizationId, Subject};
use serde::Serialize;

/// Somebody said what models may cost.
#[derive(Debug, Serialize)]
pub struct ModelBudgetSet {
    pub(super) organization_id: OrganizationId,
    /// Millionths of a US dollar.
    pub(super) day_limit: i64,
    /// Millionths of a US dollar.
    pub(super) month_limit: i64,
}

impl Change for ModelBudgetSet {
    const KIND: &'static str = "model_budget.set";
    fn subject(&self) -> Subject {
        self.organization_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Lets language models cost up to {} a day and {} a month",
            dollars(self.day_limit),
            dollars(self.month_limit)
        )
    }
}

/// `1.50 USD` of millionths.
pub(super) fn dollars(micro: i64) -> String {
    let cents = micro.saturating_add(5_000) / 10_000;
    format!("{}.{:02} USD", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_dollars() {
        for (micro, text) in [
            (1_500_000, "1.50 USD"),
            (0, "0.00 USD"),
            (4_999, "0.00 USD"),
            (5_000, "0.01 USD"),
        ] {
            assert_eq!(dollars(micro), text);
        }
    }
}
