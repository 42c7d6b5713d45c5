//! `get_sales_report`: how a sale is going.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Currency, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalDate, Money, Permission,
    Reference, Timestamp, Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::{ReadTx, StoreError};

use super::{
    model::{Breakdown, DaySales, EventSales, Pace, SalesReport, SalesTotals},
    sql::{self, DayRow, Span},
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
    organizations,
};

/// Sales of one event, or of all when `event` is left out: orders, tickets, money per currency, pace, and by
/// ticket type or day when asked. Drafts do not count. Given days, orders count by when they were paid, money by
/// when it moved, tickets by when they were issued.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct GetSalesReport {
    /// Event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// First day.
    pub from: Option<LocalDate>,
    /// Last day.
    pub to: Option<LocalDate>,
    /// How to break it down; left out: by type for one event.
    pub by: Option<Vec<Breakdown>>,
}

/// The most days that are listed.
const DAYS_LISTED: i32 = 92;
/// The most events that are listed.
const EVENTS_LISTED: usize = 100;
const WEEK: i64 = 7 * 24 * 3600;

impl Operation for GetSalesReport {
    const NAME: &'static str = "get_sales_report";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::ReportsRead;
    type Output = SalesReport;
    type Error = GetSalesReportError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SalesReport, GetSalesReportError> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(GetSalesReportError::RangeReversed { from, to });
        }
        let mut tx = app.store().read_stale(cx).await?;
        let event = match &self.event {
            Some(reference) => Some(events::resolve(tx.conn(), cx, reference).await?),
            None => None,
        };
        let zone = match &event {
            Some(event) => event.zone.clone(),
            None => organizations::current(tx.conn()).await?.zone,
        };
        let span = self.span(event.as_ref().map(|event| event.id), &zone);
        let rows = sql::by_event(tx.conn(), cx, span).await?;
        let totals = SalesTotals::sum(rows.iter().map(|row| &row.totals));
        let mut notes = notes(event.as_ref(), &rows, &totals);
        let by = self.by.clone().unwrap_or(vec![Breakdown::Type]);
        let by_type = match &event {
            Some(event) if by.contains(&Breakdown::Type) => {
                Some(sql::by_type(tx.conn(), event.id, span).await?)
            }
            _ => None,
        };
        if event.is_none() && self.by.is_some() && by.contains(&Breakdown::Type) {
            notes.push("Ticket types are listed in the report of one event.".to_owned());
        }
        let by_day = if by.contains(&Breakdown::Day) {
            let currencies = totals.money.iter().map(|m| m.gross.currency).collect();
            let listed = self.days(&mut tx, &zone, span, &mut notes).await?;
            let starts = listed.starts(&zone);
            let within = Span {
                from: span.from.max(starts[0]),
                ..span
            };
            let rows = sql::by_day(tx.conn(), within, &starts).await?;
            Some(days(&rows, listed, currencies))
        } else {
            None
        };
        let pace = pace(&mut tx, span.event_id).await?;
        Ok(SalesReport {
            about: event.as_ref().map_or("all events".to_owned(), |event| {
                format!("{}, {}", event.title, event.when)
            }),
            by_event: event.is_none().then(|| listed(rows, &mut notes)),
            event_id: span.event_id,
            zone,
            from: self.from,
            to: self.to,
            totals,
            pace,
            by_type,
            by_day,
            notes,
        })
    }
}

impl GetSalesReport {
    fn span(&self, event_id: Option<EventId>, zone: &Zone) -> Span {
        let ever = Span::ever(event_id);
        Span {
            from: self.from.map_or(ever.from, |day| day.starts_in(zone)),
            until: self
                .to
                .map_or(ever.until, |day| day.plus_days(1).starts_in(zone)),
            ..ever
        }
    }

