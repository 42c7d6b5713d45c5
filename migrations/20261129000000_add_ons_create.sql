-- Add-ons: ticket types that are only sold together with others of the same order, such as parking.

create table add_on (
    organization_id uuid not null,
    ticket_type_id uuid not null,
    -- With which it is sold.
    base_id uuid not null,
    constraint add_on_pkey primary key (ticket_type_id, base_id),
    constraint add_on_type_fkey foreign key (organization_id, ticket_type_id) references ticket_type (organization_id, id),
    constraint add_on_base_fkey foreign key (organization_id, base_id) references ticket_type (organization_id, id),
    constraint add_on_to_another check (ticket_type_id <> base_id)
);
create index add_on_by_organization on add_on (organization_id, base_id);
select protect('add_on', 'select, insert, delete');

-- At most so many of it for each of those in the order.
alter table ticket_type add column per_ticket integer constraint ticket_type_per_ticket_positive check (per_ticket > 0);
