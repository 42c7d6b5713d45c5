//! What `get_event` and `list_orders` ask the database, as text: asked here without EventOS, and handed to the
//! Python server, so that all contestants ask the same. Copied from the operations, without their type hints.

use std::str::FromStr as _;

use anyhow::{Context as _, Result};
use domain::{EventId, Timestamp};
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
};

/// `events::sql::resolve`, of a slug
const EVENT: &str = "select event.id, event.slug, event.title, event.summary, event.description, \
       event.status as status, event.format, event.venue_id, venue.name as venue_name, venue.city as venue_city, \
       venue.capacity as venue_capacity, event.online_url, event.starts_local, event.ends_local, event.zone, \
       event.starts_at, event.ends_at, event.currency, event.series_id, event.source_id, event.version, \
       event.published_at, event.cancelled_at, event.cancellation_reason, event.has_waiting_room \
     from event left join venue on venue.id = event.venue_id where event.slug = lower($1)";

/// `ticket_types::sql::offers`
const OFFERS: &str = "select t.id, t.event_id, t.name as name, t.description, t.price_amount, t.price_currency as \
     price_currency, t.position, t.visibility as visibility, t.sales_start_local, t.sales_end_local, \
     t.sales_start_at, t.sales_end_at, t.min_per_order, t.max_per_order, t.version, t.pool_id, p.capacity, \
     p.held_count, p.sold_count, p.blocked_count, p.stopped_at is not null as is_stopped, t.follows_id as follows, t.archived_at is \
     not null as is_archived, t.tax_rule_id, r.name as tax_name, r.code as tax_code, r.rate as tax_rate, \
     array(select m.pool_id from ticket_type_pool m where m.ticket_type_id = t.id order by m.pool_id) as shared, \
     coalesce((select sum(w.quantity) from waitlist_entry w where w.ticket_type_id = t.id and w.status = 'waiting'), 0)::integer \
     as waited_for, exists (select from ticket_type_section s where s.ticket_type_id = t.id) as is_seated, t.per_ticket, t.most_amount, t.max_per_buyer, \
     array(select a.base_id from add_on a where a.ticket_type_id = t.id order by a.base_id) as bases from \
     ticket_type t join capacity_pool p on p.id = t.pool_id left join tax_rule r on r.id = t.tax_rule_id where t.event_id = $1 \
     and (t.archived_at is null or t.id = $2) order by t.position, t.id";

/// `reports::sql::totals_of`
const TOTALS: &str = "select o.paid as paid, o.pending as pending, o.cancelled as cancelled, o.expired as expired, \
     o.pending_amount as pending_amount, o.gross as gross, o.refunded as refunded, p.sold as sold, f.comps as \
     comps, event_capacity($1) as capacity from (select count(*) filter (where status = 'paid') as paid, \
     count(*) filter (where status = 'pending') as pending, count(*) filter (where status = 'cancelled') as \
     cancelled, count(*) filter (where status = 'expired') as expired, coalesce(sum(total_amount - \
     paid_amount + refunded_amount) filter (where status = 'pending'), 0)::bigint as pending_amount, coalesce(sum(paid_amount), \
     0)::bigint as gross, coalesce(sum(refunded_amount), 0)::bigint as refunded from orders where event_id = \
     $1) o, (select coalesce(sum(sold_count), 0)::bigint as sold from capacity_pool where event_id = $1 and \
     name is null) p, (select count(*) as comps from order_item i join ticket t on t.order_id = i.order_id and \
     t.order_item_id = i.id where i.event_id = $1 and i.unit_amount = 0 and t.status = 'valid') f";

/// `orders::sql::list`
const ORDERS: &str = "select orders.id, orders.number, orders.status, orders.event_id, event.title as event_title, \
       orders.buyer_name, orders.buyer_email, orders.currency, orders.total_amount, orders.paid_amount, \
       orders.refunded_amount, orders.ticket_count, orders.note, orders.placed_at, orders.pay_by, \
       orders.paid_at, orders.cancelled_at, orders.cancellation_reason, orders.promo_code_id, \
       (select code from promo_code where id = orders.promo_code_id) as promo_code, orders.discount_amount \
     from orders join event on event.id = orders.event_id \
     where ($1::text is null or orders.number = $2 \
            or $9 and (orders.search_text like '%' || search_form($1) || '%' \
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
            "url": url, "opening": self.opening, "event": EVENT, "offers": OFFERS, "totals": TOTALS,
            "orders": ORDERS,
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
        let event = sqlx::query(EVENT).bind(EVENT_SLUG).fetch_one(&mut *tx);
        let id: EventId = event.await?.try_get("id")?;
        let offers = sqlx::query(OFFERS).bind(id).bind(None::<EventId>);
        let offers = offers.fetch_all(&mut *tx).await?;
        sqlx::query(TOTALS).bind(id).fetch_one(&mut *tx).await?;
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
            .bind(ORDER_COUNT + 1)
            .bind(true);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A statement without its type hints (`as "name: Type"`, `as "name!"`) and without its layout.
    fn bare(statement: &str) -> String {
        let mut bare = String::new();
        let pieces = statement.split('"').enumerate();
        for (index, piece) in pieces {
            let hint = index % 2 == 1;
            let end = if hint {
                piece.find([':', '!', '?'])
            } else {
                None
            };
            bare.push_str(&piece[..end.unwrap_or(piece.len())]);
        }
        let words: Vec<&str> = bare.split_whitespace().collect();
        words.join(" ")
    }

    #[test]
    fn asks_what_the_operations_ask() {
        let known = crate::root().join("operations/.sqlx");
        let mut operations = Vec::new();
        for file in std::fs::read_dir(known).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let query: Value = serde_json::from_str(&text).unwrap();
            operations.push(bare(query["query"].as_str().unwrap()));
        }
        for copy in [EVENT, OFFERS, TOTALS, ORDERS] {
            let copy = bare(copy);
            assert!(operations.contains(&copy), "no operation asks: {copy}");
        }
    }
}
