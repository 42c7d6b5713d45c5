-- Who may see what, before there is anything to see.
--
-- The application never works as the owner of the tables. Each transaction switches to one of two roles that neither
-- own anything nor bypass row-level security:
--   eventos_app     one organization, the one set for the transaction
--   eventos_system  a few columns across organizations, through its own narrow policies
-- Roles belong to the whole cluster, so another database of it may have made them already.

do $$
begin
    create role eventos_app nologin nosuperuser nobypassrls;
exception when duplicate_object or unique_violation then null;
end $$;

do $$
begin
    create role eventos_system nologin nosuperuser nobypassrls;
exception when duplicate_object or unique_violation then null;
end $$;

-- The owner switches to both; a superuser can anyway, and concurrent grants of the same role may collide.
do $$
begin
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant eventos_app, eventos_system to %I', current_user);
    end if;
end $$;

grant usage on schema public to eventos_app, eventos_system;

create extension if not exists pg_trgm;
create extension if not exists unaccent;

-- The organization of the transaction. Raises a clear error when none is set: an empty answer would look like
-- "nothing there", and the placeholder reads as an empty string on connections that were used before.
create function current_organization() returns uuid
language plpgsql stable parallel safe as $$
declare
    organization text := nullif(current_setting('eventos.organization', true), '');
begin
    if organization is null then
        raise exception 'no organization is set for this transaction' using errcode = 'insufficient_privilege';
    end if;
    return organization::uuid;
end $$;

-- Walls a table in: every row is seen and written only by its own organization, by the owner too.
create function protect(tab regclass, rights text default 'select, insert, update, delete') returns void
language plpgsql as $$
begin
    execute format('alter table %s enable row level security', tab);
    execute format('alter table %s force row level security', tab);
    execute format(
        'create policy own_organization on %s to eventos_app '
        'using (organization_id = (select current_organization())) '
        'with check (organization_id = (select current_organization()))', tab);
    execute format('grant %s on %s to eventos_app', rights, tab);
end $$;

-- Text as people search it: no accents, lower case. Immutable, so that generated columns and indexes can use it.
create function search_form(value text) returns text
language sql immutable parallel safe strict
return lower(public.unaccent('public.unaccent'::regdictionary, value));
