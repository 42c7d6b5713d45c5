//! The figures, counted where they are kept.

use domain::{
    Currency, Cx, EventId, LocalTime, Money, PageRequest, SurveyResponseId, TaxRate, TicketId,
    Timestamp, Untrusted, Zone,
};
use sqlx::PgConnection;

use super::{
    get_settlement::{MethodSums, Sums, TicketsSettlement},
    model::{CurrencyTotals, EventSales, SalesTotals, TypeSales},
};
use crate::{
    events::{Event, EventStatus, StoredStatus},
    taxes::TaxAmount,
};

/// Which sales are counted: of one event or all, and within which instants. Orders count by when they were paid,
/// placed (pending, expired) or cancelled; tickets by when they were issued; money by when it moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) event_id: Option<EventId>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Span {
    /// All there ever was and will be.
    pub(super) fn ever(event_id: Option<EventId>) -> Self {
        Self {
            event_id,
            from: Timestamp::from_microseconds(0),
            until: Timestamp::from_microseconds(i64::MAX),
        }
    }
}

struct EventRow {
    id: EventId,
    title: String,
    starts_local: LocalTime,
    zone: Zone,
    status: StoredStatus,
    ends_at: Timestamp,
    currency: Currency,
    orders_paid: i64,
    orders_pending: i64,
    orders_cancelled: i64,
    orders_expired: i64,
    pending_amount: i64,
    gross_amount: i64,
    refunded_amount: i64,
    tickets_sold: i64,
    comp_count: i64,
    capacity: Option<i64>,
}

impl EventRow {
    fn seen(self, cx: &Cx) -> EventSales {
        let money = CurrencyTotals::new(
            self.currency,
            self.gross_amount,
            self.refunded_amount,
            self.pending_amount,
        );
        let totals = SalesTotals {
            orders_paid: self.orders_paid,
            orders_pending: self.orders_pending,
            orders_cancelled: self.orders_cancelled,
            orders_expired: self.orders_expired,
            tickets_sold: self.tickets_sold,
            comp_count: self.comp_count,
            money: vec![money],
            ..SalesTotals::default()
        };
        EventSales {
            event_id: self.id,
            title: self.title,
            when: format!("{} ({})", self.starts_local.readable(), self.zone.city()),
            status: EventStatus::of(self.status, self.ends_at, cx.now),
            totals: totals.with_capacity(self.capacity),
        }
    }
}

/// Sales by event, latest start first. Over all events, drafts that never had an order are left out.
pub(super) async fn by_event(
    conn: &mut PgConnection,
    cx: &Cx,
    span: Span,
) -> sqlx::Result<Vec<EventSales>> {
    let rows = sqlx::query_as!(
        EventRow,
        r#"select event.id, event.title, event.starts_local, event.zone, event.status as "status: StoredStatus",
             event.ends_at, event.currency,
             o.paid as "orders_paid!", o.pending as "orders_pending!", o.cancelled as "orders_cancelled!",
             o.expired as "orders_expired!", o.pending_amount as "pending_amount!",
             p.amount as "gross_amount!", r.amount as "refunded_amount!",
             t.sold as "tickets_sold!", t.comps as "comp_count!", event_capacity(event.id) as capacity
           from event
             cross join lateral (
               select count(*) filter (where status = 'paid' and paid_at >= $2 and paid_at < $3) as paid,
                 count(*) filter (where status = 'pending' and placed_at >= $2 and placed_at < $3) as pending,
                 count(*) filter (where status = 'cancelled' and cancelled_at >= $2 and cancelled_at < $3) as cancelled,
                 count(*) filter (where status = 'expired' and placed_at >= $2 and placed_at < $3) as expired,
                 coalesce(sum(total_amount - paid_amount + refunded_amount)
                   filter (where status = 'pending' and placed_at >= $2 and placed_at < $3), 0)::bigint as pending_amount
               from orders where orders.event_id = event.id) o
             cross join lateral (
               select coalesce(sum(payment.amount), 0)::bigint as amount
               from payment join orders on orders.id = payment.order_id
               where orders.event_id = event.id and payment.received_at >= $2 and payment.received_at < $3) p
             cross join lateral (
               select coalesce(sum(refund.amount), 0)::bigint as amount
               from refund join orders on orders.id = refund.order_id
               where orders.event_id = event.id and refund.created_at >= $2 and refund.created_at < $3
                 and refund.status <> 'failed') r
             cross join lateral (
               select count(*) as sold, count(*) filter (where order_item.unit_amount = 0) as comps
               from ticket join order_item on order_item.id = ticket.order_item_id
               where ticket.event_id = event.id and ticket.status = 'valid' and ticket.issued_at >= $2 and ticket.issued_at < $3) t
           where case when $1::uuid is null
               then event.status <> 'draft' or exists (select from orders where orders.event_id = event.id)
               else event.id = $1 end
           order by event.starts_at desc, event.id desc"#,
        span.event_id as _,
        span.from as _,
        span.until as _,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.seen(cx)).collect())
}

