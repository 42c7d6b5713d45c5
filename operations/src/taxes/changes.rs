//! What can happen to tax rules, settings and fees.

use domain::{Change, FeeId, OrganizationId, Subject, TaxRuleId};
use serde::Serialize;

/// A tax rule was added, changed or put away.
#[derive(Debug, Serialize)]
pub struct TaxRuleSaved {
    pub(super) tax_rule_id: TaxRuleId,
    pub(super) name: String,
    /// In percent.
    pub(super) rate: String,
    /// What it was before, if that differs.
    pub(super) rate_before: Option<String>,
    pub(super) is_archived: bool,
}

impl Change for TaxRuleSaved {
    const KIND: &'static str = "tax_rule.saved";
    fn subject(&self) -> Subject {
        self.tax_rule_id.into()
    }
    fn summary(&self) -> String {
        let Self { name, rate, .. } = self;
        match (&self.rate_before, self.is_archived) {
            (_, true) => {
                format!("Puts the tax rule {name:?} away; orders keep what they were charged")
            }
            (Some(before), false) => format!(
                "Changes the tax rule {name:?} from {before} % to {rate} %; orders keep what they were charged"
            ),
            (None, false) => format!("Keeps the tax rule {name:?} with {rate} %"),
        }
    }
}

/// How tax is charged changed, for one event or for new ones.
#[derive(Debug, Serialize)]
pub struct TaxSettingsSaved {
    pub(super) organization_id: OrganizationId,
    pub(super) event_title: Option<String>,
    pub(super) prices: String,
    pub(super) rounding: String,
    pub(super) default_rule: Option<String>,
}

impl Change for TaxSettingsSaved {
    const KIND: &'static str = "tax_settings.saved";
    fn subject(&self) -> Subject {
        self.organization_id.into()
    }
    fn summary(&self) -> String {
        let of = self.event_title.as_ref();
        let of = of.map_or_else(|| "new events".to_owned(), |title| format!("{title:?}"));
        let rule = self.default_rule.as_ref();
        let rule = rule.map_or_else(String::new, |rule| {
            format!("; new ticket types have {rule:?}")
        });
        let (prices, rounding) = (&self.prices, &self.rounding);
        format!("Charges tax for {of}: {prices} in prices, rounded by {rounding}{rule}")
            .replace("added in prices", "added to prices")
    }
}

/// A fee was added, changed or put away.
#[derive(Debug, Serialize)]
pub struct FeeSaved {
    pub(super) fee_id: FeeId,
    /// What it comes to.
    pub(super) fee: String,
    /// The event's title; none for all events.
    pub(super) event_title: Option<String>,
    pub(super) is_archived: bool,
}

impl Change for FeeSaved {
    const KIND: &'static str = "fee.saved";
    fn subject(&self) -> Subject {
        self.fee_id.into()
    }
    fn summary(&self) -> String {
        let of = self.event_title.as_ref();
        let of = of.map_or_else(|| "all events".to_owned(), |title| format!("{title:?}"));
        if self.is_archived {
            format!("Puts the fee \"{}\" of {of} away", self.fee)
        } else {
            format!(
                "Charges the fee \"{}\" for {of}; orders and holds keep theirs",
                self.fee
            )
        }
    }
}
