-- Tax and fees: rules of an organization, how its events charge them, and what each line of a hold or an order was
-- charged. Lines keep what they were charged; whoever changes a rule changes what is sold from then on.

create table tax_rule (
    organization_id uuid not null constraint tax_rule_organization_fkey references organization,
    id uuid constraint tax_rule_pkey primary key,
    name text not null,
    -- What it is called in electronic invoices, such as S, Z or E.
    code text constraint tax_rule_code_form check (code ~ '^[A-Z0-9]{1,10}$'),
    -- In thousandths of a percent: 19 % is 19000.
    rate integer not null constraint tax_rule_rate_in_range check (rate between 0 and 100000),
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    archived_at timestamptz,
    constraint tax_rule_same_organization unique (organization_id, id)
);
create unique index tax_rule_name_key on tax_rule (organization_id, lower(name)) where archived_at is null;
select protect('tax_rule', 'select, insert, update');

-- What new events and ticket types of an organization start with; none: tax is in the prices, rounded by line, no rule.
create table taxation (
    organization_id uuid constraint taxation_pkey primary key constraint taxation_organization_fkey references organization,
    prices text not null constraint taxation_prices_known check (prices in ('included', 'added')),
    rounding text not null constraint taxation_rounding_known
        check (rounding in ('line', 'net_sum', 'net_sum_keeping_gross')),
    -- The rule of new ticket types.
    tax_rule_id uuid,
    constraint taxation_rule_fkey foreign key (organization_id, tax_rule_id) references tax_rule (organization_id, id)
);
select protect('taxation', 'select, insert, update');

-- How an event charges tax: frozen with its first order.
create table event_taxation (
    organization_id uuid not null constraint event_taxation_organization_fkey references organization,
    event_id uuid constraint event_taxation_pkey primary key,
    prices text not null constraint event_taxation_prices_known check (prices in ('included', 'added')),
    rounding text not null constraint event_taxation_rounding_known
        check (rounding in ('line', 'net_sum', 'net_sum_keeping_gross')),
    constraint event_taxation_event_fkey foreign key (organization_id, event_id) references event (organization_id, id)
);
create index event_taxation_by_organization on event_taxation (organization_id);
select protect('event_taxation', 'select, insert, update');

-- However an event comes about, it takes its organization's way.
create function tax_new_events() returns trigger language plpgsql as $$
begin
    insert into event_taxation (organization_id, event_id, prices, rounding)
    select n.organization_id, n.id, coalesce(t.prices, 'included'), coalesce(t.rounding, 'line')
    from new_rows n left join taxation t on t.organization_id = n.organization_id;
    return null;
end $$;
create trigger event_taxed after insert on event referencing new table as new_rows
    for each statement execute function tax_new_events();

alter table event no force row level security;
alter table event_taxation no force row level security;
insert into event_taxation (organization_id, event_id, prices, rounding)
select organization_id, id, 'included', 'line' from event;
alter table event force row level security;
alter table event_taxation force row level security;

create function keep_taxation_of_orders() returns trigger language plpgsql as $$
begin
    if exists (select from orders where organization_id = new.organization_id and event_id = new.event_id) then
        raise exception 'the event has orders' using errcode = 'check_violation', constraint = 'event_taxation_frozen';
    end if;
    return new;
end $$;
create trigger event_taxation_frozen before update on event_taxation
    for each row when (new.prices <> old.prices or new.rounding <> old.rounding)
    execute function keep_taxation_of_orders();

alter table ticket_type
    add column tax_rule_id uuid,
    add constraint ticket_type_tax_rule_fkey foreign key (organization_id, tax_rule_id) references tax_rule (organization_id, id);

create table fee (
    organization_id uuid not null constraint fee_organization_fkey references organization,
    id uuid constraint fee_pkey primary key,
    -- Of one event; of all events in its currency when none.
    event_id uuid,
    name text not null,
    per text not null constraint fee_per_known check (per in ('order', 'ticket')),
    -- So much, or so many thousandths of a percent of the tickets' price.
    amount bigint constraint fee_amount_positive check (amount > 0),
    currency text,
    percent integer constraint fee_percent_in_range check (percent between 1 and 100000),
    -- Whether orders, or tickets, that cost nothing are charged it too.
    charges_free boolean not null,
    tax_rule_id uuid,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    archived_at timestamptz,
    constraint fee_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint fee_tax_rule_fkey foreign key (organization_id, tax_rule_id) references tax_rule (organization_id, id),
    constraint fee_is_one_of_both check ((amount is null) <> (percent is null) and (amount is null) = (currency is null)),
    constraint fee_percent_of_something check (percent is null or not charges_free)
);
create unique index fee_name_key
    on fee (organization_id, coalesce(event_id, '00000000-0000-0000-0000-000000000000'), lower(name)) where archived_at is null;
