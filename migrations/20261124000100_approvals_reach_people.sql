-- Mails that ask for a decision: about what, and of whom. The link in them is made when they are sent and kept nowhere.

alter table message
    add column approval_id uuid constraint message_approval_fkey references approval on delete set null,
    add column decider_id uuid constraint message_decider_fkey references users;
create index message_by_approval on message (approval_id) where approval_id is not null;

-- The sender looks whether there is still something to decide, and until when the link is good.
create policy send on approval for select to eventos_system using (true);
grant select (organization_id, id, status, expires_at) on approval to eventos_system;
