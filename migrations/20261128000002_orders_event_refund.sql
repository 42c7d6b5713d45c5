-- What happens to the orders of a cancelled event: all are called off, some at a time, and the money goes back. One row
-- for an event, so that it is done once; how far it is.
create table event_refund (
    organization_id uuid not null constraint event_refund_organization_fkey references organization,
    event_id uuid not null,
    refund text not null constraint event_refund_known check (refund in ('none', 'full')),
    keep_amount bigint not null constraint event_refund_keep_not_negative check (keep_amount >= 0),
    currency text not null,
    reason text not null,
    -- How many times some were done.
    batch integer not null constraint event_refund_batch_counted check (batch >= 0),
    cancelled_count integer not null,
    refunded_amount bigint not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    finished_at timestamptz,
    constraint event_refund_pkey primary key (organization_id, event_id),
    constraint event_refund_event_fkey foreign key (organization_id, event_id) references event (organization_id, id)
);
select protect('event_refund', 'select, insert, update');
