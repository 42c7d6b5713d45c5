//! `get_settlement`: what an event has brought in, to the cent, as of any day.

use domain::{
    Currency, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalDate, Money, Permission,
    Reference, TicketTypeId, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    orders::payments::PaymentMethod,
    taxes::TaxAmount,
};

/// The money of one event from the ledger: what was sold, what came in and went back by which way, and what stays. With a
/// day, as it stood at the end of that day. The lines add up to the cent.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetSettlement {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// As of the end of this day; now when absent.
    pub as_of: Option<LocalDate>,
}

/// The statement. `sold` less `not_paid` less `reduced` plus `retained` is `kept`, and so is `received` less `given_back`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settlement {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub event_title: String,
    /// Up to when things count.
    pub as_of: Timestamp,
    /// What orders that stand cost, paid or not.
    pub sold: Money,
    /// What is still to be paid of that.
    pub not_paid: Money,
    /// What was given back for orders that stand.
    pub reduced: Money,
    /// What was kept beyond what orders cost: of cancelled ones, or paid too much.
    pub retained: Money,
    /// What came in.
    pub received: Money,
    /// What went back, or is on its way.
    pub given_back: Money,
    /// What stays.
    pub kept: Money,
    /// What orders that stand cost, by rate of tax: together that is `sold`.
    pub taxes: Vec<TaxAmount>,
    /// The tax in `sold`.
    pub tax: Money,
    /// The fees in `sold`.
    pub fees: Money,
    /// Money by the way it moved.
    pub by_method: Vec<MethodSettlement>,
    /// Valid tickets by ticket type.
    pub tickets: Vec<TicketsSettlement>,
    /// Whether both ways of adding up give the same. If not, tell the organizer at once.
    pub adds_up: bool,
    /// The statement as lines of text.
    pub lines: Vec<String>,
}

/// What moved in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct MethodSettlement {
    /// The way.
    pub method: PaymentMethod,
    /// What came in.
    pub received: Money,
    /// What went back, or is on its way.
    pub given_back: Money,
    /// What stays.
    pub kept: Money,
}

/// Valid tickets of a type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TicketsSettlement {
    /// The type.
    pub ticket_type_id: TicketTypeId,
    /// Its name.
    pub name: String,
    /// How many.
    pub valid: i64,
}

/// What the orders of an event add up to in the ledger, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) sold: i64,
    pub(super) not_paid: i64,
    pub(super) reduced: i64,
    pub(super) retained: i64,
    pub(super) received: i64,
    pub(super) given_back: i64,
}

/// What moved in one way, in minor units.
pub(super) struct MethodSums {
    pub(super) method: PaymentMethod,
    pub(super) received: i64,
    pub(super) given_back: i64,
}

impl Operation for GetSettlement {
    const NAME: &'static str = "get_settlement";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::ReportsRead;
    type Output = Settlement;
    type Error = GetSettlementError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Settlement, GetSettlementError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let as_of = self.until(cx, &event)?;
        let sums = sql::settled(tx.conn(), event.id, as_of).await?;
        let by_method = sql::settled_by_method(tx.conn(), event.id, as_of).await?;
        let tickets = sql::settled_tickets(tx.conn(), event.id, as_of).await?;
        let taxes = sql::settled_taxes(tx.conn(), &event, as_of).await?;
        Ok(Settlement::new(
            &event,
            as_of,
            sums,
            &by_method,
            (tickets, taxes),
        ))
    }
}

impl GetSettlement {
    /// Up to when things count: the end of the day on the event's clocks.
    fn until(&self, cx: &Cx, event: &Event) -> Result<Timestamp, GetSettlementError> {
        let Some(day) = self.as_of else {
            return Ok(cx.now);
        };
        let today = LocalDate::from(cx.now.in_zone(&event.zone));
        if day > today {
            return Err(GetSettlementError::InTheFuture(day));
        }
        let next = day.plus_days(1).starts_in(&event.zone);
        Ok(Timestamp::from_microseconds(next.as_microseconds() - 1))
    }
}

impl Settlement {
    fn new(
        event: &Event,
        as_of: Timestamp,
        sums: Sums,
        by_method: &[MethodSums],
        (tickets, (taxes, fees)): (Vec<TicketsSettlement>, (Vec<TaxAmount>, i64)),
    ) -> Self {
        let tax: i64 = taxes.iter().map(|rate| rate.tax.amount).sum();
        let of_rates: i64 = taxes.iter().map(|rate| rate.gross.amount).sum();
        let money = |amount| Money::new(amount, event.currency);
        let kept = sums.received - sums.given_back;
        let by_method = by_method.iter().map(|sums| MethodSettlement {
            method: sums.method,
            received: money(sums.received),
            given_back: money(sums.given_back),
            kept: money(sums.received - sums.given_back),
        });
        let by_method: Vec<_> = by_method.collect();
        let of_methods: i64 = by_method.iter().map(|method| method.kept.amount).sum();
        let of_sales = sums.sold - sums.not_paid - sums.reduced + sums.retained;
        Self {
            event_id: event.id,
            event_title: event.title.clone(),
            as_of,
            sold: money(sums.sold),
            not_paid: money(sums.not_paid),
            reduced: money(sums.reduced),
            retained: money(sums.retained),
            received: money(sums.received),
            given_back: money(sums.given_back),
            kept: money(kept),
            lines: lines(event.currency, sums, (tax, fees), &by_method),
            taxes,
            tax: money(tax),
            fees: money(fees),
            by_method,
            tickets,
            adds_up: of_sales == kept && of_methods == kept && of_rates == sums.sold,
        }
    }
}

