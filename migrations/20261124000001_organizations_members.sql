-- An organization may correct the names and addresses of its own people. That they belong to no other one is asked
-- first, by the operation.
create policy change_own_members on users for update to eventos_app
    using (exists (select from member where member.user_id = users.id and organization_id = (select current_organization())))
    with check (true);
grant update (email, name) on users to eventos_app;

-- With a member go the tokens that act for them.
grant delete on api_token to eventos_app;
