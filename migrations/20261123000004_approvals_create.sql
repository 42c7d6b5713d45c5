-- What waits for a person's decision: an operation with its exact input, or a question of a workflow.

create table approval (
    organization_id uuid not null constraint approval_organization_fkey references organization,
    id uuid constraint approval_pkey primary key,
    title text not null constraint approval_title_length check (length(title) between 1 and 500),
    -- Why a person is asked.
    reason text not null,
    -- The operation that runs when a person agrees; none for a plain question.
    operation text,
    input jsonb not null,
    input_digest bytea not null constraint approval_input_digest_length check (length(input_digest) = 32),
    -- What the dry run would have recorded: the approved run is kept only if it records exactly this.
    changes_digest bytea constraint approval_changes_digest_length check (length(changes_digest) = 32),
    preview text[] not null,
    show jsonb,
    requested_by jsonb not null,
    -- The requester's key, so that one who asks twice gets one question; and what they may do.
    requester text not null,
    permissions text[] not null,
    run_id uuid constraint approval_run_fkey references workflow_run on delete cascade,
    path text,
    -- The least role that decides.
    decides text not null constraint approval_decides_known check (decides in ('owner', 'manager')),
    status text not null constraint approval_status_known
        check (status in ('pending', 'approved', 'rejected', 'expired', 'stale', 'done')),
    expires_at timestamptz not null,
    decided_by uuid constraint approval_user_fkey references users,
    decided_at timestamptz,
    note text constraint approval_note_length check (length(note) <= 2000),
    result jsonb,
    -- The one that asks again, when this one's preview no longer held.
    replaced_by uuid constraint approval_replaced_fkey references approval,
    created_at timestamptz not null,
    constraint approval_decided check ((decided_by is null) = (decided_at is null))
);
create index approval_newest on approval (organization_id, id desc);
create unique index approval_open on approval (organization_id, requester, operation, input_digest)
    where status = 'pending' and run_id is null and operation is not null;
create unique index approval_step on approval (run_id, path) where run_id is not null;
select protect('approval', 'select, insert, update');
