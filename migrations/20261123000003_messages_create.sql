-- What EventOS sends to people and programs outside, and who does not want it.

-- How an organization's mails look and where answers go.
alter table organization
    add column language text not null default 'en' constraint organization_language_known check (language in ('en', 'de')),
    add column accent_color text constraint organization_accent_color_form check (accent_color ~ '^#[0-9a-f]{6}$'),
    add column reply_email text;

-- An organization's own words, in place of or beside the templates that come with the program.
create table message_template (
    organization_id uuid not null constraint message_template_organization_fkey references organization,
    id uuid constraint message_template_pkey primary key,
    name text not null constraint message_template_name_form check (name ~ '^[a-z][a-z0-9_]*$'),
    language text not null constraint message_template_language_known check (language in ('en', 'de')),
    kind text not null constraint message_template_kind_known check (kind in ('transactional', 'marketing')),
    subject text not null,
    preheader text not null,
    -- Markdown with placeholders.
    body text not null,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint message_template_name_key unique (organization_id, name, language)
);
select protect('message_template', 'select, insert, update');

-- One message to one person, already worded. Erasing a person blanks recipient_name, recipient_address, subject, html,
-- text and attachments of the rows found by address; the rest stays as proof that something was sent.
create table message (
    organization_id uuid not null constraint message_organization_fkey references organization,
    id uuid constraint message_pkey primary key,
    template text not null,
    language text not null,
    kind text not null constraint message_kind_known check (kind in ('transactional', 'marketing')),
    channel text not null constraint message_channel_known check (channel in ('email', 'sms')),
    recipient_address text not null,
    recipient_name text not null,
    subject text not null,
    html text not null,
    text text not null,
    headers jsonb not null default '{}',
    attachments jsonb not null default '[]',
    event_id uuid,
    order_id uuid,
    ticket_id uuid,
    -- What makes a message the same message: asked for again, it is not sent again.
    dedupe_key text not null constraint message_dedupe_key_length check (length(dedupe_key) between 1 and 300),
    status text not null
        constraint message_status_known check (status in ('queued', 'sending', 'sent', 'failed', 'suppressed', 'cancelled')),
    send_at timestamptz not null,
    -- Counts every time somebody took it up; also tells an outdated sender from the present one.
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    lease_owner text,
    lease_until timestamptz,
    -- The Message-ID header: set with the first attempt and the same for all others.
    message_id text,
    -- What the other side said last. May name the address.
    error text,
    error_code integer,
    created_at timestamptz not null,
    sent_at timestamptz,
    updated_at timestamptz not null,
    constraint message_dedupe_key_key unique (organization_id, dedupe_key),
    constraint message_same_organization unique (organization_id, id),
    constraint message_event_fkey foreign key (organization_id, event_id) references event (organization_id, id) on delete set null (event_id),
    constraint message_order_fkey foreign key (organization_id, order_id) references orders (organization_id, id),
    constraint message_ticket_fkey foreign key (organization_id, ticket_id) references ticket (organization_id, id),
    constraint message_sending_has_lease check ((status = 'sending') = (lease_until is not null)),
    constraint message_sent_has_time check ((status = 'sent') <= (sent_at is not null))
);
create index message_newest on message (organization_id, created_at desc, id desc);
create index message_by_event on message (organization_id, event_id, created_at desc, id desc) where event_id is not null;
create index message_by_address on message (organization_id, lower(recipient_address));
-- What is to be sent next: people's own business before news.
create index message_due on message ((kind = 'marketing'), next_attempt_at) where status in ('queued', 'sending');
create index message_sent_lately on message (sent_at) where sent_at is not null;
select protect('message', 'select, insert, update');
create policy send on message for select to eventos_system using (true);
create policy settle on message for update to eventos_system using (true) with check (true);
grant select on message to eventos_system;
grant update (status, attempts, next_attempt_at, lease_owner, lease_until, message_id, error, error_code, sent_at, updated_at)
    on message to eventos_system;

