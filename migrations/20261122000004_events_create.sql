-- Venues, events, series, what is on sale.

create table venue (
    organization_id uuid not null constraint venue_organization_fkey references organization,
    id uuid constraint venue_pkey primary key,
    name text not null constraint venue_name_not_empty check (name <> ''),
    address text,
    city text,
    country text constraint venue_country_form check (country ~ '^[A-Z]{2}$'),
    zone text not null,
    capacity integer constraint venue_capacity_positive check (capacity > 0),
    notes text,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    archived_at timestamptz,
    constraint venue_same_organization unique (organization_id, id)
);
create unique index venue_name_key on venue (organization_id, lower(name)) where archived_at is null;
select protect('venue', 'select, insert, update');

create table series (
    organization_id uuid not null constraint series_organization_fkey references organization,
    id uuid constraint series_pkey primary key,
    title text not null,
    -- RFC 5545, without DTSTART: the first date is the first event's local start.
    rule text not null,
    created_at timestamptz not null,
    constraint series_same_organization unique (organization_id, id)
);
select protect('series', 'select, insert, update');

create table event (
    organization_id uuid not null constraint event_organization_fkey references organization,
    id uuid constraint event_pkey primary key,
    slug text not null constraint event_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    title text not null constraint event_title_not_empty check (title <> ''),
    summary text,
    -- Markdown.
    description text,
    status text not null constraint event_status_known check (status in ('draft', 'published', 'cancelled', 'archived')),
    format text not null constraint event_format_known check (format in ('in_person', 'online', 'hybrid')),
    venue_id uuid,
    online_url text,
    -- The truth: what the clock on the wall shows, and whose clock. The instants are derived from them.
    starts_local timestamp not null,
    ends_local timestamp not null,
    zone text not null,
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    currency text not null constraint event_currency_form check (currency ~ '^[A-Z]{3}$'),
    series_id uuid,
    -- The event this one was copied from.
    source_id uuid,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    published_at timestamptz,
    cancelled_at timestamptz,
    cancellation_reason text,
    search_text text not null generated always as (search_form(title || ' ' || slug || ' ' || coalesce(summary, ''))) stored,
    constraint event_same_organization unique (organization_id, id),
    constraint event_slug_key unique (organization_id, slug),
    constraint event_venue_fkey foreign key (organization_id, venue_id) references venue (organization_id, id),
    constraint event_series_fkey foreign key (organization_id, series_id) references series (organization_id, id),
    constraint event_ends_after_start check (ends_at > starts_at),
    constraint event_has_place check (
        status <> 'published' or (format = 'online' or venue_id is not null) and (format = 'in_person' or online_url is not null)),
    constraint event_cancelled_has_time check ((status = 'cancelled') <= (cancelled_at is not null))
);
create index event_by_start on event (organization_id, starts_at, id);
create index event_by_venue on event (organization_id, venue_id) where venue_id is not null;
create index event_by_series on event (organization_id, series_id) where series_id is not null;
create index event_search on event using gin (search_text gin_trgm_ops);
select protect('event', 'select, insert, update, delete');

-- A limit shared by one or several ticket types. The counters are changed only by guarded updates; the check is the
-- last line of defence.
create table capacity_pool (
    organization_id uuid not null constraint capacity_pool_organization_fkey references organization,
    id uuid constraint capacity_pool_pkey primary key,
    event_id uuid not null,
    -- Null: the pool of one ticket type alone.
    name text constraint capacity_pool_name_not_empty check (name <> ''),
    -- Null: unlimited.
    capacity integer constraint capacity_pool_capacity_not_negative check (capacity >= 0),
    held_count integer not null default 0 constraint capacity_pool_held_not_negative check (held_count >= 0),
    sold_count integer not null default 0 constraint capacity_pool_sold_not_negative check (sold_count >= 0),
    blocked_count integer not null default 0 constraint capacity_pool_blocked_not_negative check (blocked_count >= 0),
    created_at timestamptz not null,
    constraint capacity_pool_same_organization unique (organization_id, id),
    constraint capacity_pool_same_event unique (organization_id, event_id, id),
    constraint capacity_pool_event_fkey foreign key (organization_id, event_id) references event (organization_id, id) on delete cascade,
    constraint capacity_pool_not_oversold check (held_count + sold_count + blocked_count <= capacity)
);
create unique index capacity_pool_name_key on capacity_pool (organization_id, event_id, lower(name));
select protect('capacity_pool');

create table ticket_type (
    organization_id uuid not null constraint ticket_type_organization_fkey references organization,
    id uuid constraint ticket_type_pkey primary key,
    event_id uuid not null,
    pool_id uuid not null,
    name text not null constraint ticket_type_name_not_empty check (name <> ''),
    description text,
    price_amount bigint not null constraint ticket_type_price_not_negative check (price_amount >= 0),
    price_currency text not null,
    position integer not null,
    visibility text not null constraint ticket_type_visibility_known check (visibility in ('public', 'hidden')),
    -- Local times in the event's zone, as the organizer said them; null: no limit on that side.
    sales_start_local timestamp,
    sales_end_local timestamp,
    sales_start_at timestamptz,
    sales_end_at timestamptz,
    min_per_order integer not null constraint ticket_type_min_positive check (min_per_order >= 1),
    max_per_order integer not null,
    version integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    archived_at timestamptz,
    constraint ticket_type_same_organization unique (organization_id, id),
    constraint ticket_type_event_fkey foreign key (organization_id, event_id) references event (organization_id, id) on delete cascade,
    constraint ticket_type_pool_fkey foreign key (organization_id, event_id, pool_id) references capacity_pool (organization_id, event_id, id),
    constraint ticket_type_limits_ordered check (min_per_order <= max_per_order),
    constraint ticket_type_window_ordered check (sales_start_at < sales_end_at)
);
create unique index ticket_type_name_key on ticket_type (organization_id, event_id, lower(name)) where archived_at is null;
create index ticket_type_by_event on ticket_type (organization_id, event_id, position);
create index ticket_type_by_pool on ticket_type (organization_id, pool_id);
select protect('ticket_type');
