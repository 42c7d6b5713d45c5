-- Conversations of people with agents. A turn is a run of the workflow engine; what people see of it is entries.

create table conversation (
    organization_id uuid not null constraint conversation_organization_fkey references organization,
    id uuid constraint conversation_pkey primary key,
    agent text not null constraint conversation_agent_name check (agent ~ '^[a-z][a-z_]{0,39}$'),
    title text not null constraint conversation_title_length check (length(title) between 1 and 200),
    -- Whose it is: nobody else sees it.
    user_id uuid not null constraint conversation_user_fkey references users,
    -- What they might do when they began; the agent never may more, whatever they become.
    permissions text[] not null,
    turn_count integer not null default 0,
    -- The newest entry's number: surfaces follow by it.
    last_seq bigint not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint conversation_organization_key unique (organization_id, id)
);
create index conversation_newest on conversation (organization_id, user_id, updated_at desc, id desc);
select protect('conversation', 'select, insert, update');

create table conversation_turn (
    organization_id uuid not null constraint conversation_turn_organization_fkey references organization,
    conversation_id uuid not null,
    number integer not null constraint conversation_turn_number_positive check (number > 0),
    -- None once the run is forgotten.
    run_id uuid constraint conversation_turn_run_fkey references workflow_run on delete set null,
    -- How it ended; none while it goes on, and of a run that ended without a word.
    outcome text constraint conversation_turn_outcome_known check (outcome in ('answered', 'failed', 'stopped')),
    -- What was said, as it is told to the model again in later turns.
    messages jsonb,
    -- Whether strangers' text was read: from then on the conversation reaches nobody outside without a person.
    is_tainted boolean not null default false,
    started_at timestamptz not null,
    ended_at timestamptz,
    constraint conversation_turn_pkey primary key (conversation_id, number),
    constraint conversation_turn_conversation_fkey foreign key (organization_id, conversation_id)
        references conversation (organization_id, id) on delete cascade,
    constraint conversation_turn_ended check ((outcome is null) = (ended_at is null))
);
create unique index conversation_turn_run on conversation_turn (run_id) where run_id is not null;
create index conversation_turn_by_organization on conversation_turn (organization_id);
select protect('conversation_turn', 'select, insert, update');

create table conversation_entry (
    organization_id uuid not null constraint conversation_entry_organization_fkey references organization,
    conversation_id uuid not null,
    seq bigint not null,
    turn integer not null,
    -- Which part of the turn it is: a step that is done anew writes over what it wrote.
    part text not null,
    kind text not null constraint conversation_entry_kind_known check (kind in ('asked', 'text', 'said', 'tool', 'ended')),
    body jsonb not null,
    at timestamptz not null,
    constraint conversation_entry_pkey primary key (conversation_id, seq),
    constraint conversation_entry_part_key unique (conversation_id, turn, part),
    constraint conversation_entry_conversation_fkey foreign key (organization_id, conversation_id)
        references conversation (organization_id, id) on delete cascade
);
create index conversation_entry_by_organization on conversation_entry (organization_id);
select protect('conversation_entry', 'select, insert, update, delete');
