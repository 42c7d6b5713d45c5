//! Every sum beside what it is the sum of.

use sqlx::PgConnection;

/// What does not add up beside the counters of pools and promo codes: pools that belong to nobody, orders whose sums
/// differ from their payments and refunds or from the ledger, orders and holds whose sums differ from their lines. Empty
/// when all is well.
pub(crate) async fn discrepancies(conn: &mut PgConnection) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "select format('ticket type %s draws on the pool %s of a name as its own', t.id, p.id)
         from ticket_type t join capacity_pool p on p.id = t.pool_id where p.name is not null
         union all
         select format('pool %s has a name and no ticket types, or none of either', p.id)
         from capacity_pool p
         where case when p.name is null then not exists (select from ticket_type where pool_id = p.id)
               else not exists (select from ticket_type_pool where pool_id = p.id) end
         union all
         select format('order %s: paid %s of %s, refunded %s of %s, %s items for %s tickets',
                       o.number, o.paid_amount, paid, o.refunded_amount, refunded, items, o.ticket_count)
         from orders o,
           lateral (select coalesce(sum(amount), 0) as paid from payment where order_id = o.id) as y,
           lateral (select coalesce(sum(amount), 0) as refunded from refund
                    where order_id = o.id and status <> 'failed') as r,
           lateral (select coalesce(sum(quantity), 0) as items from order_item where order_id = o.id) as i
         where o.paid_amount <> paid or o.refunded_amount <> refunded or o.ticket_count <> items
         union all
         select format('order %s: the ledger has sales %s for %s tickets, payments %s, refunds %s, tickets %s',
                       o.number, sales, places, paid, refunded, tickets)
         from orders o,
           lateral (select coalesce(sum(amount) filter (where account = 'sales'), 0) as sales,
                      coalesce(sum(quantity) filter (where account = 'sales'), 0) as places,
                      coalesce(sum(amount) filter (where account = 'payments'), 0) as paid,
                      -coalesce(sum(amount) filter (where account = 'refunds'), 0) as refunded,
                      coalesce(sum(quantity) filter (where account = 'tickets'), 0) as tickets
                    from ledger_entry where order_id = o.id) as l,
           lateral (select case when o.status in ('pending', 'paid') then 1 else 0 end as counts) as s,
           lateral (select count(*) as valid from ticket where order_id = o.id and status = 'valid') as t
         where sales <> o.total_amount * counts or places <> o.ticket_count * counts or paid <> o.paid_amount
            or refunded <> o.refunded_amount or tickets <> valid
         union all
         select format('order %s: %s less %s, its items say %s less %s', o.number, o.total_amount, o.discount_amount, total + fees,
                       less)
         from orders o,
           lateral (select coalesce(sum(gross_amount), 0) as total,
                      coalesce(sum(quantity * (listed_amount - unit_amount)), 0) as less
                    from order_item where order_id = o.id) as i,
           lateral (select coalesce(sum(gross_amount), 0) as fees from order_fee where order_id = o.id) as f
         where o.total_amount <> total + fees or o.discount_amount <> less
         union all
         select format('hold %s: %s less %s, its items say %s less %s', h.id, h.total_amount, h.discount_amount, total + fees,
                       less)
         from hold h,
           lateral (select coalesce(sum(gross_amount), 0) as total,
                      coalesce(sum(quantity * (listed_amount - unit_amount)), 0) as less
                    from hold_item where hold_id = h.id) as i,
           lateral (select coalesce(sum(gross_amount), 0) as fees from hold_fee where hold_id = h.id) as f
         where h.total_amount <> total + fees or h.discount_amount <> less
         union all
         select format('order %s: invoices stand for %s, %s of %s were paid and not given back', o.number, stands, kept,
                       o.total_amount)
         from orders o,
           lateral (select count(*) as documents,
                      sum(case kind when 'invoice' then gross_amount else -gross_amount end) as stands
                    from invoice where order_id = o.id) as i,
           lateral (select least(o.paid_amount - o.refunded_amount, o.total_amount) as kept) as k
         where documents > 0 and stands <> kept
         union all
         select format('order %s: invoices over all of it have %s tax, its items and fees %s', o.number, stands, charged)
         from orders o,
           lateral (select sum(case kind when 'invoice' then gross_amount else -gross_amount end) as gross,
                      sum(case kind when 'invoice' then tax_amount else -tax_amount end) as stands
                    from invoice where order_id = o.id) as i,
           lateral (select coalesce((select sum(tax_amount) from order_item where order_id = o.id), 0)
                      + coalesce((select sum(tax_amount) from order_fee where order_id = o.id), 0) as charged) as c
         where gross = o.total_amount and stands <> charged
         union all
         select format('invoice %s: %s net and %s tax, its rates say %s and %s', i.number, i.net_amount, i.tax_amount, net, tax)
         from invoice i,
           lateral (select sum((rate #>> '{net,amount}')::bigint) as net, sum((rate #>> '{tax,amount}')::bigint) as tax
                    from jsonb_array_elements(i.taxes) as rate) as r
         where i.net_amount <> net or i.tax_amount <> tax
         union all
         select format('gift card %s: %s left, but %s issued, %s used, %s back', g.id, g.balance, g.issued_amount, used, back)
         from gift_card g,
           lateral (select coalesce(sum(amount), 0) as used from payment where gift_card_id = g.id) as u,
           lateral (select coalesce(sum(r.amount), 0) as back from refund r join payment p on p.id = r.payment_id
                    left join payment came on came.id = p.moved_from
                    where coalesce(p.gift_card_id, came.gift_card_id) = g.id and r.status <> 'failed') as b
         where g.balance <> g.issued_amount - used + back
         union all
         select format('order %s has another promo code than its hold', o.number)
         from orders o join hold h on h.order_id = o.id where h.promo_code_id is distinct from o.promo_code_id",
    )
    .fetch_all(conn)
    .await
}
