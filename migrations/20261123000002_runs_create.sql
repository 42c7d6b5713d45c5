-- Runs of workflows: the queue, the steps that are done, what is waited for, and which ticks of a clock have fired.
--
-- Two clocks: `wake_at` and everything people see is the clock of the product, which the worker passes in; leases go by
-- the database's own clock, the only one all workers share.

create table workflow_run (
    organization_id uuid not null constraint workflow_run_organization_fkey references organization,
    id uuid constraint workflow_run_pkey primary key,
    workflow text not null constraint workflow_run_workflow_length check (length(workflow) between 1 and 200),
    version integer not null,
    -- Only for jobs, which have no definition of their own.
    definition jsonb,
    title text not null,
    idempotency_key text constraint workflow_run_key_length check (length(idempotency_key) between 1 and 300),
    concurrency_key text constraint workflow_run_concurrency_length check (length(concurrency_key) between 1 and 300),
    status text not null constraint workflow_run_status_known
        check (status in ('queued', 'running', 'waiting', 'paused', 'done', 'skipped', 'dead', 'cancelled')),
    trigger jsonb not null,
    params jsonb not null,
    variables jsonb not null default '{}',
    -- Due when not later than now. Null: waits for a change without an end, or for the run before it.
    wake_at timestamptz,
    lease_owner text,
    lease_until timestamptz,
    -- Counts the leases. Whatever a worker writes is refused unless this is still the number it was given.
    epoch bigint not null default 0,
    tries integer not null default 0,
    -- How often a lease ran out: the worker died over it, or was away too long.
    takeovers integer not null default 0,
    error jsonb,
    parent_run_id uuid constraint workflow_run_parent_fkey references workflow_run,
    parent_path text,
    output jsonb,
    -- Changes of transactions below this one were there before the run.
    since xid8 not null default pg_snapshot_xmin(pg_current_snapshot()),
    on_behalf_of uuid constraint workflow_run_user_fkey references users,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz,
    constraint workflow_run_once unique (organization_id, workflow, idempotency_key),
    constraint workflow_run_leased check ((status = 'running') = (lease_owner is not null and lease_until is not null)),
    constraint workflow_run_ended check ((status in ('done', 'skipped', 'dead', 'cancelled')) = (finished_at is not null))
);
-- What is due, over all and per organization: both stay small-cost however many wait for another day.
create index workflow_run_due on workflow_run (wake_at)
    where status in ('queued', 'waiting') and wake_at is not null;
create index workflow_run_due_of on workflow_run (organization_id, wake_at)
    where status in ('queued', 'waiting') and wake_at is not null;
create index workflow_run_held on workflow_run (organization_id, lease_until) where status = 'running';
create index workflow_run_dead on workflow_run (organization_id, id) where status = 'dead';
create index workflow_run_newest on workflow_run (organization_id, id desc);
create index workflow_run_parent on workflow_run (parent_run_id) where parent_run_id is not null;
create index workflow_run_concurrency on workflow_run (organization_id, workflow, concurrency_key, id)
    where concurrency_key is not null and status in ('queued', 'running', 'waiting', 'paused');
-- A queue changes its rows all the time; old versions are cleared away early.
alter table workflow_run set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
select protect('workflow_run', 'select, insert, update');
-- A worker looks for what is due and takes it; everything else it does as the run's organization.
create policy claim on workflow_run for select to eventos_system using (true);
create policy lease on workflow_run for update to eventos_system
    using (status in ('queued', 'waiting', 'running')) with check (status = 'running');
grant select on workflow_run to eventos_system;
grant update (status, lease_owner, lease_until, epoch, takeovers, started_at) on workflow_run to eventos_system;

-- A run that queued behind another of its key begins when that one has ended, whoever ended it.
create function workflow_run_release() returns trigger
language plpgsql as $$
begin
    -- The same lock as at the start of a run: a run that begins to queue right now is seen, or sees that this one ended.
    perform pg_advisory_xact_lock(
        hashtextextended(new.organization_id::text || new.workflow || '/' || new.concurrency_key, 0));
    update workflow_run set wake_at = new.finished_at
    where id = (
        select id from workflow_run
        where organization_id = new.organization_id and workflow = new.workflow
            and concurrency_key = new.concurrency_key and status = 'queued' and wake_at is null
        order by id limit 1
    );
    return null;
end $$;
create trigger workflow_run_release after update of status on workflow_run for each row
    when (new.concurrency_key is not null and old.finished_at is null and new.finished_at is not null)
    execute function workflow_run_release();

-- What a run has done. A row that says `done` is the only reason not to do a step again.
create table workflow_step (
    organization_id uuid not null,
    run_id uuid not null constraint workflow_step_run_fkey references workflow_run on delete cascade,
    path text not null constraint workflow_step_path_length check (length(path) between 1 and 240),
    kind text not null,
    status text not null constraint workflow_step_status_known check (status in ('started', 'done', 'failed', 'skipped')),
    input jsonb not null,
    output jsonb,
    error jsonb,
    tries integer not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    -- The lease under which it was written.
    epoch bigint not null,
    constraint workflow_step_pkey primary key (run_id, path)
);
create index workflow_step_organization on workflow_step (organization_id, run_id);
select protect('workflow_step');

-- What a run waits for; gone once it is answered. One row per thing waited for; one without kinds waits for time alone.
create table workflow_wait (
    organization_id uuid not null,
    run_id uuid not null constraint workflow_wait_run_fkey references workflow_run on delete cascade,
    path text not null,
    number integer not null,
    kinds text[] not null,
    about uuid,
    expires_at timestamptz,
    constraint workflow_wait_pkey primary key (run_id, path, number)
);
create index workflow_wait_about on workflow_wait (organization_id, about);
select protect('workflow_wait');
create policy dispatch on workflow_wait for select to eventos_system using (true);
grant select on workflow_wait to eventos_system;

-- A tick of a schedule that has fired: the key is what makes it fire once, whatever the number of schedulers.
create table workflow_fire (
    organization_id uuid not null constraint workflow_fire_organization_fkey references organization,
    workflow text not null,
    trigger smallint not null,
    due_at timestamptz not null,
    constraint workflow_fire_pkey primary key (organization_id, workflow, trigger, due_at)
);
select protect('workflow_fire', 'select, insert');
create policy schedule on workflow_fire for select to eventos_system using (true);
grant select on workflow_fire to eventos_system;

-- How far a reader of the changes has come; belongs to no organization. What was there before it is nobody's trigger.
create table workflow_cursor (
    name text constraint workflow_cursor_pkey primary key,
    position bigint not null
);
insert into workflow_cursor (name, position)
values ('dispatch', pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1);
grant select on workflow_cursor to eventos_system;
grant update (position) on workflow_cursor to eventos_system;

-- Whether what a run waits for has happened already.
create index change_kind on change (organization_id, kind, transaction_id);
