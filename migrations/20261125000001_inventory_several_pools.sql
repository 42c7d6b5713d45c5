-- A ticket type has a limit of its own, and may draw on any number of limits that it shares with others: a sale takes
-- a place from each of them. Its own pool counts what was taken of it alone.

alter table ticket_type add constraint ticket_type_same_event unique (organization_id, event_id, id);

create table ticket_type_pool (
    organization_id uuid not null constraint ticket_type_pool_organization_fkey references organization,
    event_id uuid not null,
    ticket_type_id uuid not null,
    pool_id uuid not null,
    constraint ticket_type_pool_pkey primary key (ticket_type_id, pool_id),
    constraint ticket_type_pool_ticket_type_fkey foreign key (organization_id, event_id, ticket_type_id)
        references ticket_type (organization_id, event_id, id) on delete cascade,
    constraint ticket_type_pool_pool_fkey foreign key (organization_id, event_id, pool_id)
        references capacity_pool (organization_id, event_id, id) on delete cascade
);
create index ticket_type_pool_by_event on ticket_type_pool (organization_id, event_id);
create index ticket_type_pool_by_pool on ticket_type_pool (pool_id);
select protect('ticket_type_pool', 'select, insert, delete');

-- Whoever shared a pool until now gets one of its own beside it, which counts what it took.
alter table capacity_pool no force row level security;
alter table ticket_type no force row level security;
alter table ticket_type_pool no force row level security;
alter table orders no force row level security;
alter table order_item no force row level security;
alter table ticket no force row level security;
with sharing as (
    select t.organization_id, t.event_id, t.id, t.pool_id, t.created_at, gen_random_uuid() as own_id,
        (select coalesce(sum(i.quantity), 0)::integer from order_item i join orders o on o.id = i.order_id
         where i.ticket_type_id = t.id and o.status = 'pending') as held,
        (select count(*)::integer from ticket where ticket.ticket_type_id = t.id and ticket.status = 'valid') as sold
    from ticket_type t join capacity_pool p on p.id = t.pool_id and p.name is not null
), drawing as (
    insert into ticket_type_pool (organization_id, event_id, ticket_type_id, pool_id)
    select organization_id, event_id, id, pool_id from sharing
), own as (
    insert into capacity_pool (organization_id, id, event_id, held_count, sold_count, created_at)
    select organization_id, own_id, event_id, held, sold, created_at from sharing
)
update ticket_type set pool_id = sharing.own_id from sharing where sharing.id = ticket_type.id;
alter table capacity_pool force row level security;
alter table ticket_type force row level security;
alter table ticket_type_pool force row level security;
alter table orders force row level security;
alter table order_item force row level security;
alter table ticket force row level security;

drop index ticket_type_by_pool;
alter table ticket_type add constraint ticket_type_own_pool unique (pool_id);
-- What an order took is what its ticket types draw on: they cannot change between the two.
alter table order_item drop column pool_id;

-- The most that an event can sell; null when a ticket type has no limit at all. A pool whose ticket types all draw on
-- another one adds nothing to it, and pools of which nothing is on sale any more count as much as was taken of them.
create function event_capacity(event uuid) returns bigint
language sql stable parallel safe
return (
    with draws as (
        select id as ticket_type_id, pool_id from ticket_type where event_id = event and archived_at is null
        union all
        select m.ticket_type_id, m.pool_id from ticket_type_pool m join ticket_type t on t.id = m.ticket_type_id
        where m.event_id = event and t.archived_at is null
    ), limited as (
        select p.id, p.capacity, array_agg(d.ticket_type_id) as types
        from capacity_pool p join draws d on d.pool_id = p.id where p.capacity is not null group by p.id
    ), outermost as (
        select l.id, l.capacity, l.types from limited l
        where not exists (
            select from limited o
            where o.id <> l.id and o.types @> l.types
              and (not l.types @> o.types or (o.capacity, o.id) < (l.capacity, l.id)))
    ), sellable as (
        -- No more than its ticket types have of their own.
        select least(o.capacity, (
            select case when bool_and(p.capacity is not null) then sum(p.capacity) end
            from ticket_type t join capacity_pool p on p.id = t.pool_id where t.id = any(o.types))) as most
        from outermost o
    ), gone as (
        select p.held_count + p.sold_count as taken
        from ticket_type t join capacity_pool p on p.id = t.pool_id
        where t.event_id = event and t.archived_at is not null
          and not exists (select from ticket_type_pool m join draws d on d.pool_id = m.pool_id where m.ticket_type_id = t.id)
    )
    select case when not exists (select from draws d where not exists (select from limited l where d.ticket_type_id = any(l.types)))
        then (select coalesce(sum(most), 0) from sellable) + (select coalesce(sum(taken), 0) from gone) end
);
