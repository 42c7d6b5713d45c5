-- The waiting room of an on-sale: whoever wants to buy takes a turn, turns come in the order of their numbers, and only so
-- many people choose at once. Those who come before it opens are numbered by lot.

create table waiting_room (
    organization_id uuid not null,
    event_id uuid constraint waiting_room_pkey primary key,
    opens_at timestamptz not null,
    -- So many choose at once, each for so long.
    at_once integer not null constraint waiting_room_at_once_in_range check (at_once between 1 and 10000),
    turn_minutes integer not null constraint waiting_room_turn_minutes_in_range check (turn_minutes between 1 and 60),
    -- What the lots are drawn with. Nobody outside knows it, so nobody can choose an id that wins.
    seed bytea not null constraint waiting_room_seed_length check (length(seed) = 32),
    is_drawn boolean not null default false,
    last_number bigint not null default 0,
    -- The highest number that had its turn.
    reached_number bigint not null default 0,
    -- When people were last let in, how many chose then, and whether there was room for no more.
    looked_at timestamptz,
    inside_count integer not null default 0,
    is_full boolean not null default false,
    -- How many turns ended while others waited, and in how long: the pace that estimates rest on.
    passed_count bigint not null default 0,
    busy_milliseconds bigint not null default 0,
    constraint waiting_room_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint waiting_room_reached_a_number check (reached_number between 0 and last_number)
);
create index waiting_room_by_organization on waiting_room (organization_id, event_id);
select protect('waiting_room', 'select, insert, update');

create table turn (
    organization_id uuid not null,
    id uuid constraint turn_pkey primary key,
    event_id uuid not null,
    -- None while lots are not drawn.
    number bigint constraint turn_number_positive check (number > 0),
    joined_at timestamptz not null,
    -- When it was last asked for: who is not there is passed over, and let in first on coming back.
    seen_at timestamptz not null,
    began_at timestamptz,
    ends_at timestamptz,
    constraint turn_organization_key unique (organization_id, id),
    constraint turn_event_fkey foreign key (organization_id, event_id) references event (organization_id, id),
    constraint turn_begins_with_a_number check (began_at is null or number is not null),
    constraint turn_begins_and_ends check ((began_at is null) = (ends_at is null))
);
create unique index turn_number_key on turn (event_id, number);
create index turn_waiting on turn (organization_id, event_id, number) where began_at is null;
create index turn_current on turn (organization_id, event_id, ends_at) where began_at is not null;
select protect('turn', 'select, insert, update');

-- Read with the event by everybody who buys.
alter table event add column has_waiting_room boolean not null default false;

alter table hold add column turn_id uuid,
    add constraint hold_turn_fkey foreign key (organization_id, turn_id) references turn (organization_id, id);
-- One hold at a time for a turn, and one order.
create unique index hold_turn_key on hold (turn_id) where status in ('live', 'ordered');
