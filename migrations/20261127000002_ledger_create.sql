-- The ledger: every change of money and of quantity, written by the database itself in the transaction of the change, so
-- that no code can forget it. Rows are never changed or deleted; the application's role has no right to.
--
-- Four accounts, in the event's currency. Their sums are the state at any time:
--   sales     what orders that are pending or paid cost, and how many tickets they are for
--   payments  money received
--   refunds   money given back or on its way, as a negative amount
--   tickets   valid tickets, by ticket type
create table ledger_entry (
    organization_id uuid not null constraint ledger_entry_organization_fkey references organization,
    sequence bigint generated always as identity constraint ledger_entry_pkey primary key,
    event_id uuid not null,
    order_id uuid not null,
    at timestamptz not null,
    account text not null constraint ledger_entry_account_known
        check (account in ('sales', 'payments', 'refunds', 'tickets')),
    -- How money moved; none for what is not money received or given back.
    method text,
    ticket_type_id uuid,
    quantity integer not null,
    amount bigint not null,
    currency text not null,
    constraint ledger_entry_order_fkey foreign key (organization_id, event_id, order_id)
        references orders (organization_id, event_id, id),
    constraint ledger_entry_money_has_method check ((method is not null) = (account in ('payments', 'refunds'))),
    constraint ledger_entry_tickets_have_type check ((ticket_type_id is not null) = (account = 'tickets'))
);
create index ledger_entry_by_event on ledger_entry (organization_id, event_id, at);
select protect('ledger_entry', 'select, insert');

create function ledger_orders_placed() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, quantity, amount, currency)
    select organization_id, event_id, id, placed_at, 'sales', ticket_count, total_amount, currency
    from new_rows where status in ('pending', 'paid');
    return null;
end $$;
create trigger ledger_placed after insert on orders referencing new table as new_rows
    for each statement execute function ledger_orders_placed();

create function ledger_orders_moved() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, quantity, amount, currency)
    select organization_id, event_id, id, updated_at, 'sales', quantity, amount, currency
    from (select n.organization_id, n.event_id, n.id, n.updated_at, n.currency,
            case when n.status in ('pending', 'paid') then n.ticket_count else 0 end
              - case when o.status in ('pending', 'paid') then o.ticket_count else 0 end as quantity,
            case when n.status in ('pending', 'paid') then n.total_amount else 0 end
              - case when o.status in ('pending', 'paid') then o.total_amount else 0 end as amount
          from new_rows n join old_rows o on o.id = n.id) as moved
    where quantity <> 0 or amount <> 0;
    return null;
end $$;
create trigger ledger_moved after update on orders referencing old table as old_rows new table as new_rows
    for each statement execute function ledger_orders_moved();

create function ledger_payments() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, method, quantity, amount, currency)
    select n.organization_id, o.event_id, n.order_id, n.created_at, 'payments', n.method, 1, n.amount, n.currency
    from new_rows n join orders o on o.id = n.order_id;
    return null;
end $$;
create trigger ledger_received after insert on payment referencing new table as new_rows
    for each statement execute function ledger_payments();

create function ledger_refunds_asked() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, method, quantity, amount, currency)
    select n.organization_id, o.event_id, n.order_id, n.created_at, 'refunds', n.method, 1, -n.amount, n.currency
    from new_rows n join orders o on o.id = n.order_id where n.status <> 'failed';
    return null;
end $$;
create trigger ledger_given_back after insert on refund referencing new table as new_rows
    for each statement execute function ledger_refunds_asked();

create function ledger_refunds_moved() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, method, quantity, amount, currency)
    select n.organization_id, r.event_id, n.order_id, n.updated_at, 'refunds', n.method,
        case when n.status = 'failed' then -1 else 1 end,
        case when n.status = 'failed' then n.amount else -n.amount end, n.currency
    from new_rows n join old_rows o on o.id = n.id join orders r on r.id = n.order_id
    where (n.status = 'failed') <> (o.status = 'failed');
    return null;
end $$;
create trigger ledger_kept after update on refund referencing old table as old_rows new table as new_rows
    for each statement execute function ledger_refunds_moved();

create function ledger_tickets_issued() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, ticket_type_id, quantity, amount, currency)
    select n.organization_id, n.event_id, n.order_id, n.issued_at, 'tickets', n.ticket_type_id, count(*), 0, min(o.currency)
    from new_rows n join orders o on o.id = n.order_id where n.status = 'valid'
    group by n.organization_id, n.event_id, n.order_id, n.issued_at, n.ticket_type_id;
    return null;
end $$;
create trigger ledger_issued after insert on ticket referencing new table as new_rows
    for each statement execute function ledger_tickets_issued();

create function ledger_tickets_moved() returns trigger language plpgsql as $$
begin
    insert into ledger_entry (organization_id, event_id, order_id, at, account, ticket_type_id, quantity, amount, currency)
    select n.organization_id, n.event_id, n.order_id, coalesce(n.voided_at, n.issued_at), 'tickets', n.ticket_type_id,
        sum(case when n.status = 'valid' then 1 else -1 end), 0, min(r.currency)
    from new_rows n join old_rows o on o.id = n.id join orders r on r.id = n.order_id
    where (n.status = 'valid') <> (o.status = 'valid')
    group by n.organization_id, n.event_id, n.order_id, coalesce(n.voided_at, n.issued_at), n.ticket_type_id;
    return null;
end $$;
create trigger ledger_voided after update on ticket referencing old table as old_rows new table as new_rows
    for each statement execute function ledger_tickets_moved();

-- What happened before there was a ledger, as far as the rows still tell.
alter table orders no force row level security;
alter table payment no force row level security;
alter table refund no force row level security;
alter table ticket no force row level security;
alter table ledger_entry no force row level security;
insert into ledger_entry (organization_id, event_id, order_id, at, account, method, ticket_type_id, quantity, amount, currency)
select * from (
    select organization_id, event_id, id, placed_at, 'sales', null::text, null::uuid, ticket_count, total_amount, currency
    from orders
    union all
    select organization_id, event_id, id, updated_at, 'sales', null, null, -ticket_count, -total_amount, currency
    from orders where status not in ('pending', 'paid')
    union all
    select p.organization_id, o.event_id, o.id, p.created_at, 'payments', p.method, null, 1, p.amount, p.currency
    from payment p join orders o on o.id = p.order_id
    union all
    select r.organization_id, o.event_id, o.id, r.created_at, 'refunds', r.method, null, 1, -r.amount, r.currency
    from refund r join orders o on o.id = r.order_id
    union all
    select t.organization_id, t.event_id, t.order_id, t.issued_at, 'tickets', null, t.ticket_type_id, count(*)::integer, 0,
        min(o.currency)
    from ticket t join orders o on o.id = t.order_id
    group by t.organization_id, t.event_id, t.order_id, t.issued_at, t.ticket_type_id
    union all
    select t.organization_id, t.event_id, t.order_id, t.voided_at, 'tickets', null, t.ticket_type_id, -count(*)::integer, 0,
        min(o.currency)
    from ticket t join orders o on o.id = t.order_id where t.status <> 'valid'
    group by t.organization_id, t.event_id, t.order_id, t.voided_at, t.ticket_type_id
) as before (organization_id, event_id, order_id, at, account, method, ticket_type_id, quantity, amount, currency)
order by at;
alter table orders force row level security;
alter table payment force row level security;
alter table refund force row level security;
alter table ticket force row level security;
alter table ledger_entry force row level security;
