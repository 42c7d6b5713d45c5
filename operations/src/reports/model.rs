//! The figures of a sales report, and how they add up.

use std::collections::BTreeMap;

use domain::{Currency, EventId, LocalDate, Money, TicketTypeId, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::events::EventStatus;

domain::text_enum! {
    /// A way to break sales down.
    pub enum Breakdown {
        /// By ticket type.
        Type = "type",
        /// By day.
        Day = "day",
    }
}

/// What was sold and for how much. Money of different currencies is never added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalesTotals {
    /// Orders paid.
    pub orders_paid: i64,
    /// Orders that wait for money.
    pub orders_pending: i64,
    /// Orders cancelled.
    pub orders_cancelled: i64,
    /// Orders whose time to pay ran out.
    pub orders_expired: i64,
    /// Valid tickets.
    pub tickets_sold: i64,
    /// How many of them were issued for nothing.
    pub comp_count: i64,
    /// What can be sold at most; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i64>,
    /// Tickets sold per hundred of the capacity, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sold_percent: Option<i64>,
    /// The money, one entry per currency.
    pub money: Vec<CurrencyTotals>,
}

/// Money in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CurrencyTotals {
    /// Received.
    pub gross: Money,
    /// Given back.
    pub refunded: Money,
    /// Received less given back.
    pub net: Money,
    /// Still to be paid for pending orders.
    pub pending: Money,
    /// The same in words.
    pub summary: String,
}

impl CurrencyTotals {
    pub(super) fn new(currency: Currency, gross: i64, refunded: i64, pending: i64) -> Self {
        let money = |amount| Money::new(amount, currency);
        let net = money(gross.saturating_sub(refunded));
        Self {
            gross: money(gross),
            refunded: money(refunded),
            net,
            pending: money(pending),
            summary: format!(
                "{net} net ({} received, {} given back), {} pending",
                money(gross),
                money(refunded),
                money(pending)
            ),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        Self::new(
            self.gross.currency,
            self.gross.amount.saturating_add(other.gross.amount),
            self.refunded.amount.saturating_add(other.refunded.amount),
            self.pending.amount.saturating_add(other.pending.amount),
        )
    }
}

impl SalesTotals {
    /// The sum over several events; unlimited as soon as one is.
    pub(super) fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        let mut money: BTreeMap<Currency, CurrencyTotals> = BTreeMap::new();
        let mut capacity = Some(0_i64);
        for one in all {
            sum.orders_paid += one.orders_paid;
            sum.orders_pending += one.orders_pending;
            sum.orders_cancelled += one.orders_cancelled;
            sum.orders_expired += one.orders_expired;
            sum.tickets_sold += one.tickets_sold;
            sum.comp_count += one.comp_count;
            capacity = capacity.zip(one.capacity).map(|(a, b)| a.saturating_add(b));
            for entry in &one.money {
                let total = money.get(&entry.gross.currency);
                let total = total.map_or_else(|| entry.clone(), |total| total.plus(entry));
                money.insert(entry.gross.currency, total);
            }
        }
        sum.money = money.into_values().collect();
        sum.with_capacity(capacity)
    }

    /// The same against a capacity.
    pub(super) fn with_capacity(self, capacity: Option<i64>) -> Self {
        let percent = |capacity: i64| self.tickets_sold.saturating_mul(100) / capacity;
        Self {
            capacity,
            sold_percent: capacity.filter(|capacity| *capacity > 0).map(percent),
            ..self
        }
    }
}

/// One event in a report over all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventSales {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub title: String,
    /// When it takes place.
    pub when: String,
    /// Its state.
    pub status: EventStatus,
    /// What was sold.
    pub totals: SalesTotals,
}

/// One ticket type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TypeSales {
    /// Its id.
    pub ticket_type_id: TicketTypeId,
    /// What it is called.
    pub name: String,
    /// Valid tickets.
    pub sold: i64,
    /// How many of them were issued for nothing.
    pub comp_count: i64,
    /// The limit, possibly shared with other types; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
    /// What can still be sold; absent when unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<i32>,
    /// What its valid tickets cost together.
    pub revenue: Money,
}

/// One day on the clock of the report's zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaySales {
    /// The day.
    pub date: LocalDate,
    /// Orders paid on it.
    pub orders_paid: i64,
    /// Tickets issued on it that are valid.
    pub tickets: i64,
    /// Money received on it, per currency.
    pub gross: Vec<Money>,
    /// Money given back on it, per currency.
    pub refunded: Vec<Money>,
}

/// How fast tickets go at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pace {
    /// Tickets issued in the last seven days.
    pub last_7_days: i64,
    /// Tickets issued in the seven days before.
    pub previous_7_days: i64,
    /// The same in words.
    pub summary: String,
}

impl Pace {
    pub(super) fn new(last: i64, previous: i64) -> Self {
        let summary = match (last, previous) {
            (0, 0) => "No tickets in the last two weeks.".to_owned(),
            (_, 0) => format!("{last} tickets in the last 7 days, none in the 7 days before."),
            _ => format!(
                "{last} tickets in the last 7 days, {previous} in the 7 days before ({:+} %).",
                (last - previous).saturating_mul(100) / previous
            ),
        };
        Self {
            last_7_days: last,
            previous_7_days: previous,
            summary,
        }
    }
}

/// What was sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SalesReport {
    /// What the report is about: the event, or all events.
    pub about: String,
    /// The event, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<EventId>,
    /// Whose clock its days follow.
    pub zone: Zone,
    /// The first day; all there are when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<LocalDate>,
    /// The last day; up to now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<LocalDate>,
    /// The sums.
    pub totals: SalesTotals,
    /// How fast tickets go at present, whatever the days asked for.
    pub pace: Pace,
    /// By ticket type, when asked for and about one event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_type: Option<Vec<TypeSales>>,
    /// By day, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_day: Option<Vec<DaySales>>,
    /// By event, when about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_event: Option<Vec<EventSales>>,
    /// What to know when reading it.
    pub notes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(code: &str, gross: i64, capacity: Option<i64>) -> SalesTotals {
        SalesTotals {
            tickets_sold: 5,
            money: vec![CurrencyTotals::new(code.parse().unwrap(), gross, 100, 7)],
            ..SalesTotals::default()
        }
        .with_capacity(capacity)
    }

    #[test]
    fn never_adds_two_currencies() {
        let all = [
            totals("EUR", 500, Some(10)),
            totals("USD", 900, Some(10)),
            totals("EUR", 300, Some(10)),
        ];
        let sum = SalesTotals::sum(&all);
        let money: Vec<_> = sum.money.iter().map(|m| m.summary.as_str()).collect();
        assert_eq!(
            money,
            [
                "6.00 EUR net (8.00 EUR received, 2.00 EUR given back), 0.14 EUR pending",
                "8.00 USD net (9.00 USD received, 1.00 USD given back), 0.07 USD pending"
            ]
        );
        assert_eq!((sum.tickets_sold, sum.sold_percent), (15, Some(50)));
        let open = SalesTotals::sum(&[totals("EUR", 1, Some(10)), totals("EUR", 1, None)]);
        assert_eq!((open.capacity, open.sold_percent), (None, None));
    }

    #[test]
    fn says_how_fast_tickets_go() {
        assert_eq!(Pace::new(0, 0).summary, "No tickets in the last two weeks.");
        assert!(
            Pace::new(3, 0)
                .summary
                .contains("none in the 7 days before")
        );
        assert!(Pace::new(3, 4).summary.contains("(-25 %)"));
    }
}
