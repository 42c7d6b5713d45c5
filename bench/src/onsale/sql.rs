//! What PostgreSQL can do at best: the rows of one order, written by one function call in one transaction; and a control
//! that does what others do: lock the event, count what is sold, and sell one more.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sqlx::{PgPool, postgres::PgPoolOptions};
use tokio::task::JoinSet;
use uuid::Uuid;

/// Connections that write at the same time.
const WRITERS: u32 = 16;

const FUNCTIONS: &str = r"
create schema if not exists bench;
create sequence if not exists bench.number;
create or replace function bench.number() returns text language sql as
  $$ select translate(upper(lpad(to_hex(nextval('bench.number')), 7, '0')), '01', 'GH') $$;
create or replace function bench.rows(org uuid, event uuid, type uuid, held boolean) returns void language plpgsql as $$
declare hold_id uuid := gen_random_uuid(); the_order uuid := gen_random_uuid(); item uuid := gen_random_uuid(); request uuid := gen_random_uuid();
begin
  loop
    insert into orders (organization_id, id, event_id, number, status, buyer_name, buyer_email, currency, total_amount, ticket_count, placed_at, paid_at, updated_at)
      values (org, the_order, event, bench.number(), 'paid', 'Ada Lovelace', 'ada@example.org', 'EUR', 0, 1, now(), now(), now())
      on conflict on constraint orders_number_key do nothing;
    -- An order of the program may have the number.
    exit when found;
  end loop;
  insert into order_item (organization_id, id, order_id, event_id, ticket_type_id, name, quantity, unit_amount, listed_amount, currency, attendees, tax_rate, net_amount, tax_amount, gross_amount)
    values (org, item, the_order, event, type, 'Regular', 1, 0, 0, 'EUR', '[]', 0, 0, 0, 0);
  insert into ticket (organization_id, order_id, event_id, id, order_item_id, ticket_type_id, code, status, issued_at)
    values (org, the_order, event, gen_random_uuid(), item, type, translate(substr(upper(md5(random()::text)), 1, 20), '01', 'GH'), 'valid', now());
  insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, actor, operation, request_id)
    select org, gen_random_uuid(), now(), kind, 'order', the_order, 'An order for Spring Gala: 1 ticket, free',
      jsonb_build_object('order_id', the_order, 'event_id', event, 'ticket_count', 1), '{}', 'place_order', request
    from unnest(case when held then array['hold.placed', 'order.placed', 'order.paid'] else array['order.placed', 'order.paid'] end) as kind;
  if held then
    insert into hold (organization_id, id, event_id, status, currency, total_amount, ticket_count, expires_at, order_id, created_at, ended_at)
      values (org, hold_id, event, 'ordered', 'EUR', 0, 1, now() + interval '15 minutes', the_order, now(), now());
    insert into hold_item (organization_id, id, hold_id, ticket_type_id, name, quantity, unit_amount, listed_amount, tax_rate, net_amount, tax_amount, gross_amount)
      values (org, gen_random_uuid(), hold_id, type, 'Regular', 1, 0, 0, 0, 0, 0, 0);
  end if;
end $$;
-- Very many at once, over the last three years.
create or replace function bench.fill(org uuid, event uuid, type uuid, many integer) returns void language plpgsql as $$
begin
  create temporary table new_order on commit drop as
    select gen_random_uuid() as id, gen_random_uuid() as item, now() - random() * interval '3 years' as at, bench.number() as number
    from generate_series(1, many);
  -- An order of the program may have one of the numbers.
  update new_order set number = bench.number() where exists (select from orders o where o.number = new_order.number);
  insert into orders (organization_id, id, event_id, number, status, buyer_name, buyer_email, currency, total_amount, ticket_count, placed_at, paid_at, updated_at)
    select org, id, event, number, 'paid', 'Ada Lovelace', 'ada@example.org', 'EUR', 0, 1, at, at, at from new_order;
  insert into order_item (organization_id, id, order_id, event_id, ticket_type_id, name, quantity, unit_amount, listed_amount, currency, attendees, tax_rate, net_amount, tax_amount, gross_amount)
    select org, item, id, event, type, 'Regular', 1, 0, 0, 'EUR', '[]', 0, 0, 0, 0 from new_order;
  insert into ticket (organization_id, order_id, event_id, id, order_item_id, ticket_type_id, code, status, issued_at)
    select org, id, event, gen_random_uuid(), item, type, translate(substr(upper(md5(random()::text)), 1, 20), '01', 'GH'), 'valid', at from new_order;
  insert into change (organization_id, id, at, kind, subject_kind, subject_id, summary, payload, actor, operation, request_id)
    select org, gen_random_uuid(), at, 'order.placed', 'order', id, 'An order for Spring Gala: 1 ticket, free',
      jsonb_build_object('order_id', id, 'event_id', event, 'ticket_count', 1), '{}', 'place_order', gen_random_uuid() from new_order;
  update capacity_pool set sold_count = sold_count + many where id = (select pool_id from ticket_type where id = type);
