-- Ticket types that are sold one after the other, such as early bird and regular: each names the one it follows, and is
-- on sale once that is sold out or over.
alter table ticket_type
    add column follows_id uuid,
    add constraint ticket_type_follows_fkey foreign key (organization_id, event_id, follows_id)
        references ticket_type (organization_id, event_id, id),
    add constraint ticket_type_follows_another check (follows_id <> id);
create unique index ticket_type_followed_once on ticket_type (follows_id) where archived_at is null;
