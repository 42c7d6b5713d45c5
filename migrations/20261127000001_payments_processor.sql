-- Orders that are paid through a processor: what was asked of it, what came in, what is given back.

-- Until when an order can be paid; one without waits as long as the organizer likes.
alter table orders add column pay_by timestamptz;
create index orders_unpaid on orders (pay_by) where status = 'pending' and pay_by is not null;
create policy find_unpaid on orders for select to eventos_system using (status = 'pending' and pay_by is not null);
grant select (organization_id, id, status, pay_by) on orders to eventos_system;

-- One try to have an order paid on a page of a processor. Written before the processor is asked, so that whoever asks
-- again after a crash asks for the same.
create table payment_attempt (
    organization_id uuid not null constraint payment_attempt_organization_fkey references organization,
    id uuid constraint payment_attempt_pkey primary key,
    order_id uuid not null,
    attempt integer not null constraint payment_attempt_counted check (attempt > 0),
    method text not null constraint payment_attempt_method_known check (method in ('stripe')),
    status text not null constraint payment_attempt_status_known
        check (status in ('asked', 'open', 'processing', 'paid', 'expired', 'refused')),
    amount bigint not null constraint payment_attempt_amount_positive check (amount > 0),
    currency text not null,
    return_url text not null,
    started_at timestamptz not null,
    closes_at timestamptz not null,
    -- The processor's ids of the page and of the payment made there.
    reference text,
    payment_reference text,
    page_url text,
    updated_at timestamptz not null,
    constraint payment_attempt_once unique (organization_id, order_id, attempt),
    constraint payment_attempt_order_fkey foreign key (organization_id, order_id) references orders (organization_id, id),
    constraint payment_attempt_answered check ((reference is null) = (status in ('asked', 'refused')))
);
create unique index payment_attempt_reference on payment_attempt (method, reference);
create index payment_attempt_payment on payment_attempt (method, payment_reference);
create index payment_attempt_unsettled on payment_attempt (organization_id, started_at)
    where status in ('asked', 'open', 'processing');
select protect('payment_attempt', 'select, insert, update');
-- Processors tell of a page or a payment; whose it is stands here.
create policy find_owner on payment_attempt for select to eventos_system using (true);
grant select (organization_id, order_id, reference, payment_reference) on payment_attempt to eventos_system;

alter table payment
    drop constraint payment_method_known,
    add constraint payment_method_known check (method in ('manual', 'stripe')),
    add column processor_reference text,
    add constraint payment_reference_by_method check ((method = 'manual') = (processor_reference is null));
-- The same money is counted once, however often it is told of.
create unique index payment_once on payment (method, processor_reference);

-- Money that is to be given back counts as given back until that has failed: nobody can give it back twice meanwhile.
alter table refund
    drop constraint refund_method_known,
    add constraint refund_method_known check (method in ('manual', 'stripe')),
    add column payment_id uuid,
    add column status text not null default 'done' constraint refund_status_known
        check (status in ('pending', 'done', 'failed')),
    add column processor_reference text,
    add column failure text,
    add column updated_at timestamptz,
    add constraint refund_payment_fkey foreign key (organization_id, payment_id) references payment (organization_id, id),
    add constraint refund_payment_by_method check ((method = 'manual') = (payment_id is null)),
    add constraint refund_failed_has_reason check ((status = 'failed') = (failure is not null));
alter table refund alter column status drop default;
create unique index refund_once on refund (method, processor_reference);
create index refund_pending on refund (organization_id, created_at) where status = 'pending';
grant update (status, processor_reference, failure, updated_at) on refund to eventos_app;

-- What a processor has told, once each, before anything is done about it. Whose it is shows only when it is looked up,
-- so it belongs to no organization; what is known to be about a checkout, a payment or a refund is looked up there, and
-- nothing of it is kept here. Shapes that are not known are kept whole for people to look at, for thirty days.
create table processor_notice (
    method text not null,
    once_key text not null,
    topic text not null,
    about text,
    order_id uuid,
    raw jsonb,
    received_at timestamptz not null,
    -- When the job that looks it up was queued, or it turned out to be nobody's.
    taken_at timestamptz,
    constraint processor_notice_pkey primary key (method, once_key)
);
create index processor_notice_waiting on processor_notice (received_at) where taken_at is null;
create index processor_notice_age on processor_notice (received_at);
grant select, insert, update, delete on processor_notice to eventos_system;