-- Addresses that get no mail, or no news. Outlives erasure: it is what keeps a promise to somebody who has left.
create table suppression (
    organization_id uuid not null constraint suppression_organization_fkey references organization,
    id uuid constraint suppression_pkey primary key,
    address text not null,
    reason text not null constraint suppression_reason_known check (reason in ('unsubscribed', 'refused', 'complained', 'manual')),
    scope text not null constraint suppression_scope_known check (scope in ('marketing', 'all')),
    note text,
    created_at timestamptz not null,
    constraint suppression_unsubscribed_is_marketing check (reason <> 'unsubscribed' or scope = 'marketing')
);
create unique index suppression_address_key on suppression (organization_id, lower(address), scope);
create index suppression_newest on suppression (organization_id, created_at desc, id desc);
select protect('suppression', 'select, insert, update, delete');
create policy honour on suppression for select to eventos_system using (true);
create policy refuse on suppression for insert to eventos_system with check (true);
grant select, insert on suppression to eventos_system;

-- Other people's programs that want to know what changed.
create table webhook_endpoint (
    organization_id uuid not null constraint webhook_endpoint_organization_fkey references organization,
    id uuid constraint webhook_endpoint_pkey primary key,
    url text not null,
    -- The kinds of change wanted; null for all.
    kinds text[],
    -- What signs, newest first; two while one replaces the other. Kept readable, because signing needs them.
    secrets text[] not null constraint webhook_endpoint_has_secret check (cardinality(secrets) between 1 and 2),
    status text not null constraint webhook_endpoint_status_known check (status in ('enabled', 'disabled', 'gone')),
    -- Changes up to this transaction have been looked at.
    position bigint not null,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint webhook_endpoint_same_organization unique (organization_id, id)
);
create unique index webhook_endpoint_url_key on webhook_endpoint (organization_id, url);
select protect('webhook_endpoint', 'select, insert, update');
create policy relay on webhook_endpoint for select to eventos_system using (true);
create policy advance on webhook_endpoint for update to eventos_system using (true) with check (true);
grant select on webhook_endpoint to eventos_system;
grant update (position, status, updated_at) on webhook_endpoint to eventos_system;

-- One change for one endpoint.
create table webhook_delivery (
    organization_id uuid not null constraint webhook_delivery_organization_fkey references organization,
    id uuid constraint webhook_delivery_pkey primary key,
    -- The order in which they are delivered and listed.
    sequence bigint generated always as identity,
    endpoint_id uuid not null,
    change_id uuid not null,
    kind text not null,
    body text not null,
    status text not null
        constraint webhook_delivery_status_known check (status in ('queued', 'sending', 'delivered', 'failed')),
    attempts integer not null default 0,
    next_attempt_at timestamptz not null,
    lease_owner text,
    lease_until timestamptz,
    response_code integer,
    error text,
    created_at timestamptz not null,
    delivered_at timestamptz,
    constraint webhook_delivery_once unique (organization_id, endpoint_id, change_id),
    constraint webhook_delivery_endpoint_fkey foreign key (organization_id, endpoint_id) references webhook_endpoint (organization_id, id),
    constraint webhook_delivery_sending_has_lease check ((status = 'sending') = (lease_until is not null))
);
create index webhook_delivery_by_endpoint on webhook_delivery (organization_id, endpoint_id, sequence desc);
create index webhook_delivery_due on webhook_delivery (next_attempt_at) where status in ('queued', 'sending');
select protect('webhook_delivery', 'select, update');
create policy relay on webhook_delivery for select to eventos_system using (true);
create policy fan_out on webhook_delivery for insert to eventos_system with check (true);
create policy settle on webhook_delivery for update to eventos_system using (true) with check (true);
grant select, insert on webhook_delivery to eventos_system;
grant update (status, attempts, next_attempt_at, lease_owner, lease_until, response_code, error, delivered_at)
    on webhook_delivery to eventos_system;
