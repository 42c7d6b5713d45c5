-- Addresses under which programs outside start a workflow.

create table workflow_webhook (
    organization_id uuid not null constraint workflow_webhook_organization_fkey references organization,
    id uuid constraint workflow_webhook_pkey primary key,
    workflow_id uuid not null constraint workflow_webhook_workflow_fkey references workflow
        constraint workflow_webhook_one unique,
    -- The address is a secret; only its hash is kept.
    hash bytea not null constraint workflow_webhook_hash_key unique
        constraint workflow_webhook_hash_length check (length(hash) = 32),
    -- What requests must be signed with; null where the address is enough. Kept readable, because checking needs it.
    signing_secret text,
    created_by uuid constraint workflow_webhook_user_fkey references users,
    created_at timestamptz not null
);
create index workflow_webhook_organization on workflow_webhook (organization_id, workflow_id);
select protect('workflow_webhook');
-- A request names its organization by nothing but the address.
create policy authenticate on workflow_webhook for select to eventos_system using (true);
grant select (organization_id, id, workflow_id, hash, signing_secret) on workflow_webhook to eventos_system;
