//! What `get_event` and `list_orders` ask the database, as text: asked here without EventOS, and handed to the
//! Python server, so that all contestants ask the same. Copied from the operations, without their type hints; a
//! statement that an operation repeats stands here once.

use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use domain::{EventId, Timestamp};
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

/// `events::sql::find`
const FIND: &str = "select id, title, starts_local, slug = lower($1) as by_slug, \
       slug = lower($1) or search_form(title) = search_form($1) as exact \
     from event \
     where slug = lower($1) or search_text % search_form($1) or search_text like '%' || search_form($1) || '%' \
     order by (slug = lower($1)) desc, (search_form(title) = search_form($1)) desc, \
       word_similarity(search_form($1), search_text) desc, starts_at desc \
     limit 5";

/// `events::sql::get`
const EVENT: &str = "select event.id, event.slug, event.title, event.summary, event.description, \
       event.status, event.format, event.venue_id, venue.name as venue_name, venue.city as venue_city, \
       venue.capacity as venue_capacity, event.online_url, event.starts_local, event.ends_local, event.zone, \
       event.starts_at, event.ends_at, event.currency, event.series_id, event.source_id, event.version, \
       event.published_at, event.cancelled_at, event.cancellation_reason \
     from event left join venue on venue.id = event.venue_id where event.id = $1";

/// `ticket_types::sql::offers`
const OFFERS: &str = "select t.id, t.event_id, t.name, t.description, t.price_amount, t.price_currency, t.position, \
       t.visibility, t.sales_start_local, t.sales_end_local, t.sales_start_at, t.sales_end_at, \
       t.min_per_order, t.max_per_order, t.version, t.pool_id, p.name as pool_name, p.capacity, \
       p.held_count, p.sold_count, p.blocked_count, t.archived_at is not null as is_archived \
     from ticket_type t join capacity_pool p on p.id = t.pool_id \
     where t.event_id = $1 and (t.archived_at is null or t.id = $2) \
     order by t.position, t.id";

/// `ticket_types::sql::taken`
const TAKEN: &str = "select t.id, coalesce(pending.held, 0) as held, coalesce(issued.sold, 0) as sold \
     from ticket_type t \
     left join (select i.ticket_type_id, sum(i.quantity)::integer as held \
                from orders o join order_item i on i.order_id = o.id \
                where o.event_id = $1 and o.status = 'pending' group by 1) pending on pending.ticket_type_id = t.id \
     left join (select ticket_type_id, count(*)::integer as sold \
                from ticket where event_id = $1 and status = 'valid' group by 1) issued on issued.ticket_type_id = t.id \
     where t.event_id = $1";

/// `reports::sql::by_event`
const TOTALS: &str = "select event.id, event.title, event.starts_local, event.zone, event.status, \
       event.ends_at, event.currency, o.paid as orders_paid, o.pending as orders_pending, \
       o.cancelled as orders_cancelled, o.expired as orders_expired, o.pending_amount, \
       p.amount as gross_amount, r.amount as refunded_amount, t.sold as tickets_sold, t.comps as comp_count, c.capacity \
     from event \
       cross join lateral ( \
         select count(*) filter (where status = 'paid' and paid_at >= $2 and paid_at < $3) as paid, \
           count(*) filter (where status = 'pending' and placed_at >= $2 and placed_at < $3) as pending, \
           count(*) filter (where status = 'cancelled' and cancelled_at >= $2 and cancelled_at < $3) as cancelled, \
           count(*) filter (where status = 'expired' and placed_at >= $2 and placed_at < $3) as expired, \
           coalesce(sum(total_amount - paid_amount) \
             filter (where status = 'pending' and placed_at >= $2 and placed_at < $3), 0)::bigint as pending_amount \
         from orders where orders.event_id = event.id) o \
       cross join lateral ( \
         select coalesce(sum(payment.amount), 0)::bigint as amount \
         from payment join orders on orders.id = payment.order_id \
         where orders.event_id = event.id and payment.received_at >= $2 and payment.received_at < $3) p \
       cross join lateral ( \
         select coalesce(sum(refund.amount), 0)::bigint as amount \
         from refund join orders on orders.id = refund.order_id \
         where orders.event_id = event.id and refund.created_at >= $2 and refund.created_at < $3) r \
       cross join lateral ( \
         select count(*) as sold, count(*) filter (where order_item.unit_amount = 0) as comps \
         from ticket join order_item on order_item.id = ticket.order_item_id \
         where ticket.event_id = event.id and ticket.status = 'valid' and ticket.issued_at >= $2 and ticket.issued_at < $3) t \
       cross join lateral ( \
         select case when bool_and(capacity is not null) then sum(capacity) end as capacity \
         from capacity_pool where capacity_pool.event_id = event.id) c \
     where case when $1::uuid is null \
         then event.status <> 'draft' or exists (select from orders where orders.event_id = event.id) \
         else event.id = $1 end \
     order by event.starts_at desc, event.id desc";

