-- Definitions of workflows: immutable versions, and which of them is on.

create table workflow (
    organization_id uuid not null constraint workflow_organization_fkey references organization,
    id uuid constraint workflow_pkey primary key,
    name text not null constraint workflow_name_form
        check (name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 80),
    title text not null,
    -- Library ones follow the program; once an organization saves its own version, they are its own.
    source text not null constraint workflow_source_known check (source in ('library', 'organization')),
    latest_version integer not null,
    enabled_version integer,
    enabled_by uuid constraint workflow_user_fkey references users,
    enabled_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint workflow_name_key unique (organization_id, name),
    constraint workflow_enabled check ((enabled_version is null) = (enabled_at is null))
);
select protect('workflow', 'select, insert, update');
create policy work on workflow for select to eventos_system using (true);
grant select on workflow to eventos_system;

create table workflow_version (
    organization_id uuid not null,
    workflow_id uuid not null constraint workflow_version_workflow_fkey references workflow,
    version integer not null constraint workflow_version_positive check (version > 0),
    body text not null constraint workflow_version_length check (length(body) <= 65536),
    created_by uuid constraint workflow_version_user_fkey references users,
    created_at timestamptz not null,
    constraint workflow_version_pkey primary key (workflow_id, version)
);
create index workflow_version_organization on workflow_version (organization_id, workflow_id);
-- Never changed: runs are pinned to them.
select protect('workflow_version', 'select, insert');
create policy work on workflow_version for select to eventos_system using (true);
grant select on workflow_version to eventos_system;

-- What starts the enabled version, for the dispatcher and the scheduler.
create table workflow_trigger (
    organization_id uuid not null,
    workflow_id uuid not null constraint workflow_trigger_workflow_fkey references workflow,
    number smallint not null,
    type text not null constraint workflow_trigger_type_known check (type in ('change', 'cron', 'manual', 'webhook')),
    kind text,
    constraint workflow_trigger_pkey primary key (workflow_id, number),
    constraint workflow_trigger_change check ((type = 'change') = (kind is not null))
);
create index workflow_trigger_organization on workflow_trigger (organization_id, workflow_id);
create index workflow_trigger_kind on workflow_trigger (kind, organization_id) where kind is not null;
select protect('workflow_trigger', 'select, insert, delete');
create policy work on workflow_trigger for select to eventos_system using (true);
grant select on workflow_trigger to eventos_system;