select protect('fee', 'select, insert, update');

-- What a line was charged: its rule as it was then, and the amounts for all of its quantity.
alter table hold_item
    add column tax_name text, add column tax_code text, add column tax_rate integer not null default 0,
    add column net_amount bigint, add column tax_amount bigint, add column gross_amount bigint;
alter table order_item
    add column tax_name text, add column tax_code text, add column tax_rate integer not null default 0,
    add column net_amount bigint, add column tax_amount bigint, add column gross_amount bigint;
-- Until now there was no tax.
alter table hold_item no force row level security;
alter table order_item no force row level security;
update hold_item set net_amount = quantity * unit_amount, tax_amount = 0, gross_amount = quantity * unit_amount;
update order_item set net_amount = quantity * unit_amount, tax_amount = 0, gross_amount = quantity * unit_amount;
alter table hold_item force row level security;
alter table order_item force row level security;
alter table hold_item
    alter column tax_rate drop default,
    alter column net_amount set not null, alter column tax_amount set not null, alter column gross_amount set not null,
    add constraint hold_item_tax_adds_up
        check (net_amount >= 0 and tax_amount >= 0 and gross_amount = net_amount + tax_amount),
    add constraint hold_item_tax_has_rate check (tax_amount = 0 or tax_rate > 0 and tax_name is not null);
alter table order_item
    alter column tax_rate drop default,
    alter column net_amount set not null, alter column tax_amount set not null, alter column gross_amount set not null,
    add constraint order_item_tax_adds_up
        check (net_amount >= 0 and tax_amount >= 0 and gross_amount = net_amount + tax_amount),
    add constraint order_item_tax_has_rate check (tax_amount = 0 or tax_rate > 0 and tax_name is not null);

create table hold_fee (
    organization_id uuid not null constraint hold_fee_organization_fkey references organization,
    hold_id uuid not null,
    fee_id uuid not null,
    name text not null,
    tax_name text,
    tax_code text,
    tax_rate integer not null,
    net_amount bigint not null,
    tax_amount bigint not null,
    gross_amount bigint not null,
    constraint hold_fee_pkey primary key (hold_id, fee_id),
    constraint hold_fee_hold_fkey foreign key (organization_id, hold_id) references hold (organization_id, id),
    constraint hold_fee_tax_adds_up check (net_amount >= 0 and tax_amount >= 0 and gross_amount = net_amount + tax_amount)
);
create index hold_fee_by_organization on hold_fee (organization_id, hold_id);
select protect('hold_fee', 'select, insert');

create table order_fee (
    organization_id uuid not null constraint order_fee_organization_fkey references organization,
    order_id uuid not null,
    event_id uuid not null,
    fee_id uuid not null,
    name text not null,
    tax_name text,
    tax_code text,
    tax_rate integer not null,
    net_amount bigint not null,
    tax_amount bigint not null,
    gross_amount bigint not null,
    constraint order_fee_pkey primary key (order_id, fee_id),
    constraint order_fee_order_fkey foreign key (organization_id, event_id, order_id)
        references orders (organization_id, event_id, id),
    constraint order_fee_tax_adds_up check (net_amount >= 0 and tax_amount >= 0 and gross_amount = net_amount + tax_amount)
);
create index order_fee_by_order on order_fee (organization_id, order_id);
select protect('order_fee', 'select, insert');

-- An order costs what its lines and fees cost, at every commit.
create function order_adds_up() returns trigger language plpgsql as $$
declare
    lines bigint;
begin
    -- With the organization, whoever asks: the indexes begin with it.
    select coalesce((select sum(gross_amount) from order_item
                     where organization_id = new.organization_id and order_id = new.id), 0)
         + coalesce((select sum(gross_amount) from order_fee
                     where organization_id = new.organization_id and order_id = new.id), 0) into lines;
    if lines <> (select total_amount from orders where id = new.id) then
        raise exception 'order % does not cost what its lines and fees cost, %', new.number, lines
            using errcode = 'check_violation', constraint = 'orders_total_adds_up';
    end if;
    return null;
end $$;
create constraint trigger orders_total_adds_up after insert or update of total_amount on orders
    deferrable initially deferred for each row execute function order_adds_up();

-- What is left of a line that tickets were taken out of.
grant update (net_amount, tax_amount, gross_amount) on order_item to eventos_app;