/// `orders::sql::list`
const ORDERS: &str = "select orders.id, orders.number, orders.status, orders.event_id, event.title as event_title, \
       orders.buyer_name, orders.buyer_email, orders.currency, orders.total_amount, orders.paid_amount, \
       orders.refunded_amount, orders.ticket_count, orders.note, orders.placed_at, orders.paid_at, \
       orders.cancelled_at, orders.cancellation_reason \
     from orders join event on event.id = orders.event_id \
     where ($1::text is null or orders.number = $2 \
            or $2 is null and (orders.search_text like '%' || search_form($1) || '%' \
                               or word_similarity(search_form($1), orders.search_text) > 0.5)) \
       and ($3::uuid is null or orders.event_id = $3) \
       and ($4::text is null or orders.status = $4) \
       and ($5::timestamptz is null or orders.placed_at <= $5) \
       and ($6::timestamptz is null or (orders.placed_at, orders.id) < ($6, $7)) \
     order by orders.placed_at desc, orders.id desc limit $8";

/// The event that is asked for, and how many orders.
pub(crate) const EVENT_SLUG: &str = "advent-concert";
pub(crate) const ORDER_COUNT: i64 = 50;

/// The two tools under measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    GetEvent,
    ListOrders,
}

/// The database, asked without anything between.
#[derive(Clone)]
pub(crate) struct Direct {
    pool: PgPool,
    opening: String,
}

impl Direct {
    pub(crate) async fn connect(url: &str, connections: u32) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("bench");
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let organization =
            sqlx::query_scalar("select id::text from organization where slug = 'demo'");
        let organization: String = organization
            .fetch_optional(&pool)
            .await?
            .context("the demonstration is not loaded")?;
        let opening = format!(
            "begin read only; select set_config('role', 'eventos_app', true), \
             set_config('eventos.organization', '{organization}', true)"
        );
        Ok(Self { pool, opening })
    }

    /// What the Python server needs to ask the same.
    pub(crate) fn for_python(&self, url: &str) -> Value {
        json!({
            "url": url, "opening": self.opening, "find": FIND, "event": EVENT, "offers": OFFERS,
            "taken": TAKEN, "totals": TOTALS, "orders": ORDERS,
        })
    }

    /// Asks what a tool asks; the rows are fetched and dropped.
    pub(crate) async fn ask(&self, tool: Tool) -> Result<()> {
        let rows = match tool {
            Tool::GetEvent => self.event().await?,
            Tool::ListOrders => self.orders().await?,
        };
        anyhow::ensure!(!rows.is_empty(), "no rows");
        Ok(())
    }

    async fn event(&self) -> Result<Vec<PgRow>> {
        let mut tx = self
            .pool
            .begin_with(AssertSqlSafe(self.opening.clone()))
            .await?;
        let found = sqlx::query(FIND)
            .bind(EVENT_SLUG)
            .fetch_all(&mut *tx)
            .await?;
        let id: EventId = found.first().context("no such event")?.try_get("id")?;
        sqlx::query(EVENT).bind(id).fetch_one(&mut *tx).await?;
        let offers = sqlx::query(OFFERS).bind(id).bind(None::<EventId>);
        let offers = offers.fetch_all(&mut *tx).await?;
        sqlx::query(TAKEN).bind(id).fetch_all(&mut *tx).await?;
        let totals = sqlx::query(TOTALS)
            .bind(id)
            .bind(Timestamp::from_microseconds(0))
            .bind(Timestamp::from_microseconds(i64::MAX));
        totals.fetch_one(&mut *tx).await?;
        Ok(offers)
    }

    async fn orders(&self) -> Result<Vec<PgRow>> {
        let mut tx = self
            .pool
            .begin_with(AssertSqlSafe(self.opening.clone()))
            .await?;
        let orders = sqlx::query(ORDERS)
            .bind(None::<&str>)
            .bind(None::<&str>)
            .bind(None::<EventId>)
            .bind(None::<&str>)
            .bind(None::<Timestamp>)
            .bind(None::<Timestamp>)
            .bind(None::<EventId>)
            .bind(ORDER_COUNT + 1);
        Ok(orders.fetch_all(&mut *tx).await?)
    }

    /// The number of the last order on the page: text that every right answer to `list_orders` has.
    pub(crate) async fn last_order(&self) -> Result<String> {
        let rows = self.orders().await?;
        let last = usize::try_from(ORDER_COUNT - 1)?;
        let row = rows.get(last).context("fewer orders than a page")?;
        Ok(row.try_get("number")?)
    }

    /// The server's version.
    pub(crate) async fn version(&self) -> Result<String> {
        let version = sqlx::query_scalar("select current_setting('server_version')");
        Ok(version.fetch_one(&self.pool).await?)
    }
}
