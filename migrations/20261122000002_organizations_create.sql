-- Organizations, the people in them, and the tokens they make.

create table organization (
    id uuid constraint organization_pkey primary key,
    name text not null constraint organization_name_not_empty check (name <> ''),
    slug text not null constraint organization_slug_key unique
        constraint organization_slug_form check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    -- Defaults for new events.
    currency text not null constraint organization_currency_form check (currency ~ '^[A-Z]{3}$'),
    zone text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
alter table organization enable row level security;
alter table organization force row level security;
create policy own_organization on organization to eventos_app
    using (id = (select current_organization())) with check (id = (select current_organization()));
grant select, insert, update on organization to eventos_app;
create policy find on organization for select to eventos_system using (true);
grant select on organization to eventos_system;

-- A person with a login. People are not owned by an organization; being a member is what an organization sees of them.
create table users (
    id uuid constraint users_pkey primary key,
    email text not null,
    name text not null,
    created_at timestamptz not null
);
create unique index users_email_key on users (lower(email));
alter table users enable row level security;
alter table users force row level security;

create table member (
    organization_id uuid not null constraint member_organization_fkey references organization,
    user_id uuid not null constraint member_user_fkey references users,
    role text not null
        constraint member_role_known check (role in ('owner', 'manager', 'box_office', 'door', 'viewer')),
    created_at timestamptz not null,
    constraint member_pkey primary key (organization_id, user_id)
);
create index member_user on member (user_id);
select protect('member');
create policy find on member for select to eventos_system using (true);
grant select on member to eventos_system;

-- An organization sees its own members' names; it may add people.
create policy own_members on users for select to eventos_app
    using (exists (select from member where member.user_id = users.id and organization_id = (select current_organization())));
create policy add_people on users for insert to eventos_app with check (true);
grant select, insert on users to eventos_app;
create policy find on users for select to eventos_system using (true);
grant select on users to eventos_system;

-- Bearer tokens. Only a hash is kept; the token itself is shown once.
create table api_token (
    organization_id uuid not null constraint api_token_organization_fkey references organization,
    id uuid constraint api_token_pkey primary key,
    user_id uuid not null,
    name text not null,
    hash bytea not null constraint api_token_hash_key unique
        constraint api_token_hash_length check (length(hash) = 32),
    scopes text[] not null,
    toolsets text[],
    read_only boolean not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint api_token_member_fkey foreign key (organization_id, user_id) references member
);
create index api_token_organization on api_token (organization_id, id);
select protect('api_token', 'select, insert, update');
-- Authentication happens before the organization is known.
create policy authenticate on api_token for select to eventos_system using (true);
create policy note_use on api_token for update to eventos_system using (true) with check (true);
grant select on api_token to eventos_system;
grant update (last_used_at) on api_token to eventos_system;
