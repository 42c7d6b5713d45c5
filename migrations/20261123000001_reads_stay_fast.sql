-- Reads stay fast while an organization grows: the planner knows small tables, and sums are read from indexes.

-- A table's statistics are gathered once so many rows have changed since the last time. The usual 50 are more than an
-- organizer has events or ticket types in a year, and without statistics the planner reads whole tables in the wrong
-- order. Tables of later migrations get this from `protect`.
create or replace function protect(tab regclass, rights text default 'select, insert, update, delete') returns void
language plpgsql as $$
begin
    execute format('alter table %s enable row level security', tab);
    execute format('alter table %s force row level security', tab);
    execute format(
        'create policy own_organization on %s to eventos_app '
        'using (organization_id = (select current_organization())) '
        'with check (organization_id = (select current_organization()))', tab);
    execute format('grant %s on %s to eventos_app', rights, tab);
    execute format('alter table %s set (autovacuum_analyze_threshold = 2)', tab);
end $$;

do $$
declare
    tab regclass;
begin
    for tab in
        select oid from pg_class
        where relnamespace = 'public'::regnamespace and relkind = 'r' and relrowsecurity
    loop
        execute format('alter table %s set (autovacuum_analyze_threshold = 2)', tab);
    end loop;
end $$;

-- What the orders of an event add up to, and which of them wait for their payment, without reading the orders.
create index orders_by_state on orders (organization_id, event_id, status)
    include (total_amount, paid_amount, refunded_amount);

-- How many of a ticket type are sold when it shares its pool.
create index ticket_valid_by_type on ticket (organization_id, ticket_type_id) where status = 'valid';

-- What was given away.
create index order_item_free on order_item (organization_id, event_id) include (id, order_id) where unit_amount = 0;