/// What was sold of one event, from its beginning until now. The same as [`by_event`] says of it, from what orders
/// and pools keep themselves: no payment and no ticket that was paid for is read.
pub(crate) async fn totals_of(conn: &mut PgConnection, event: &Event) -> sqlx::Result<SalesTotals> {
    let row = sqlx::query!(
        r#"select o.paid as "paid!", o.pending as "pending!", o.cancelled as "cancelled!", o.expired as "expired!",
             o.pending_amount as "pending_amount!", o.gross as "gross!", o.refunded as "refunded!",
             p.sold as "sold!", f.comps as "comps!", event_capacity($1) as capacity
           from
             (select count(*) filter (where status = 'paid') as paid,
                count(*) filter (where status = 'pending') as pending,
                count(*) filter (where status = 'cancelled') as cancelled,
                count(*) filter (where status = 'expired') as expired,
                coalesce(sum(total_amount - paid_amount + refunded_amount) filter (where status = 'pending'), 0)::bigint as pending_amount,
                coalesce(sum(paid_amount), 0)::bigint as gross,
                coalesce(sum(refunded_amount), 0)::bigint as refunded
              from orders where event_id = $1) o,
             (select coalesce(sum(sold_count), 0)::bigint as sold from capacity_pool where event_id = $1 and name is null) p,
             (select count(*) as comps
              from order_item i join ticket t on t.order_id = i.order_id and t.order_item_id = i.id
              where i.event_id = $1 and i.unit_amount = 0 and t.status = 'valid') f"#,
        event.id as _
    )
    .fetch_one(conn)
    .await?;
    let money = CurrencyTotals::new(event.currency, row.gross, row.refunded, row.pending_amount);
    let totals = SalesTotals {
        orders_paid: row.paid,
        orders_pending: row.pending,
        orders_cancelled: row.cancelled,
        orders_expired: row.expired,
        tickets_sold: row.sold,
        comp_count: row.comps,
        money: vec![money],
        ..SalesTotals::default()
    };
    Ok(totals.with_capacity(row.capacity))
}

/// The totals of each event: as orders and pools keep them, and counted. They are the same when all is well.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn both_ways(
    conn: &mut PgConnection,
    cx: &Cx,
) -> Result<Vec<(SalesTotals, SalesTotals)>, crate::lookup::LookupError> {
    let mut both = Vec::new();
    for counted in by_event(conn, cx, Span::ever(None)).await? {
        let event = crate::events::get(conn, cx, counted.event_id).await?;
        both.push((totals_of(conn, &event).await?, counted.totals));
    }
    Ok(both)
}

