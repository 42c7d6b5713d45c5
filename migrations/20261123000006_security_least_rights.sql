-- What is kept and who may read it, narrowed.

-- The system role reads the columns it works with: to authenticate, to find an organization's owner, to relay changes.
revoke select on users, member, api_token, change from eventos_system;
grant select (id, email) on users to eventos_system;
grant select (organization_id, user_id, role, created_at) on member to eventos_system;
grant select (organization_id, id, user_id, hash, scopes, toolsets, read_only, expires_at, last_used_at, revoked_at)
    on api_token to eventos_system;
grant select (organization_id, id, kind, subject_kind, subject_id, summary, payload, transaction_id, sequence, at)
    on change to eventos_system;

-- Remembered answers name people. They are forgotten after a week, and one that was given to somebody who may see
-- personal data is not given to somebody who may not. Those of before count as such.
alter table idempotency_key add column personal boolean not null default true;
create policy forget_find on idempotency_key for select to eventos_system
    using (created_at < now() - interval '7 days');
create policy forget on idempotency_key for delete to eventos_system
    using (created_at < now() - interval '7 days');
grant select (created_at), delete on idempotency_key to eventos_system;

-- Who was named when ordering is on the tickets once they are issued, and nowhere else. The owner is walled in too,
-- so the walls are opened for this transaction.
grant update (attendees) on order_item to eventos_app;
alter table orders no force row level security;
alter table order_item no force row level security;
update order_item set attendees = '[]'
where attendees <> '[]' and exists (select from orders where orders.id = order_item.order_id and orders.paid_at is not null);
alter table orders force row level security;
alter table order_item force row level security;