fn lines(
    currency: Currency,
    sums: Sums,
    (tax, fees): (i64, i64),
    by_method: &[MethodSettlement],
) -> Vec<String> {
    let line = |what: &str, amount: i64| format!("{what}: {}", Money::new(amount, currency));
    let mut lines = vec![line("Sold", sums.sold)];
    let parts = [
        ("- not paid yet", sums.not_paid),
        ("- given back for orders that stand", sums.reduced),
        (
            "+ kept of orders that ended, or paid too much",
            sums.retained,
        ),
    ];
    let parts = parts.into_iter().filter(|(_, amount)| *amount != 0);
    lines.extend(parts.map(|(what, amount)| line(what, amount)));
    lines.push(line("= stays", sums.received - sums.given_back));
    if fees != 0 {
        lines.push(line("Fees in what was sold", fees));
    }
    if tax != 0 {
        lines.push(line("Tax in what was sold", tax));
    }
    for method in by_method {
        lines.push(format!(
            "{}: {} came in, {} went back, {} stay",
            method.method, method.received, method.given_back, method.kept
        ));
    }
    lines
}

/// How `get_settlement` refuses.
#[derive(Debug, thiserror::Error)]
pub enum GetSettlementError {
    /// The day has not come.
    #[error("{0} is in the future")]
    InTheFuture(LocalDate),
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

const IN_THE_FUTURE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "as_of_in_the_future",
    "Give a day up to today, or leave it out for now.",
);

impl Fault for GetSettlementError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![IN_THE_FUTURE];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::InTheFuture(_) => IN_THE_FUTURE.at("as_of"),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for GetSettlementError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for GetSettlementError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{CancelOrder, ConfirmPayment, OrderDetail, RefundChoice, payments::RefundOrder},
        permission::Role,
        testing::{Scene, assert_refused, eur},
    };

    fn settling(event: &Event) -> GetSettlement {
        GetSettlement {
            event: event.id.into(),
            as_of: None,
        }
    }

    async fn paid(scene: &Scene, cx: &Cx, event: &Event, quantity: i32) -> OrderDetail {
        let order = scene.order(event.id, quantity).await;
        let confirm = ConfirmPayment::of(order.order.id.into());
        scene.app.run(cx, confirm).await.unwrap().order
    }

    #[tokio::test]
    async fn every_cent_is_somewhere() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene.order(event.id, 1).await;
        let stands = paid(&scene, &scene.cx, &event, 2).await;
        let part = RefundOrder {
            order: stands.order.id.into(),
            amount: Some(Money::new(700, eur())),
            reason: None,
        };
        scene.run(part).await.unwrap();
        for (quantity, refund) in [(3, RefundChoice::None), (4, RefundChoice::Full)] {
            let order = paid(&scene, &scene.cx, &event, quantity).await;
            let cancel = CancelOrder {
                refund: Some(refund),
                ..CancelOrder::of(order.order.id.into())
            };
            scene.run(cancel).await.unwrap();
        }
        let done = scene.run(settling(&event)).await.unwrap();
        let amounts = [
            done.sold,
            done.not_paid,
            done.reduced,
            done.retained,
            done.received,
            done.given_back,
            done.kept,
        ];
        assert_eq!(
            amounts.map(|money| money.amount),
            [7500, 2500, 700, 7500, 22500, 10700, 11800]
        );
        assert!(done.adds_up, "{done:?}");
        assert_eq!(done.tickets[0].valid, 2);
        assert_eq!(
            done.lines,
            [
                "Sold: 75.00 EUR",
                "- not paid yet: 25.00 EUR",
                "- given back for orders that stand: 7.00 EUR",
                "+ kept of orders that ended, or paid too much: 75.00 EUR",
                "= stays: 118.00 EUR",
                "manual: 225.00 EUR came in, 107.00 EUR went back, 118.00 EUR stay",
            ]
        );
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn shows_how_things_stood() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let order = scene.order(event.id, 2).await;
        let wednesday = scene.at("2027-01-13T09:00:00Z");
        let confirm = ConfirmPayment::of(order.order.id.into());
        scene.app.run(&wednesday, confirm).await.unwrap();
        let friday = scene.at("2027-01-15T09:00:00Z");
        for (day, not_paid, kept, valid) in [
            ("2027-01-10", 0, 0, 0),
            ("2027-01-11", 5000, 0, 0),
            ("2027-01-12", 5000, 0, 0),
            ("2027-01-13", 0, 5000, 2),
        ] {
            let asked = GetSettlement {
                as_of: Some(day.parse().unwrap()),
                ..settling(&event)
            };
            let then = scene.app.run(&friday, asked).await.unwrap();
            let tickets: i64 = then.tickets.iter().map(|tickets| tickets.valid).sum();
            let amounts = (then.not_paid.amount, then.kept.amount, tickets);
            assert_eq!(amounts, (not_paid, kept, valid), "{day}");
            assert!(then.adds_up);
        }
    }

    #[tokio::test]
    async fn refuses_the_future_strangers_and_the_door() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let future = GetSettlement {
            as_of: Some("2027-01-12".parse().unwrap()),
            ..settling(&event)
        };
        assert_refused(scene.run(future).await, "as_of_in_the_future");
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, settling(&event)).await, "not_found");
        let door = scene.as_role(Role::Door);
        assert_refused(scene.app.run(&door, settling(&event)).await, "forbidden");
        let nowhere = GetSettlement {
            event: "no such event".parse().unwrap(),
            as_of: None,
        };
        assert_refused(scene.run(nowhere).await, "not_found");
    }
}