/// Sales of one event by ticket type, in their order; archived ones while they have tickets.
pub(super) async fn by_type(
    conn: &mut PgConnection,
    event_id: EventId,
    span: Span,
) -> sqlx::Result<Vec<TypeSales>> {
    let rows = sqlx::query!(
        r#"select ticket_type.id, ticket_type.name, ticket_type.price_currency as currency,
             pool.capacity, pool.left,
             count(ticket.id) as "sold!",
             count(ticket.id) filter (where order_item.unit_amount = 0) as "comps!",
             coalesce(sum(order_item.unit_amount) filter (where ticket.id is not null), 0)::bigint as "revenue!"
           from ticket_type
             cross join lateral (
               select min(capacity) as capacity, min(capacity - held_count - sold_count - blocked_count) as left
               from capacity_pool p
               where p.id = ticket_type.pool_id
                 or p.id in (select m.pool_id from ticket_type_pool m where m.ticket_type_id = ticket_type.id)) pool
             left join ticket on ticket.ticket_type_id = ticket_type.id and ticket.event_id = $1
               and ticket.status = 'valid' and ticket.issued_at >= $2 and ticket.issued_at < $3
             left join order_item on order_item.id = ticket.order_item_id
           where ticket_type.event_id = $1
           group by ticket_type.id, pool.capacity, pool.left
           having ticket_type.archived_at is null or count(ticket.id) > 0
           order by ticket_type.position, ticket_type.id"#,
        event_id as _,
        span.from as _,
        span.until as _,
    )
    .fetch_all(conn)
    .await?;
    let rows = rows.into_iter().map(|row| TypeSales {
        ticket_type_id: row.id,
        name: row.name,
        sold: row.sold,
        comp_count: row.comps,
        capacity: row.capacity,
        left: row.left.map(|left| left.max(0)),
        revenue: Money::new(row.revenue, row.currency),
    });
    Ok(rows.collect())
}

/// Whatever a day counts, one row each: `event_id`, `currency`, `at`, and what it adds; `$1` is the event.
macro_rules! select_moved {
    ($row:ident, $columns:literal, $rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $row,
            "select " + $columns + r#"
             from (
               select event_id, currency, paid_at as at, 1 as paid, 0 as tickets, 0 as gross, 0 as refunded
                 from orders where status = 'paid'
               union all
               select ticket.event_id, order_item.currency, ticket.issued_at, 0, 1, 0, 0
                 from ticket join order_item on order_item.id = ticket.order_item_id where ticket.status = 'valid'
               union all
               select orders.event_id, payment.currency, payment.received_at, 0, 0, payment.amount, 0
                 from payment join orders on orders.id = payment.order_id
               union all
               select orders.event_id, refund.currency, refund.created_at, 0, 0, 0, refund.amount
                 from refund join orders on orders.id = refund.order_id where refund.status <> 'failed'
             ) moved
             where ($1::uuid is null or event_id = $1) and at >= $2 and at < $3 "# + $rest
            $(, $argument)*
        )
    };
}

/// When something was first and last sold, paid or given back.
pub(super) struct Extent {
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

/// When within a span something was first and last sold, paid or given back.
pub(super) async fn extent(conn: &mut PgConnection, span: Span) -> sqlx::Result<Extent> {
    select_moved!(
        Extent,
        "min(at) as first, max(at) as last",
        "",
        span.event_id as _,
        span.from as _,
        span.until as _,
    )
    .fetch_one(conn)
    .await
}

/// What happened on one day in one currency.
pub(super) struct DayRow {
    /// Which of the days, from 1.
    pub(super) day: i32,
    pub(super) currency: Currency,
    pub(super) orders_paid: i64,
    pub(super) tickets: i64,
    pub(super) gross: i64,
    pub(super) refunded: i64,
}

/// Sales by day; those without any are left out. `starts` says when each day begins: which zone's clock they follow
/// is the caller's business, because the database has a zone table of its own.
pub(super) async fn by_day(
    conn: &mut PgConnection,
    span: Span,
    starts: &[Timestamp],
) -> sqlx::Result<Vec<DayRow>> {
    select_moved!(
        DayRow,
        r#"width_bucket(at, $4::timestamptz[]) as "day!", currency as "currency!: Currency",
           sum(paid)::bigint as "orders_paid!", sum(tickets)::bigint as "tickets!",
           sum(gross)::bigint as "gross!", sum(refunded)::bigint as "refunded!""#,
        "group by 1, 2 order by 1, 2",
        span.event_id as _,
        span.from as _,
        span.until as _,
        starts as _,
    )
    .fetch_all(conn)
    .await
}

/// Valid tickets issued since an instant, and how many of them since a later one.
pub(super) async fn issued_since(
    conn: &mut PgConnection,
    event_id: Option<EventId>,
    since: Timestamp,
    later: Timestamp,
) -> sqlx::Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select count(*) as "all!", count(*) filter (where issued_at > $3) as "recent!"
           from ticket where status = 'valid' and issued_at > $2 and ($1::uuid is null or event_id = $1)"#,
        event_id as _,
        since as _,
        later as _,
    )
    .fetch_one(conn)
    .await?;
    Ok((row.all, row.recent))
}

