-- What language models cost: a row for each attempt, reserved before it is made and settled after.

create table model_budget (
    organization_id uuid not null constraint model_budget_pkey primary key
        constraint model_budget_organization_fkey references organization,
    -- Millionths of a US dollar.
    day_limit bigint not null constraint model_budget_day_limit_positive check (day_limit >= 0),
    month_limit bigint not null constraint model_budget_month_limit_positive check (month_limit >= 0),
    updated_at timestamptz not null
);
select protect('model_budget', 'select, insert, update');

create table model_call (
    organization_id uuid not null constraint model_call_organization_fkey references organization,
    id uuid constraint model_call_pkey primary key,
    -- The agent's run; not a reference, because a call is kept longer than its run.
    run_id uuid,
    agent text not null,
    step text not null,
    attempt integer not null constraint model_call_attempt_positive check (attempt > 0),
    -- As it was asked for, such as anthropic/claude-sonnet-5-5, and as the provider says it was.
    model text not null,
    served_model text,
    request_id text,
    -- The most it could cost, and what it did cost once that is known. Millionths of a US dollar.
    reserved bigint not null constraint model_call_reserved_positive check (reserved >= 0),
    cost bigint constraint model_call_cost_positive check (cost >= 0),
    input_tokens bigint not null default 0,
    output_tokens bigint not null default 0,
    cache_read_tokens bigint not null default 0,
    cache_write_tokens bigint not null default 0,
    -- Why it stopped, or what went wrong; none while it goes on.
    outcome text,
    started_at timestamptz not null,
    ended_at timestamptz,
    first_token_ms integer,
    constraint model_call_ended check ((ended_at is null) = (outcome is null))
);
create index model_call_by_time on model_call (organization_id, started_at);
create index model_call_by_run on model_call (organization_id, run_id) where run_id is not null;
select protect('model_call', 'select, insert, update');