end $$;
-- The contended counter last.
create or replace function bench.buy(org uuid, event uuid, type uuid) returns void language plpgsql as $$
begin
  perform bench.rows(org, event, type, true);
  update capacity_pool set sold_count = sold_count + 1 where id = (select pool_id from ticket_type where id = type)
    and (capacity is null or held_count + sold_count + blocked_count + 1 <= capacity);
end $$;
-- As those do who have no counter: one at a time, and the more was sold the longer it takes.
create or replace function bench.recount(org uuid, event uuid, type uuid) returns void language plpgsql as $$
begin
  perform from event e where e.id = recount.event for update;
  perform count(*) from ticket t where t.ticket_type_id = type and t.status = 'valid';
  perform bench.rows(org, event, type, false);
end $$;
";

/// Whom the two sell for.
#[derive(Clone, Copy)]
pub(crate) struct Stall {
    pub(crate) organization: Uuid,
    pub(crate) event: Uuid,
    pub(crate) ticket_type: Uuid,
}

/// PostgreSQL, asked as its owner.
pub(crate) struct Ceiling {
    pool: PgPool,
}

impl Ceiling {
    pub(crate) async fn new(url: &str) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(WRITERS)
            .connect(url)
            .await?;
        sqlx::raw_sql(FUNCTIONS).execute(&pool).await?;
        Ok(Self { pool })
    }

    /// Whom to sell for: the event's organization and its only ticket type.
    pub(crate) async fn stall(&self, event: Uuid) -> Result<Stall> {
        let found = "select organization_id, id from ticket_type where event_id = $1";
        let found = sqlx::query_as(found).bind(event);
        let (organization, ticket_type) = found.fetch_one(&self.pool).await?;
        Ok(Stall {
            organization,
            event,
            ticket_type,
        })
    }

    /// Valid tickets of an event.
    pub(crate) async fn sold(&self, event: Uuid) -> Result<i64> {
        let sold = "select count(*) from ticket where event_id = $1 and status = 'valid'";
        let sold = sqlx::query_scalar(sold).bind(event);
        Ok(sold.fetch_one(&self.pool).await?)
    }

    /// Lets the time of all holds of an event run out.
    pub(crate) async fn run_out(&self, event: Uuid) -> Result<()> {
        let over = "update hold set expires_at = now() - interval '1 second' where event_id = $1";
        sqlx::query(over).bind(event).execute(&self.pool).await?;
        Ok(())
    }

    /// Writes so many orders of an event, each with its item, ticket and change, as years of selling would have left them.
    pub(crate) async fn fill(&self, stall: Stall, count: u32) -> Result<()> {
        let mut left = count;
        while left > 0 {
            let part = left.min(50_000);
            let filling = sqlx::query("select bench.fill($1, $2, $3, $4)");
            let filling = filling.bind(stall.organization).bind(stall.event);
            let filling = filling.bind(stall.ticket_type).bind(i32::try_from(part)?);
            filling.execute(&self.pool).await?;
            left -= part;
        }
        // As autovacuum would have done meanwhile.
        sqlx::raw_sql("vacuum analyze").execute(&self.pool).await?;
        Ok(())
    }

    /// Orders of all events.
    pub(crate) async fn orders(&self) -> Result<i64> {
        let count = sqlx::query_scalar("select count(*) from orders");
        Ok(count.fetch_one(&self.pool).await?)
    }

    /// PostgreSQL's version, if what it commits survives a power cut.
    pub(crate) async fn server(&self) -> Result<String> {
        let (version, is_durable): (String, bool) = sqlx::query_as(
            "select current_setting('server_version'), \
               current_setting('fsync')::bool and current_setting('synchronous_commit') = 'on'",
        )
        .fetch_one(&self.pool)
        .await?;
        ensure!(
            is_durable,
            "this server forgets commits in a power cut: it measures nothing"
        );
        Ok(version)
    }

    /// Orders per minute of one function call each.
    pub(crate) async fn rate(
        &self,
        function: &'static str,
        stall: Stall,
        lasting: Duration,
    ) -> Result<f64> {
        let statement = match function {
            "buy" => "select bench.buy($1, $2, $3)",
            _ => "select bench.recount($1, $2, $3)",
        };
        let started = Instant::now();
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let pool = self.pool.clone();
            writers.spawn(async move {
                let mut connection = pool.acquire().await?;
                let mut count = 0_u32;
                while started.elapsed() < lasting {
                    let call = sqlx::query(statement);
                    let call = call.bind(stall.organization).bind(stall.event);
                    call.bind(stall.ticket_type)
                        .execute(&mut *connection)
                        .await?;
                    count += 1;
                }
                Ok::<_, sqlx::Error>(count)
            });
        }
        let mut orders = 0;
        while let Some(done) = writers.join_next().await {
            orders += done??;
        }
        Ok(f64::from(orders) / started.elapsed().as_secs_f64() * 60.0)
    }
}