/// How many people were asked by mail what they thought of an event.
pub(super) async fn survey_mails(conn: &mut PgConnection, event_id: EventId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from message
           where event_id = $1 and template = 'thank_you_survey' and ticket_id is not null and status = 'sent'"#,
        event_id as _
    )
    .fetch_one(conn)
    .await
}

/// How many gave each score, from 0 to 10.
pub(super) async fn survey_scores(
    conn: &mut PgConnection,
    event_id: EventId,
) -> sqlx::Result<[i64; 11]> {
    let rows = sqlx::query!(
        r#"select score, count(*) as "count!" from survey_response where event_id = $1 group by score"#,
        event_id as _
    )
    .fetch_all(conn)
    .await?;
    let mut counts = [0; 11];
    for row in rows {
        let score = usize::try_from(row.score).ok();
        if let Some(count) = score.and_then(|score| counts.get_mut(score)) {
            *count = row.count;
        }
    }
    Ok(counts)
}

/// What one person wrote in a survey.
pub(super) struct CommentRow {
    pub(super) id: SurveyResponseId,
    pub(super) ticket_id: TicketId,
    pub(super) score: i16,
    pub(super) comment: Untrusted,
    pub(super) name: Untrusted,
    pub(super) updated_at: Timestamp,
}

/// What people wrote in the survey about an event, newest first.
pub(super) async fn survey_comments(
    conn: &mut PgConnection,
    event_id: EventId,
    page: PageRequest,
) -> sqlx::Result<Vec<CommentRow>> {
    let (key, id) = page.after();
    let key = key.map(Timestamp::from_microseconds);
    sqlx::query_as!(
        CommentRow,
        r#"select survey_response.id, survey_response.ticket_id, survey_response.score,
             survey_response.comment as "comment!: Untrusted",
             coalesce(ticket.attendee_name, orders.buyer_name) as "name!: Untrusted", survey_response.updated_at
           from survey_response
             join ticket on ticket.id = survey_response.ticket_id
             join orders on orders.id = ticket.order_id
           where survey_response.event_id = $1 and survey_response.comment is not null
             and ($2::timestamptz is null or (survey_response.updated_at, survey_response.id) < ($2, $3))
           order by survey_response.updated_at desc, survey_response.id desc limit $4"#,
        event_id as _,
        key as _,
        id,
        page.fetch(),
    )
    .fetch_all(conn)
    .await
}

