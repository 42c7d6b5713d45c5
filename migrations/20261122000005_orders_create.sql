-- Orders, the money for them, the tickets they bring, and the door.

create table orders (
    organization_id uuid not null constraint orders_organization_fkey references organization,
    id uuid constraint orders_pkey primary key,
    event_id uuid not null,
    -- The short code people read aloud.
    number text not null constraint orders_number_form check (number ~ '^[2-9A-HJ-NP-Z]{7}$'),
    status text not null constraint orders_status_known check (status in ('pending', 'paid', 'expired', 'cancelled')),
    buyer_name text not null,
    buyer_email text not null,
    currency text not null,
    total_amount bigint not null constraint orders_total_not_negative check (total_amount >= 0),
    paid_amount bigint not null default 0 constraint orders_paid_not_negative check (paid_amount >= 0),
    refunded_amount bigint not null default 0 constraint orders_refunded_not_negative check (refunded_amount >= 0),
    ticket_count integer not null,
    note text,
    version integer not null default 1,
    placed_at timestamptz not null,
    paid_at timestamptz,
    cancelled_at timestamptz,
    cancellation_reason text,
    updated_at timestamptz not null,
    search_text text not null generated always as (search_form(number || ' ' || buyer_name || ' ' || buyer_email)) stored,
    constraint orders_same_organization unique (organization_id, id),
    constraint orders_same_event unique (organization_id, event_id, id),
    constraint orders_number_key unique (organization_id, number),
    constraint orders_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint orders_refunded_within_paid check (refunded_amount <= paid_amount),
    constraint orders_paid_is_covered check (status <> 'paid' or paid_amount >= total_amount),
    constraint orders_paid_has_time check ((status = 'paid') <= (paid_at is not null))
);
create index orders_newest on orders (organization_id, placed_at desc, id desc);
create index orders_by_event on orders (organization_id, event_id, placed_at desc, id desc);
create index orders_search on orders using gin (search_text gin_trgm_ops);
select protect('orders', 'select, insert, update');

create table order_item (
    organization_id uuid not null constraint order_item_organization_fkey references organization,
    id uuid constraint order_item_pkey primary key,
    order_id uuid not null,
    event_id uuid not null,
    ticket_type_id uuid not null,
    pool_id uuid not null,
    -- As it was called when it was bought.
    name text not null,
    quantity integer not null constraint order_item_quantity_positive check (quantity > 0),
    unit_amount bigint not null constraint order_item_unit_not_negative check (unit_amount >= 0),
    currency text not null,
    -- Who was named for the tickets when ordering: kept until the tickets are issued, and no longer read after that.
    attendees jsonb not null default '[]',
    constraint order_item_same_organization unique (organization_id, id),
    constraint order_item_order_fkey foreign key (organization_id, event_id, order_id) references orders (organization_id, event_id, id),
    constraint order_item_ticket_type_fkey foreign key (organization_id, ticket_type_id) references ticket_type (organization_id, id),
    constraint order_item_pool_fkey foreign key (organization_id, pool_id) references capacity_pool (organization_id, id)
);
create index order_item_by_order on order_item (organization_id, order_id);
create index order_item_by_ticket_type on order_item (organization_id, ticket_type_id);
select protect('order_item', 'select, insert');

-- Money received. A refund is a row of its own, never a status.
create table payment (
    organization_id uuid not null constraint payment_organization_fkey references organization,
    id uuid constraint payment_pkey primary key,
    order_id uuid not null,
    method text not null constraint payment_method_known check (method in ('manual')),
    amount bigint not null constraint payment_amount_positive check (amount > 0),
    currency text not null,
    reference text,
    received_at timestamptz not null,
    created_at timestamptz not null,
    constraint payment_same_organization unique (organization_id, id),
    constraint payment_order_fkey foreign key (organization_id, order_id) references orders (organization_id, id)
);
create index payment_by_order on payment (organization_id, order_id);
select protect('payment', 'select, insert');

create table refund (
    organization_id uuid not null constraint refund_organization_fkey references organization,
    id uuid constraint refund_pkey primary key,
    order_id uuid not null,
    method text not null constraint refund_method_known check (method in ('manual')),
    amount bigint not null constraint refund_amount_positive check (amount > 0),
    currency text not null,
    reason text,
    created_at timestamptz not null,
    constraint refund_order_fkey foreign key (organization_id, order_id) references orders (organization_id, id)
);
create index refund_by_order on refund (organization_id, order_id);
select protect('refund', 'select, insert');

create table ticket (
    organization_id uuid not null constraint ticket_organization_fkey references organization,
    id uuid constraint ticket_pkey primary key,
    order_id uuid not null,
    order_item_id uuid not null,
    event_id uuid not null,
    ticket_type_id uuid not null,
    -- The secret in the barcode.
    code text not null constraint ticket_code_form check (code ~ '^[2-9A-HJ-NP-Z]{20}$'),
    status text not null constraint ticket_status_known check (status in ('valid', 'void')),
    attendee_name text,
    attendee_email text,
    issued_at timestamptz not null,
    voided_at timestamptz,
    void_reason text,
    search_text text not null generated always as (search_form(coalesce(attendee_name, '') || ' ' || coalesce(attendee_email, ''))) stored,
    constraint ticket_same_organization unique (organization_id, id),
    constraint ticket_code_key unique (organization_id, code),
    constraint ticket_order_fkey foreign key (organization_id, event_id, order_id) references orders (organization_id, event_id, id),
    constraint ticket_order_item_fkey foreign key (organization_id, order_item_id) references order_item (organization_id, id),
    constraint ticket_ticket_type_fkey foreign key (organization_id, ticket_type_id) references ticket_type (organization_id, id),
    constraint ticket_void_has_time check ((status = 'void') = (voided_at is not null))
);
create index ticket_by_event on ticket (organization_id, event_id, issued_at, id);
create index ticket_by_order on ticket (organization_id, order_id);
create index ticket_search on ticket using gin (search_text gin_trgm_ops);
select protect('ticket', 'select, insert, update');

-- One scan at the door, admitted or not. At most one standing admission per ticket: the partial unique index decides
-- which of two doors was first.
create table check_in (
    organization_id uuid not null constraint check_in_organization_fkey references organization,
    id uuid constraint check_in_pkey primary key,
    event_id uuid not null,
    ticket_id uuid not null,
    result text not null constraint check_in_result_known check (result in ('admitted', 'already_checked_in', 'void', 'wrong_event')),
    gate text,
    device text,
    scanned_at timestamptz not null,
    undone_at timestamptz,
    constraint check_in_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint check_in_ticket_fkey foreign key (organization_id, ticket_id) references ticket (organization_id, id)
);
create unique index check_in_admitted_once on check_in (organization_id, ticket_id)
    where result = 'admitted' and undone_at is null;
create index check_in_by_event on check_in (organization_id, event_id, scanned_at desc);
create index check_in_by_ticket on check_in (organization_id, ticket_id, scanned_at desc);
select protect('check_in', 'select, insert, update');
