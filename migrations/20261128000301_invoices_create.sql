-- Invoices and credit notes. What is issued is never changed or deleted: the application's role has no right to. A
-- correction is a credit note and a new invoice.

-- How an organization issues invoices.
create table invoicing (
    organization_id uuid constraint invoicing_pkey primary key constraint invoicing_organization_fkey references organization,
    -- Whether an order that is paid gets its invoice by itself.
    is_on boolean not null,
    legal_name text not null,
    address text not null,
    tax_id text not null,
    -- What numbers start with; {year} is the year of issue.
    invoice_prefix text not null,
    credit_prefix text not null,
    version integer not null default 1,
    updated_at timestamptz not null,
    constraint invoicing_prefixes_differ check (invoice_prefix <> credit_prefix)
);
select protect('invoicing', 'select, insert, update');

-- The last number of each series. Whoever issues locks the row until the commit, so a transaction that is given up
-- leaves no gap.
create table invoice_series (
    organization_id uuid not null constraint invoice_series_organization_fkey references organization,
    prefix text not null,
    last_number integer not null constraint invoice_series_from_one check (last_number > 0),
    constraint invoice_series_pkey primary key (organization_id, prefix)
);
select protect('invoice_series', 'select, insert, update');

-- Whom an order's invoice is made out to, until it is issued; the buyer when nothing is said.
create table invoice_address (
    organization_id uuid not null constraint invoice_address_organization_fkey references organization,
    order_id uuid constraint invoice_address_pkey primary key,
    name text not null,
    address text not null,
    tax_id text,
    updated_at timestamptz not null,
    constraint invoice_address_order_fkey foreign key (organization_id, order_id) references orders (organization_id, id)
);
create index invoice_address_by_order on invoice_address (organization_id, order_id);
select protect('invoice_address', 'select, insert, update, delete');

create table invoice (
    organization_id uuid not null constraint invoice_organization_fkey references organization,
    id uuid constraint invoice_pkey primary key,
    order_id uuid not null,
    event_id uuid not null,
    kind text not null constraint invoice_kind_known check (kind in ('invoice', 'credit_note')),
    -- Of a credit note: what it takes back.
    invoice_id uuid,
    prefix text not null,
    sequence integer not null constraint invoice_sequence_from_one check (sequence > 0),
    number text not null generated always as (prefix || lpad(sequence::text, greatest(5, length(sequence::text)), '0')) stored,
    issued_at timestamptz not null,
    issued_on date not null,
    supplied_on date not null,
    currency text not null,
    -- Amounts are positive in both kinds.
    net_amount bigint not null,
    tax_amount bigint not null,
    gross_amount bigint not null constraint invoice_gross_positive check (gross_amount > 0),
    order_number text not null,
    event_title text not null,
    seller jsonb not null,
    buyer jsonb not null,
    lines jsonb not null,
    taxes jsonb not null,
    reason text,
    constraint invoice_same_order unique (organization_id, order_id, id),
    constraint invoice_number_key unique (organization_id, prefix, sequence),
    constraint invoice_order_fkey foreign key (organization_id, event_id, order_id)
        references orders (organization_id, event_id, id),
    constraint invoice_of_fkey foreign key (organization_id, order_id, invoice_id)
        references invoice (organization_id, order_id, id),
    constraint invoice_credits_something check ((kind = 'credit_note') = (invoice_id is not null)),
    constraint invoice_tax_adds_up check (net_amount >= 0 and tax_amount >= 0 and gross_amount = net_amount + tax_amount)
);
create index invoice_newest on invoice (organization_id, issued_at desc, id desc);
create index invoice_by_order on invoice (organization_id, order_id);
select protect('invoice', 'select, insert');

-- How much of each invoice is credited: never more than it is over.
create table invoice_balance (
    organization_id uuid not null constraint invoice_balance_organization_fkey references organization,
    invoice_id uuid constraint invoice_balance_pkey primary key constraint invoice_balance_invoice_fkey references invoice,
    gross_amount bigint not null,
    credited_amount bigint not null default 0 constraint invoice_credited_not_negative check (credited_amount >= 0),
    constraint invoice_credited_within check (credited_amount <= gross_amount)
);
create index invoice_balance_by_organization on invoice_balance (organization_id);
select protect('invoice_balance', 'select, insert, update');

create function invoice_balances() returns trigger language plpgsql as $$
begin
    if new.kind = 'invoice' then
        insert into invoice_balance (organization_id, invoice_id, gross_amount)
        values (new.organization_id, new.id, new.gross_amount);
    else
        update invoice_balance set credited_amount = credited_amount + new.gross_amount where invoice_id = new.invoice_id;
        if not found then
            raise exception 'a credit note takes back an invoice'
                using errcode = 'check_violation', constraint = 'invoice_credits_an_invoice';
        end if;
    end if;
    return null;
end $$;
create trigger invoice_balanced after insert on invoice for each row execute function invoice_balances();

-- Numbers have no gaps: each is one more than the last of its series, which is there when it is not the first.
create function invoice_numbers() returns trigger language plpgsql as $$
begin
    if new.sequence > 1 and not exists (select from invoice
            where organization_id = new.organization_id and prefix = new.prefix and sequence = new.sequence - 1) then
        raise exception 'the number before % of the series % was never issued', new.sequence, new.prefix
            using errcode = 'check_violation', constraint = 'invoice_numbers_without_gaps';
    end if;
    return new;
end $$;
create trigger invoice_numbered before insert on invoice for each row execute function invoice_numbers();
