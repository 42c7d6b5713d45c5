//! Tax rules, fees and settings as callers see them.

use domain::{Currency, FeeId, Money, PriceTax, TaxRate, TaxRounding, TaxRuleId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

domain::text_enum! {
    /// What a fee is charged for.
    pub enum FeePer {
        /// Once for each order.
        Order = "order",
        /// For each ticket.
        Ticket = "ticket",
    }
}

domain::sqlx_as_text!(FeePer);

/// A rate of tax that an organization charges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxRule {
    /// Its id.
    pub id: TaxRuleId,
    /// What it is called on invoices.
    pub name: String,
    /// In percent.
    pub rate: TaxRate,
    /// What it is called in electronic invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How many ticket types and fees have it.
    pub used_by: i64,
    /// Whether it was put away: nothing new can have it.
    #[serde(default)]
    pub is_archived: bool,
}

/// How tax is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxSettings {
    /// Whether prices have the tax in them.
    pub prices: PriceTax,
    /// Where it is rounded.
    pub rounding: TaxRounding,
    /// The rule that new ticket types start with; of an organization only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_rule: Option<String>,
}

/// Something that is charged beside tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fee {
    /// Its id.
    pub id: FeeId,
    /// What buyers read.
    pub name: String,
    /// Of one event, or of all that are in its currency.
    pub of_all_events: bool,
    /// What it is charged for.
    pub per: FeePer,
    /// How much, if it is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// How many percent of the tickets' price, otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<TaxRate>,
    /// Whether it is charged for what is free too.
    pub charges_free: bool,
    /// Its tax rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tax_rule: Option<String>,
}

/// A rule as it was when something was charged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AppliedTax {
    pub(crate) name: String,
    pub(crate) code: Option<String>,
    pub(crate) rate: TaxRate,
}

/// What was charged at one rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaxAmount {
    /// The rule's name; none for what is not taxed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is called in electronic invoices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// In percent.
    pub rate: TaxRate,
    /// Without tax.
    pub net: Money,
    /// The tax.
    pub tax: Money,
    /// With tax.
    pub gross: Money,
}

impl TaxAmount {
    /// Whether it is by the same rule.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.code, self.rate) == (&other.name, &other.code, other.rate)
    }
}

/// A fee that was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChargedFee {
    /// What it is called.
    pub name: String,
    /// With its tax.
    pub amount: Money,
}

/// A row of `fee` that an event charges, with its rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct FeeRow {
    pub(super) id: uuid::Uuid,
    pub(super) name: String,
    pub(super) per: FeePer,
    pub(super) amount: Option<i64>,
    pub(super) percent: Option<i32>,
    pub(super) charges_free: bool,
    pub(super) tax_name: Option<String>,
    pub(super) tax_code: Option<String>,
    pub(super) tax_rate: Option<i32>,
}

impl AppliedTax {
    /// As columns hold it; none when nothing was taxed.
    pub(crate) fn of(name: Option<String>, code: Option<String>, thousandths: i32) -> Option<Self> {
        Some(Self {
            name: name?,
            code,
            rate: TaxRate::from_thousandths(thousandths),
        })
    }
}

impl FeeRow {
    pub(super) fn tax(&self) -> Option<AppliedTax> {
        let (name, code) = (self.tax_name.clone(), self.tax_code.clone());
        AppliedTax::of(name, code, self.tax_rate?)
    }

    /// What it comes to in words: `1.50 EUR per order`, `3.5 % per ticket`.
    pub(super) fn in_words(&self, currency: Currency) -> String {
        let much = match (self.amount, self.percent) {
            (Some(amount), _) => Money::new(amount, currency).to_string(),
            (None, percent) => {
                format!(
                    "{} %",
                    TaxRate::from_thousandths(percent.unwrap_or_default())
                )
            }
        };
        format!("{}: {much} per {}", self.name, self.per)
    }
}