/// What the ledger of an event adds up to, order by order, up to an instant.
pub(super) async fn settled(
    conn: &mut PgConnection,
    event_id: EventId,
    until: Timestamp,
) -> sqlx::Result<Sums> {
    sqlx::query_as!(
        Sums,
        r#"select coalesce(sum(sales), 0)::bigint as "sold!",
             coalesce(sum(greatest(sales - paid, 0)), 0)::bigint as "not_paid!",
             coalesce(sum(greatest(least(sales, paid) - (paid - back), 0)), 0)::bigint as "reduced!",
             coalesce(sum(greatest(paid - back - sales, 0)), 0)::bigint as "retained!",
             coalesce(sum(paid), 0)::bigint as "received!", coalesce(sum(back), 0)::bigint as "given_back!"
           from (select coalesce(sum(amount) filter (where account = 'sales'), 0) as sales,
                   coalesce(sum(amount) filter (where account = 'payments'), 0) as paid,
                   -coalesce(sum(amount) filter (where account = 'refunds'), 0) as back
                 from ledger_entry where event_id = $1 and at <= $2 group by order_id) as per_order"#,
        event_id as _,
        until as _,
    )
    .fetch_one(conn)
    .await
}

/// What moved in which way, up to an instant.
pub(super) async fn settled_by_method(
    conn: &mut PgConnection,
    event_id: EventId,
    until: Timestamp,
) -> sqlx::Result<Vec<MethodSums>> {
    sqlx::query_as!(
        MethodSums,
        r#"select method as "method!", coalesce(sum(amount) filter (where account = 'payments'), 0)::bigint as "received!",
             -coalesce(sum(amount) filter (where account = 'refunds'), 0)::bigint as "given_back!"
           from ledger_entry where event_id = $1 and at <= $2 and method is not null
           group by method order by method"#,
        event_id as _,
        until as _,
    )
    .fetch_all(conn)
    .await
}

/// Valid tickets by type, up to an instant.
pub(super) async fn settled_tickets(
    conn: &mut PgConnection,
    event_id: EventId,
    until: Timestamp,
) -> sqlx::Result<Vec<TicketsSettlement>> {
    sqlx::query_as!(
        TicketsSettlement,
        r#"select t.id as ticket_type_id, t.name, sum(quantity)::bigint as "valid!"
           from ledger_entry l join ticket_type t on t.id = l.ticket_type_id
           where l.event_id = $1 and l.at <= $2 and l.account = 'tickets'
           group by t.id, t.name having sum(quantity) <> 0 order by t.name"#,
        event_id as _,
        until as _,
    )
    .fetch_all(conn)
    .await
}

/// What the orders of an event that stand at an instant cost, by rate of tax, and what of that are fees.
pub(super) async fn settled_taxes(
    conn: &mut PgConnection,
    event: &Event,
    until: Timestamp,
) -> sqlx::Result<(Vec<TaxAmount>, i64)> {
    let rows = sqlx::query!(
        r#"with standing as (
             select order_id from ledger_entry where event_id = $1 and at <= $2 and account = 'sales'
             group by order_id having sum(quantity) > 0)
           select tax_name, tax_code, tax_rate as "tax_rate!", sum(net_amount)::bigint as "net!",
             sum(tax_amount)::bigint as "tax!", sum(gross_amount)::bigint as "gross!",
             coalesce(sum(gross_amount) filter (where is_fee), 0)::bigint as "fees!"
           from (select order_id, tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount, false as is_fee
                 from order_item where event_id = $1
                 union all
                 select order_id, tax_name, tax_code, tax_rate, net_amount, tax_amount, gross_amount, true
                 from order_fee where event_id = $1) as charged
             join standing using (order_id)
           group by tax_name, tax_code, tax_rate having sum(gross_amount) > 0 order by tax_rate, tax_name"#,
        event.id as _,
        until as _,
    )
    .fetch_all(conn)
    .await?;
    let fees = rows.iter().map(|row| row.fees).sum();
    let money = |amount| Money::new(amount, event.currency);
    let rates = rows.into_iter().map(|row| TaxAmount {
        name: row.tax_name,
        code: row.tax_code,
        rate: TaxRate::from_thousandths(row.tax_rate),
        net: money(row.net),
        tax: money(row.tax),
        gross: money(row.gross),
    });
    Ok((rates.collect(), fees))
}