    /// The days to list: from the first asked for or sold on, to the last or today; if they are many, the last ones.
    async fn days(
        &self,
        tx: &mut ReadTx<'_>,
        zone: &Zone,
        span: Span,
        notes: &mut Vec<String>,
    ) -> sqlx::Result<Days> {
        let today = LocalDate::from(tx.cx().now.in_zone(zone));
        let sold = sql::extent(tx.conn(), span).await?;
        let day = |at: Option<Timestamp>| at.map(|at| LocalDate::from(at.in_zone(zone)));
        let last = self
            .to
            .unwrap_or_else(|| day(sold.last).map_or(today, |day| day.max(today)));
        let first = self.from.or(day(sold.first)).unwrap_or(last).min(last);
        let all = first.days_until(last).saturating_add(1);
        let count = all.min(DAYS_LISTED);
        if count < all {
            notes.push(format!(
                "The last {count} of {all} days are listed; the sums cover all of them."
            ));
        }
        Ok(Days {
            first: last.plus_days(1 - count),
            count,
        })
    }
}

/// Days in a row, at least one.
#[derive(Debug, Clone, Copy)]
struct Days {
    first: LocalDate,
    count: i32,
}

impl Days {
    fn dates(self) -> impl Iterator<Item = LocalDate> {
        (0..self.count).map(move |day| self.first.plus_days(day))
    }

    /// When each begins on the clock of a zone.
    fn starts(self, zone: &Zone) -> Vec<Timestamp> {
        self.dates().map(|date| date.starts_in(zone)).collect()
    }
}

async fn pace(tx: &mut ReadTx<'_>, event_id: Option<EventId>) -> sqlx::Result<Pace> {
    let now = tx.cx().now;
    let (since, later) = (now.plus_seconds(-2 * WEEK), now.plus_seconds(-WEEK));
    let (all, recent) = sql::issued_since(tx.conn(), event_id, since, later).await?;
    Ok(Pace::new(recent, all - recent))
}

fn notes(event: Option<&Event>, rows: &[EventSales], totals: &SalesTotals) -> Vec<String> {
    use crate::events::EventStatus;
    let mut notes = Vec::new();
    match event.map(|event| event.status) {
        Some(EventStatus::Draft) => {
            notes
                .push("The event is a draft; nothing can be sold before publish_event.".to_owned());
        }
        Some(EventStatus::Cancelled) => {
            notes.push(
                "The event is cancelled; money received and not given back is still shown."
                    .to_owned(),
            );
        }
        _ => {}
    }
    if event.is_none() && rows.is_empty() {
        notes.push("No event has been published yet.".to_owned());
    } else if totals.tickets_sold == 0 && totals.orders_pending == 0 {
        notes.push("Nothing was sold.".to_owned());
    }
    notes
}

fn listed(mut rows: Vec<EventSales>, notes: &mut Vec<String>) -> Vec<EventSales> {
    if rows.len() > EVENTS_LISTED {
        notes.push(format!(
            "The {EVENTS_LISTED} events with the latest start are listed; the sums cover all {}.",
            rows.len()
        ));
        rows.truncate(EVENTS_LISTED);
    }
    rows
}

/// Every listed day, those without sales too.
fn days(rows: &[DayRow], listed: Days, mut currencies: BTreeSet<Currency>) -> Vec<DaySales> {
    currencies.extend(rows.iter().map(|row| row.currency));
    let mut by_day: BTreeMap<i32, Vec<&DayRow>> = BTreeMap::new();
    for row in rows {
        by_day.entry(row.day).or_default().push(row);
    }
    let day = |(number, date): (i32, LocalDate)| {
        let rows = by_day.get(&number).map_or(&[][..], Vec::as_slice);
        let money = |amount: fn(&DayRow) -> i64| {
            let in_currency = |currency: &Currency| {
                let row = rows.iter().find(|row| row.currency == *currency);
                Money::new(row.map_or(0, |row| amount(row)), *currency)
            };
            currencies.iter().map(in_currency).collect()
        };
        DaySales {
            date,
            orders_paid: rows.iter().map(|row| row.orders_paid).sum(),
            tickets: rows.iter().map(|row| row.tickets).sum(),
            gross: money(|row| row.gross),
            refunded: money(|row| row.refunded),
        }
    };
    (1..).zip(listed.dates()).map(day).collect()
}

