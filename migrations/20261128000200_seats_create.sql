-- Reserved seating: maps of venues, which of them an event uses, and who has which seat.

create table seat_map (
    organization_id uuid not null constraint seat_map_organization_fkey references organization,
    id uuid constraint seat_map_pkey primary key,
    venue_id uuid not null,
    name text not null constraint seat_map_name_not_empty check (name <> ''),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint seat_map_same_organization unique (organization_id, id),
    constraint seat_map_venue_fkey foreign key (organization_id, venue_id) references venue (organization_id, id)
);
create unique index seat_map_name_key on seat_map (organization_id, venue_id, lower(name));
select protect('seat_map', 'select, insert, update');

create table seat_section (
    organization_id uuid not null constraint seat_section_organization_fkey references organization,
    id uuid constraint seat_section_pkey primary key,
    seat_map_id uuid not null,
    name text not null constraint seat_section_name_not_empty check (name <> ''),
    -- From the best to the last.
    position integer not null,
    constraint seat_section_same_map unique (organization_id, seat_map_id, id),
    constraint seat_section_map_fkey foreign key (organization_id, seat_map_id) references seat_map (organization_id, id)
);
create unique index seat_section_name_key on seat_section (seat_map_id, lower(name));
select protect('seat_section', 'select, insert, delete');

create table seat (
    organization_id uuid not null constraint seat_organization_fkey references organization,
    id uuid constraint seat_pkey primary key,
    seat_map_id uuid not null,
    section_id uuid not null,
    row_label text not null constraint seat_row_form check (row_label ~ '^[[:alnum:]]+$'),
    -- From the front to the back.
    row_position integer not null,
    label text not null constraint seat_label_form check (label ~ '^[[:alnum:]]+$'),
    -- Where it is in its row; an aisle takes a number of its own.
    position integer not null,
    kind text not null constraint seat_kind_known check (kind in ('standard', 'accessible', 'companion')),
    -- The accessible neighbour whose company sits here.
    companion_of uuid,
    constraint seat_same_map unique (organization_id, seat_map_id, id),
    constraint seat_section_fkey foreign key (organization_id, seat_map_id, section_id)
        references seat_section (organization_id, seat_map_id, id),
    constraint seat_companion_fkey foreign key (organization_id, seat_map_id, companion_of)
        references seat (organization_id, seat_map_id, id),
    constraint seat_companion_has_neighbour check ((kind = 'companion') = (companion_of is not null))
);
create unique index seat_label_key on seat (section_id, lower(row_label), lower(label));
create index seat_by_companion on seat (companion_of) where companion_of is not null;
select protect('seat', 'select, insert, delete');

-- The map that an event uses.
create table event_seating (
    organization_id uuid not null constraint event_seating_organization_fkey references organization,
    event_id uuid constraint event_seating_pkey primary key,
    seat_map_id uuid not null,
    constraint event_seating_same_map unique (organization_id, event_id, seat_map_id),
    constraint event_seating_event_fkey foreign key (organization_id, event_id)
        references event (organization_id, id) on delete cascade,
    constraint event_seating_map_fkey foreign key (organization_id, seat_map_id) references seat_map (organization_id, id)
);
create index event_seating_by_map on event_seating (organization_id, seat_map_id);
select protect('event_seating');

-- What a ticket type sells: seats of these sections.
create table ticket_type_section (
    organization_id uuid not null constraint ticket_type_section_organization_fkey references organization,
    event_id uuid not null,
    seat_map_id uuid not null,
    ticket_type_id uuid not null,
    section_id uuid not null,
    constraint ticket_type_section_pkey primary key (ticket_type_id, section_id),
    constraint ticket_type_section_seating_fkey foreign key (organization_id, event_id, seat_map_id)
        references event_seating (organization_id, event_id, seat_map_id) on delete cascade,
    constraint ticket_type_section_type_fkey foreign key (organization_id, event_id, ticket_type_id)
        references ticket_type (organization_id, event_id, id) on delete cascade,
    constraint ticket_type_section_section_fkey foreign key (organization_id, seat_map_id, section_id)
        references seat_section (organization_id, seat_map_id, id)
);
create index ticket_type_section_by_event on ticket_type_section (organization_id, event_id, seat_map_id);
create index ticket_type_section_by_section on ticket_type_section (organization_id, seat_map_id, section_id);
select protect('ticket_type_section', 'select, insert, delete');

