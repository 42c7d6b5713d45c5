//! `get_sales_report`: how a sale is going.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Currency, Cx, EventId, Fault, FaultKind, FaultSpec, LocalDate, Money, Permission, Reference,
    Zone, fault::Candidate,
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
            let rows = sql::by_day(tx.conn(), &zone, span).await?;
            let today = LocalDate::from(cx.now.in_zone(&zone));
            Some(days(
                rows,
                (self.from, self.to),
                today,
                currencies,
                &mut notes,
            ))
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

/// Every day of a range, those without sales too: from the first day asked for or sold on, to the last or today.
fn days(
    rows: Vec<DayRow>,
    (from, to): (Option<LocalDate>, Option<LocalDate>),
    today: LocalDate,
    mut currencies: BTreeSet<Currency>,
    notes: &mut Vec<String>,
) -> Vec<DaySales> {
    let sold_on = (
        rows.iter().map(|row| row.date).min(),
        rows.iter().map(|row| row.date).max(),
    );
    let last = to.unwrap_or_else(|| sold_on.1.map_or(today, |day| day.max(today)));
    let first = from.or(sold_on.0).unwrap_or(last).min(last);
    let count = first.days_until(last).saturating_add(1);
    let shown = count.min(DAYS_LISTED);
    if shown < count {
        notes.push(format!(
            "The last {shown} of {count} days are listed; the sums cover all of them."
        ));
    }
    currencies.extend(rows.iter().map(|row| row.currency));
    let mut by_date: BTreeMap<LocalDate, Vec<DayRow>> = BTreeMap::new();
    for row in rows {
        by_date.entry(row.date).or_default().push(row);
    }
    let day = |back: i32| {
        let date = last.plus_days(1 - back);
        let rows = by_date.get(&date).map_or(&[][..], Vec::as_slice);
        let money = |amount: fn(&DayRow) -> i64| {
            let in_currency = |currency: &Currency| {
                let row = rows.iter().find(|row| row.currency == *currency);
                Money::new(row.map_or(0, amount), *currency)
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
    (1..=shown).rev().map(day).collect()
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

    fn spec(&self) -> FaultSpec {
        match self {
            Self::RangeReversed { .. } => RANGE_REVERSED,
            Self::Lookup(error) => error.spec(),
            Self::Store(error) => error.spec(),
        }
    }

    fn field(&self) -> Option<String> {
        match self {
            Self::RangeReversed { .. } => Some("to".to_owned()),
            Self::Lookup(error) => error.field(),
            Self::Store(_) => None,
        }
    }

    fn candidates(&self) -> Vec<Candidate> {
        if let Self::Lookup(error) = self {
            error.candidates()
        } else {
            Vec::new()
        }
    }
}

impl From<sqlx::Error> for GetSalesReportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