/// How `get_sales_report` refuses.
#[derive(Debug, thiserror::Error)]
pub enum GetSalesReportError {
    /// The last day is before the first.
    #[error("the last day ({}) is before the first ({})", .to.readable(), .from.readable())]
    RangeReversed {
        /// First day given.
        from: LocalDate,
        /// Last day given.
        to: LocalDate,
    },
    /// The event was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const RANGE_REVERSED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "range_reversed",
    "Swap the two days, or leave one out.",
);

impl Fault for GetSalesReportError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![RANGE_REVERSED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::RangeReversed { .. } => RANGE_REVERSED.at("to"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for GetSalesReportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{
            CancelOrder, ConfirmPayment, Guest, IssueTickets, ListOrders, Order, OrderDetail,
            OrderStatus, RefundChoice,
        },
        permission::Role,
        testing::{Scene, assert_refused, buying, new_event, selling},
    };

    fn about(event: &Event) -> GetSalesReport {
        GetSalesReport {
            event: Some(event.id.into()),
            ..GetSalesReport::default()
        }
    }

    fn cancelling(order: &OrderDetail, refund: RefundChoice) -> CancelOrder {
        CancelOrder {
            order: order.order.id.into(),
            reason: None,
            refund: Some(refund),
            even_if_checked_in: false,
        }
    }

    fn giving(event: EventId, name: &str) -> IssueTickets {
        let guest = Guest {
            name: name.parse().unwrap(),
            email: None,
        };
        IssueTickets {
            event: event.into(),
            ticket_type: "Regular".parse().unwrap(),
            attendees: vec![guest],
            reason: "press".parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn adds_up_orders_tickets_and_money() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene
            .run(selling(event.id, "Balcony", 4000, 20))
            .await
            .unwrap();
        let paid = scene.order(event.id, 3).await;
        let refunded = scene.order(event.id, 2).await;
        for order in [&paid, &refunded] {
            scene
                .run(ConfirmPayment::of(order.order.id.into()))
                .await
                .unwrap();
        }
        scene
            .run(cancelling(&refunded, RefundChoice::Full))
            .await
            .unwrap();
        scene.run(buying(event.id, "Balcony", 1)).await.unwrap();
        scene.run(giving(event.id, "Pia Press")).await.unwrap();
        let report = scene.run(about(&event)).await.unwrap();
        let totals = &report.totals;
        assert_eq!(
            (
                totals.orders_paid,
                totals.orders_pending,
                totals.orders_cancelled
            ),
            (2, 1, 1)
        );
        assert_eq!((totals.tickets_sold, totals.comp_count), (4, 1));
        assert_eq!((totals.capacity, totals.sold_percent), (Some(40), Some(10)));
        assert_eq!(
            totals.money[0].summary,
            "75.00 EUR net (125.00 EUR received, 50.00 EUR given back), 40.00 EUR pending"
        );
        let by_type: Vec<_> = report.by_type.as_ref().unwrap().iter().collect();
        let figures = |t: &super::super::model::TypeSales| (t.sold, t.left, t.revenue.amount);
        assert_eq!(figures(by_type[0]), (4, Some(16), 7500));
        assert_eq!(figures(by_type[1]), (0, Some(19), 0));
        assert_eq!(report.pace.last_7_days, 4);
        assert!(report.by_day.is_none() && report.by_event.is_none());
        assert!(report.notes.is_empty(), "{:?}", report.notes);
    }

    #[tokio::test]
    async fn lists_every_day_on_the_clock_of_the_event() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        // 23:30 UTC is the next day in Berlin.
        for (now, quantity) in [("2027-01-12T23:30:00Z", 2), ("2027-01-15T09:00:00Z", 1)] {
            let cx = scene.at(now);
            let order = scene
                .app
                .run(&cx, buying(event.id, "Regular", quantity))
                .await;
            let pay = ConfirmPayment::of(order.unwrap().order.order.id.into());
            scene.app.run(&cx, pay).await.unwrap();
        }
        let command = GetSalesReport {
            by: Some(vec![Breakdown::Day]),
            ..about(&event)
        };
        let cx = scene.at("2027-01-16T09:00:00Z");
        let report = scene.app.run(&cx, command.clone()).await.unwrap();
        let days: Vec<_> = report
            .by_day
            .unwrap()
            .iter()
            .map(|d| {
                (
                    d.date.to_string(),
                    d.orders_paid,
                    d.tickets,
                    d.gross[0].amount,
                )
            })
            .collect();
        assert_eq!(
            days,
            [
                ("2027-01-13".to_owned(), 1, 2, 5000),
                ("2027-01-14".to_owned(), 0, 0, 0),
                ("2027-01-15".to_owned(), 1, 1, 2500),
                ("2027-01-16".to_owned(), 0, 0, 0),
            ]
        );
        let one_day = GetSalesReport {
            from: Some("2027-01-13".parse().unwrap()),
            to: Some("2027-01-14".parse().unwrap()),
            ..command.clone()
        };
        let report = scene.app.run(&cx, one_day).await.unwrap();
        assert_eq!(report.totals.tickets_sold, 2);
        assert_eq!(report.totals.money[0].net.amount, 5000);
        assert_eq!(report.by_day.unwrap().len(), 2);
        let year = GetSalesReport {
            from: Some("2026-02-01".parse().unwrap()),
            ..command
        };
        let report = scene.app.run(&cx, year).await.unwrap();
        assert_eq!(report.by_day.unwrap().len(), 92);
        assert_eq!(
            report.notes,
            ["The last 92 of 350 days are listed; the sums cover all of them."]
        );
        let later = scene.at("2027-01-21T00:00:00Z");
        let pace = scene.app.run(&later, about(&event)).await.unwrap().pace;
        assert_eq!((pace.last_7_days, pace.previous_7_days), (1, 2));
    }

    #[tokio::test]
    async fn honest_zeros_before_the_first_sale() {
        let scene = Scene::new().await;
        let report = scene.run(GetSalesReport::default()).await.unwrap();
        assert_eq!(report.notes, ["No event has been published yet."]);
        assert!(report.totals.money.is_empty());
        let (event, _) = scene.on_sale(2500, 20).await;
        let report = scene.run(about(&event)).await.unwrap();
        assert_eq!(report.notes, ["Nothing was sold."]);
        assert_eq!(report.totals.money[0].gross.to_string(), "0.00 EUR");
        assert_eq!(report.totals.sold_percent, Some(0));
        let draft = scene.run(new_event("Draft")).await.unwrap().event;
        let notes = scene.run(about(&draft)).await.unwrap().notes;
        assert!(notes[0].contains("is a draft"), "{notes:?}");
    }

    #[tokio::test]
    async fn covers_all_events_without_drafts_and_keeps_currencies_apart() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene.run(new_event("Draft")).await.unwrap();
        let abroad = crate::events::CreateEvent {
            online_url: Some("https://live.example.org".parse().unwrap()),
            currency: Some("JPY".parse().unwrap()),
            ..new_event("Tokyo")
        };
        let abroad = scene.run(abroad).await.unwrap().event;
        let mut yen = selling(abroad.id, "Regular", 3000, 10);
        yen.price = Some(Money::new(3000, "JPY".parse().unwrap()));
        scene.run(yen).await.unwrap();
        scene
            .move_event(abroad.id, crate::events::StatusMove::Publish)
            .await;
        for id in [event.id, abroad.id] {
            let order = scene.order(id, 1).await;
            scene
                .run(ConfirmPayment::of(order.order.id.into()))
                .await
                .unwrap();
        }
        let command = GetSalesReport {
            by: Some(vec![Breakdown::Day, Breakdown::Type]),
            ..GetSalesReport::default()
        };
        let report = scene.run(command).await.unwrap();
        let events: Vec<_> = report
            .by_event
            .unwrap()
            .into_iter()
            .map(|e| e.title)
            .collect();
        assert_eq!(events.len(), 2, "{events:?}");
        let gross = report.totals.money.iter().map(|m| m.gross.to_string());
        assert_eq!(gross.collect::<Vec<_>>(), ["25.00 EUR", "3000 JPY"]);
        let today = &report.by_day.unwrap()[0];
        assert_eq!(today.tickets, 2);
        let gross = today.gross.iter().map(ToString::to_string);
        assert_eq!(gross.collect::<Vec<_>>(), ["25.00 EUR", "3000 JPY"]);
        assert_eq!(
            report.notes,
            ["Ticket types are listed in the report of one event."]
        );
    }

    #[tokio::test]
    async fn refuses_reversed_ranges_unknown_events_and_the_door() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        let reversed = GetSalesReport {
            from: Some("2027-02-01".parse().unwrap()),
            to: Some("2027-01-01".parse().unwrap()),
            ..about(&event)
        };
        assert_refused(scene.run(reversed).await, "range_reversed");
        assert_refused(scene.app.run(&other, about(&event)).await, "not_found");
        let all = scene
            .app
            .run(&other, GetSalesReport::default())
            .await
            .unwrap();
        assert!(all.by_event.unwrap().is_empty());
        let door = scene.as_role(Role::Door);
        assert_refused(scene.app.run(&door, about(&event)).await, "forbidden");
    }

    #[tokio::test]
    async fn what_is_no_longer_sold_counts_as_much_as_was_taken() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 20).await;
        scene
            .run(selling(event.id, "Gone", 4000, 500))
            .await
            .unwrap();
        scene.run(buying(event.id, "Gone", 3)).await.unwrap();
        let endless = crate::ticket_types::SaveTicketType {
            quantity: None,
            unlimited: true,
            ..selling(event.id, "Endless", 100, 1)
        };
        scene.run(endless).await.unwrap();
        for name in ["Gone", "Endless"] {
            let archive = crate::ticket_types::ArchiveTicketType {
                event: event.id.into(),
                ticket_type: name.parse().unwrap(),
            };
            scene.run(archive).await.unwrap();
        }
        let totals = scene.run(about(&event)).await.unwrap().totals;
        assert_eq!(totals.capacity, Some(23));
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_payment_is_on_its_day_in_every_report() {
        let scene = Scene::new().await;
        let abroad = crate::lifecycle::UpdateEvent {
            zone: Some("America/New_York".parse().unwrap()),
            ..crate::lifecycle::UpdateEvent::of("spring-gala".parse().unwrap())
        };
        let (event, _) = scene.on_sale(2500, 20).await;
        let order = scene.order(event.id, 1).await;
        let pay = ConfirmPayment {
            received_on: Some("2027-01-09".parse().unwrap()),
            ..ConfirmPayment::of(order.order.id.into())
        };
        scene.run(pay).await.unwrap();
        scene.run(abroad).await.unwrap();
        for event in [Some(event.id.into()), None] {
            let command = GetSalesReport {
                event,
                by: Some(vec![Breakdown::Day]),
                ..GetSalesReport::default()
            };
            let days = scene.run(command).await.unwrap().by_day.unwrap();
            assert_eq!(days[0].date.to_string(), "2027-01-09");
            assert_eq!(days[0].gross[0].amount, 2500);
        }
    }

    /// Places, pays, cancels and gives away at random for ten days.
    async fn anything(scene: &Scene) -> Event {
        let (event, _) = scene.on_sale(2500, 60).await;
        scene
            .run(selling(event.id, "Balcony", 4000, 60))
            .await
            .unwrap();
        let mut random = 20_270_111_u64;
        let mut pick = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let mut orders: Vec<OrderDetail> = Vec::new();
        for step in 0..80 {
            let cx = scene.at(&format!(
                "2027-01-{:02}T{:02}:00:00Z",
                12 + step / 8,
                3 * (step % 8)
            ));
            let any = (!orders.is_empty()).then(|| pick(orders.len() as u64));
            let any = any.and_then(|i| orders.get(usize::try_from(i).unwrap()));
            match (pick(6), any) {
                (0 | 1, Some(order)) => {
                    let pay = ConfirmPayment::of(order.order.id.into());
                    let _already_cancelled = scene.app.run(&cx, pay).await;
                }
                (2, Some(order)) => {
                    let choice = RefundChoice::ALL[usize::try_from(pick(2)).unwrap()];
                    scene.app.run(&cx, cancelling(order, choice)).await.unwrap();
                }
                (3, _) => {
                    let guest = giving(event.id, &format!("Guest {step}"));
                    scene.app.run(&cx, guest).await.unwrap();
                }
                _ => {
                    let name = ["Regular", "Balcony"][usize::try_from(pick(2)).unwrap()];
                    let quantity = 1 + i32::try_from(pick(3)).unwrap();
                    let placed = scene.app.run(&cx, buying(event.id, name, quantity)).await;
                    orders.push(placed.unwrap().order);
                }
            }
        }
        event
    }

    #[tokio::test]
    async fn agrees_with_the_orders_after_anything_happened() {
        let scene = Scene::new().await;
        let event = anything(&scene).await;
        scene.reconcile().await;
        let command = GetSalesReport {
            by: Some(vec![Breakdown::Day, Breakdown::Type]),
            ..about(&event)
        };
        let report = scene.run(command).await.unwrap();
        let listed = all_orders(&scene, &event).await;
        let of = |status| listed.iter().filter(move |o| o.status == status);
        let totals = &report.totals;
        let count = |status| i64::try_from(of(status).count()).unwrap();
        assert_eq!(totals.orders_paid, count(OrderStatus::Paid));
        assert_eq!(totals.orders_pending, count(OrderStatus::Pending));
        assert_eq!(totals.orders_cancelled, count(OrderStatus::Cancelled));
        assert!(
            totals.orders_paid > 5 && totals.orders_cancelled > 5,
            "{totals:?}"
        );
        let tickets: i32 = of(OrderStatus::Paid).map(|o| o.ticket_count).sum();
        assert_eq!(totals.tickets_sold, i64::from(tickets));
        let pending: i64 = of(OrderStatus::Pending).map(|o| o.total.amount).sum();
        assert_eq!(totals.money[0].pending.amount, pending);
        let paid: i64 = of(OrderStatus::Paid).map(|o| o.total.amount).sum();
        let by_type = report.by_type.as_ref().unwrap();
        assert_eq!(by_type.iter().map(|t| t.revenue.amount).sum::<i64>(), paid);
        assert_eq!(
            by_type.iter().map(|t| t.sold).sum::<i64>(),
            totals.tickets_sold
        );
        let days = report.by_day.as_ref().unwrap();
        assert_eq!(
            days.iter().map(|d| d.orders_paid).sum::<i64>(),
            totals.orders_paid
        );
        assert_eq!(
            days.iter().map(|d| d.tickets).sum::<i64>(),
            totals.tickets_sold
        );
        let gross: i64 = days.iter().map(|d| d.gross[0].amount).sum();
        let refunded: i64 = days.iter().map(|d| d.refunded[0].amount).sum();
        assert_eq!(totals.money[0].gross.amount, gross);
        assert_eq!(totals.money[0].refunded.amount, refunded);
        assert!(totals.money[0].net.amount >= paid);
    }

    async fn all_orders(scene: &Scene, event: &Event) -> Vec<Order> {
        let list = ListOrders {
            event: Some(event.id.into()),
            page: domain::PageRequest {
                cursor: None,
                limit: Some(200),
            },
            ..ListOrders::default()
        };
        scene.run(list).await.unwrap().items
    }
}