-- Who has a seat of an event: a hold, then the order that takes it over, then its ticket; or nobody may have it.
create table seat_claim (
    organization_id uuid not null constraint seat_claim_organization_fkey references organization,
    id uuid constraint seat_claim_pkey primary key,
    event_id uuid not null,
    seat_map_id uuid not null,
    seat_id uuid not null,
    -- Null: the organizer keeps it out of the sale.
    ticket_type_id uuid,
    hold_id uuid,
    order_id uuid,
    ticket_id uuid,
    status text not null constraint seat_claim_status_known check (status in ('live', 'ended')),
    created_at timestamptz not null,
    ended_at timestamptz,
    constraint seat_claim_seating_fkey foreign key (organization_id, event_id, seat_map_id)
        references event_seating (organization_id, event_id, seat_map_id),
    constraint seat_claim_seat_fkey foreign key (organization_id, seat_map_id, seat_id)
        references seat (organization_id, seat_map_id, id),
    constraint seat_claim_type_fkey foreign key (organization_id, event_id, ticket_type_id)
        references ticket_type (organization_id, event_id, id),
    constraint seat_claim_hold_fkey foreign key (organization_id, hold_id) references hold (organization_id, id),
    constraint seat_claim_order_fkey foreign key (organization_id, event_id, order_id)
        references orders (organization_id, event_id, id),
    constraint seat_claim_ticket_fkey foreign key (organization_id, ticket_id) references ticket (organization_id, id),
    constraint seat_claim_has_owner check ((ticket_type_id is null) = (hold_id is null and order_id is null)),
    constraint seat_claim_ticket_has_order check (ticket_id is null or order_id is not null),
    constraint seat_claim_ended_has_time check ((status = 'live') = (ended_at is null))
);
-- Whoever would have a seat that somebody has is refused here, whatever was read before.
create unique index seat_claim_live on seat_claim (event_id, seat_id) where status = 'live';
create index seat_claim_by_event on seat_claim (organization_id, event_id, ticket_type_id);
create index seat_claim_by_seat on seat_claim (organization_id, seat_map_id, seat_id);
create index seat_claim_by_hold on seat_claim (organization_id, hold_id) where hold_id is not null;
create index seat_claim_by_order on seat_claim (organization_id, order_id) where order_id is not null;
create unique index seat_claim_by_ticket on seat_claim (ticket_id) where ticket_id is not null;
select protect('seat_claim', 'select, insert, update, delete');

-- "Stalls A 12".
create function seat_name(wanted uuid) returns text
language sql stable parallel safe
return (select section.name || ' ' || seat.row_label || ' ' || seat.label
        from seat join seat_section section on section.id = seat.section_id where seat.id = wanted);

-- Whether claims have to follow when it ends, so that nobody looks for any where there are no seats.
alter table hold add column is_seated boolean not null default false;

-- Gives the tickets of an order, in their order, the seats it has, from the front to the back.
create function seats_to_tickets(wanted uuid) returns void language sql as $$
    update seat_claim set ticket_id = pair.ticket_id
    from (select claim.id, issued.id as ticket_id
          from (select c.id, c.ticket_type_id, row_number() over (
                    partition by c.ticket_type_id order by section.position, seat.row_position, seat.position) as number
                from seat_claim c join seat on seat.id = c.seat_id join seat_section section on section.id = seat.section_id
                where c.order_id = wanted and c.status = 'live' and c.ticket_id is null) as claim
          join (select t.id, t.ticket_type_id, row_number() over (partition by t.ticket_type_id order by t.id) as number
                from ticket t where t.order_id = wanted and t.status = 'valid'
                  and not exists (select from seat_claim where ticket_id = t.id)) as issued
            using (ticket_type_id, number)) as pair
    where seat_claim.id = pair.id
$$;

-- A claim ends with what has it, in whichever way that ends.
create function seats_follow_hold() returns trigger language plpgsql as $$
begin
    if new.status = 'ordered' then
        update seat_claim set order_id = new.order_id where hold_id = new.id and status = 'live';
        perform seats_to_tickets(new.order_id);
    else
        update seat_claim set status = 'ended', ended_at = new.ended_at where hold_id = new.id and status = 'live';
    end if;
    return null;
end $$;
create trigger seats_follow after update of status on hold for each row
    when (old.is_seated and old.status = 'live' and new.status <> 'live') execute function seats_follow_hold();

create function seats_follow_order() returns trigger language plpgsql as $$
begin
    update seat_claim set status = 'ended', ended_at = new.updated_at where order_id = new.id and status = 'live';
    return null;
end $$;
create trigger seats_follow after update of status on orders for each row
    when (old.status in ('pending', 'paid') and new.status in ('expired', 'cancelled')) execute function seats_follow_order();

create function seats_follow_ticket() returns trigger language plpgsql as $$
begin
    update seat_claim set status = 'ended', ended_at = new.voided_at where ticket_id = new.id and status = 'live';
    return null;
end $$;
create trigger seats_follow after update of status on ticket for each row
    when (old.status = 'valid' and new.status = 'void') execute function seats_follow_ticket();
