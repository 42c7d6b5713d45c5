-- What changed, and what was answered.

-- One row per change: the audit trail and the outbox are this table, so they cannot disagree. Rows are never updated
-- or deleted; the application's role has no right to.
create table change (
    organization_id uuid not null constraint change_organization_fkey references organization,
    id uuid constraint change_pkey primary key,
    sequence bigint generated always as identity,
    -- For readers of the outbox: rows below the oldest running transaction are complete, sequence numbers are not.
    transaction_id xid8 not null default pg_current_xact_id(),
    at timestamptz not null,
    kind text not null constraint change_kind_form check (kind ~ '^[a-z_]+\.[a-z_]+$'),
    subject_kind text not null,
    subject_id uuid not null,
    summary text not null,
    payload jsonb not null,
    actor jsonb not null,
    client text,
    operation text not null,
    request_id uuid not null
);
create index change_newest on change (organization_id, at desc, id desc);
create index change_subject on change (organization_id, subject_id, at desc);
create index change_outbox on change (transaction_id, sequence);
select protect('change', 'select, insert');
create policy relay on change for select to eventos_system using (true);
grant select on change to eventos_system;

-- The answer to a request that came with an idempotency key, written in the request's own transaction.
create table idempotency_key (
    organization_id uuid not null constraint idempotency_key_organization_fkey references organization,
    actor text not null,
    key text not null constraint idempotency_key_length check (length(key) between 1 and 200),
    operation text not null,
    input_digest bytea not null,
    answer jsonb not null,
    created_at timestamptz not null,
    constraint idempotency_key_pkey primary key (organization_id, actor, key)
);
select protect('idempotency_key');

-- What long-lived connections agreed on. Belongs to no organization and holds no rights or business data.
create table client_session (
    id_hash bytea constraint client_session_pkey primary key,
    data jsonb not null,
    created_at timestamptz not null,
    used_at timestamptz not null,
    expires_at timestamptz not null
);
create index client_session_expiry on client_session (expires_at);
grant select, insert, update, delete on client_session to eventos_system;
