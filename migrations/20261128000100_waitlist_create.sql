-- People who wait for a ticket type that is sold out. An offer to one of them is a hold, so that pools count it like any other.

create table waitlist_entry (
    organization_id uuid not null constraint waitlist_entry_organization_fkey references organization,
    id uuid constraint waitlist_entry_pkey primary key,
    event_id uuid not null,
    ticket_type_id uuid not null,
    -- How many come together: they are offered places for all of them or none.
    quantity integer not null constraint waitlist_entry_quantity_positive check (quantity > 0),
    name text not null,
    email text not null,
    priority integer not null default 0 constraint waitlist_entry_priority_in_range check (priority between 0 and 100),
    -- What became of an offer is known from its hold at once; here it is written down when somebody looks.
    status text not null constraint waitlist_entry_status_known
        check (status in ('waiting', 'offered', 'bought', 'lapsed', 'left')),
    -- How often somebody behind was offered places that were too few for them.
    passed_over integer not null default 0 constraint waitlist_entry_passed_over_not_negative check (passed_over >= 0),
    joined_at timestamptz not null,
    hold_id uuid,
    offered_at timestamptz,
    ended_at timestamptz,
    constraint waitlist_entry_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint waitlist_entry_ticket_type_fkey foreign key (organization_id, event_id, ticket_type_id)
        references ticket_type (organization_id, event_id, id),
    constraint waitlist_entry_hold_fkey foreign key (organization_id, hold_id) references hold (organization_id, id),
    constraint waitlist_entry_offer_is_whole check ((hold_id is null) = (offered_at is null)),
    constraint waitlist_entry_offer_is_a_hold check (
        case status when 'waiting' then hold_id is null when 'left' then true else hold_id is not null end),
    constraint waitlist_entry_ended_has_time check ((status in ('waiting', 'offered')) = (ended_at is null))
);
-- Nobody waits twice for the same.
create unique index waitlist_entry_open_key on waitlist_entry (organization_id, ticket_type_id, lower(email))
    where status in ('waiting', 'offered');
-- Asked by everybody who buys: empty for what nobody waits for.
create index waitlist_entry_waiting on waitlist_entry (ticket_type_id) include (quantity) where status = 'waiting';
create index waitlist_entry_in_turn on waitlist_entry (organization_id, event_id, priority desc, joined_at, id);
create unique index waitlist_entry_hold_key on waitlist_entry (hold_id);
-- Asked whenever places come free: whether anybody is to be told.
create index waitlist_entry_open on waitlist_entry (event_id) where status in ('waiting', 'offered');
select protect('waitlist_entry', 'select, insert, update');
