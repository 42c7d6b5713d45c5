-- Places set aside while somebody buys, at the price they had then, until they are ordered, given back or run out.

create table hold (
    organization_id uuid not null constraint hold_organization_fkey references organization,
    id uuid constraint hold_pkey primary key,
    event_id uuid not null,
    status text not null constraint hold_status_known check (status in ('live', 'ordered', 'released', 'expired')),
    currency text not null,
    total_amount bigint not null constraint hold_total_not_negative check (total_amount >= 0),
    ticket_count integer not null constraint hold_count_positive check (ticket_count > 0),
    expires_at timestamptz not null,
    is_extended boolean not null default false,
    order_id uuid,
    created_at timestamptz not null,
    ended_at timestamptz,
    constraint hold_same_organization unique (organization_id, id),
    constraint hold_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint hold_order_fkey foreign key (organization_id, event_id, order_id) references orders (organization_id, event_id, id),
    constraint hold_ended_has_time check ((status = 'live') = (ended_at is null)),
    constraint hold_ordered_has_order check ((status = 'ordered') = (order_id is not null))
);
create index hold_due on hold (organization_id, event_id, expires_at) where status = 'live';
select protect('hold', 'select, insert, update');

create table hold_item (
    organization_id uuid not null constraint hold_item_organization_fkey references organization,
    id uuid constraint hold_item_pkey primary key,
    hold_id uuid not null,
    ticket_type_id uuid not null,
    -- As it was called and what it cost when it was held.
    name text not null,
    quantity integer not null constraint hold_item_quantity_positive check (quantity > 0),
    unit_amount bigint not null constraint hold_item_unit_not_negative check (unit_amount >= 0),
    constraint hold_item_hold_fkey foreign key (organization_id, hold_id) references hold (organization_id, id),
    constraint hold_item_ticket_type_fkey foreign key (organization_id, ticket_type_id) references ticket_type (organization_id, id)
);
create index hold_item_by_hold on hold_item (organization_id, hold_id);
select protect('hold_item', 'select, insert');

-- Workers find out where holds have run out.
create policy find_due on hold for select to eventos_system using (status = 'live');
grant select (organization_id, event_id, status, expires_at) on hold to eventos_system;
