-- What people say about an event once it is over.

-- One answer per ticket; it can be changed until the link to it ends.
create table survey_response (
    organization_id uuid not null constraint survey_response_organization_fkey references organization,
    id uuid constraint survey_response_pkey primary key,
    event_id uuid not null,
    ticket_id uuid not null,
    -- How likely they are to recommend it, 0 to 10.
    score smallint not null constraint survey_response_score_range check (score between 0 and 10),
    -- In their own words. Erasing an event's personal data blanks it; the score stays.
    comment text constraint survey_response_comment_length check (length(comment) between 1 and 2000),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint survey_response_once unique (organization_id, ticket_id),
    constraint survey_response_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint survey_response_ticket_fkey foreign key (organization_id, ticket_id) references ticket (organization_id, id)
);
create index survey_response_by_event on survey_response (organization_id, event_id, updated_at desc, id desc);
select protect('survey_response', 'select, insert, update');
