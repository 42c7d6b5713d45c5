-- Promo codes of events: they make tickets cheaper, or let buyers have hidden ticket types, and can be used so often.
-- One use is one hold or one order, however many tickets it has.

create table promo_code (
    organization_id uuid not null constraint promo_code_organization_fkey references organization,
    id uuid constraint promo_code_pkey primary key,
    event_id uuid not null,
    -- In upper case; never changed, so that what people were given stays what it was.
    code text not null constraint promo_code_form check (code ~ '^[A-Z0-9-]{4,32}$'),
    effect text not null constraint promo_code_effect_known
        check (effect in ('percent_off', 'amount_off', 'fixed_price', 'access_only')),
    percent integer constraint promo_code_percent_in_range check (percent between 1 and 100),
    -- In the event's currency.
    amount bigint constraint promo_code_amount_not_negative check (amount >= 0),
    unlocks_hidden boolean not null,
    -- Null: as often as people like.
    max_uses integer constraint promo_code_max_uses_positive check (max_uses > 0),
    -- Uses of live holds, and of orders that are pending or paid.
    held_count integer not null default 0 constraint promo_code_held_not_negative check (held_count >= 0),
    used_count integer not null default 0 constraint promo_code_used_not_negative check (used_count >= 0),
    -- On the clock at the event, and the instants that follow from it.
    valid_from_local timestamp,
    valid_until_local timestamp,
    valid_from_at timestamptz,
    valid_until_at timestamptz,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    archived_at timestamptz,
    constraint promo_code_same_event unique (organization_id, event_id, id),
    constraint promo_code_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint promo_code_effect_is_said check (
        (effect = 'percent_off') = (percent is not null)
        and (effect in ('amount_off', 'fixed_price')) = (amount is not null)
        and (effect <> 'access_only' or unlocks_hidden)),
    -- Whoever would use it once more than that is refused here at the latest.
    constraint promo_code_not_overused check (held_count + used_count <= max_uses),
    constraint promo_code_from_is_whole check ((valid_from_local is null) = (valid_from_at is null)),
    constraint promo_code_until_is_whole check ((valid_until_local is null) = (valid_until_at is null))
);
create unique index promo_code_code_key on promo_code (organization_id, event_id, code) where archived_at is null;
create index promo_code_newest on promo_code (organization_id, event_id, created_at desc, id desc);
select protect('promo_code', 'select, insert, update');

-- What a code applies to; to everything when nothing is named.
create table promo_code_ticket_type (
    organization_id uuid not null constraint promo_code_ticket_type_organization_fkey references organization,
    event_id uuid not null,
    promo_code_id uuid not null,
    ticket_type_id uuid not null,
    constraint promo_code_ticket_type_pkey primary key (promo_code_id, ticket_type_id),
    constraint promo_code_ticket_type_code_fkey foreign key (organization_id, event_id, promo_code_id)
        references promo_code (organization_id, event_id, id),
    constraint promo_code_ticket_type_type_fkey foreign key (organization_id, event_id, ticket_type_id)
        references ticket_type (organization_id, event_id, id)
);
create index promo_code_ticket_type_by_code on promo_code_ticket_type (organization_id, promo_code_id);
create index promo_code_ticket_type_by_type on promo_code_ticket_type (organization_id, event_id, ticket_type_id);
select protect('promo_code_ticket_type', 'select, insert, delete');

alter table hold
    add column promo_code_id uuid,
    -- What the code took off, beside the total that is left.
    add column discount_amount bigint not null default 0 constraint hold_discount_not_negative check (discount_amount >= 0),
    add constraint hold_promo_code_fkey foreign key (organization_id, event_id, promo_code_id)
        references promo_code (organization_id, event_id, id),
    add constraint hold_discount_has_code check (discount_amount = 0 or promo_code_id is not null);
create index hold_by_promo_code on hold (promo_code_id) where promo_code_id is not null;

alter table orders
    add column promo_code_id uuid,
    add column discount_amount bigint not null default 0 constraint orders_discount_not_negative check (discount_amount >= 0),
    add constraint orders_promo_code_fkey foreign key (organization_id, event_id, promo_code_id)
        references promo_code (organization_id, event_id, id),
    add constraint orders_discount_has_code check (discount_amount = 0 or promo_code_id is not null);
create index orders_by_promo_code on orders (promo_code_id) where promo_code_id is not null;

-- What one cost without a code. Until now nothing was cheaper for anybody.
alter table hold_item add column listed_amount bigint;
alter table order_item add column listed_amount bigint;
alter table hold_item no force row level security;
alter table order_item no force row level security;
update hold_item set listed_amount = unit_amount;
update order_item set listed_amount = unit_amount;
alter table hold_item force row level security;
alter table order_item force row level security;
alter table hold_item
    alter column listed_amount set not null,
    add constraint hold_item_not_dearer check (unit_amount <= listed_amount);
alter table order_item
    alter column listed_amount set not null,
    add constraint order_item_not_dearer check (unit_amount <= listed_amount);
