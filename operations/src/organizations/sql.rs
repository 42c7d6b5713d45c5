//! Every query on `organization`, `users` and `member`; with a member go their tokens.

use domain::{Currency, Cx, Language, Name, OrganizationId, UserId, Zone};
use sqlx::PgConnection;

use super::{list_members::Member, model::Organization};
use crate::permission::Role;

/// The organization of the transaction.
pub(crate) async fn current(conn: &mut PgConnection) -> sqlx::Result<Organization> {
    sqlx::query_as!(
        Organization,
        "select id, name, slug, currency, zone from organization"
    )
    .fetch_one(conn)
    .await
}

/// How an organization's mails look and where answers go.
pub(crate) struct Face {
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) accent_color: Option<String>,
    pub(crate) reply_email: Option<String>,
}

/// How the mails of the transaction's organization look.
pub(crate) async fn face(conn: &mut PgConnection) -> sqlx::Result<Face> {
    sqlx::query_as!(
        Face,
        "select name, language, accent_color, reply_email from organization"
    )
    .fetch_one(conn)
    .await
}

/// The organization of the transaction, held until it ends.
pub(super) async fn lock(conn: &mut PgConnection) -> sqlx::Result<Organization> {
    sqlx::query_as!(
        Organization,
        "select id, name, slug, currency, zone from organization for update"
    )
    .fetch_one(conn)
    .await
}

/// Changes how mails look, where a value is given.
pub(super) async fn update_face(
    conn: &mut PgConnection,
    language: Option<Language>,
    accent_color: Option<&str>,
    reply_email: Option<&str>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update organization set language = coalesce($1, language), accent_color = coalesce($2, accent_color),
           reply_email = coalesce($3, reply_email)",
        language as _,
        accent_color,
        reply_email,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Text in the form of a slug: `Spring Gala 2027!` is `spring-gala-2027`. Empty when no letter survives.
pub(crate) async fn slug_form(conn: &mut PgConnection, text: &str) -> sqlx::Result<String> {
    sqlx::query_scalar!(
        r#"select left(trim(both '-' from regexp_replace(search_form($1), '[^a-z0-9]+', '-', 'g')), 80) as "slug!""#,
        text
    )
    .fetch_one(conn)
    .await
    .map(|slug| slug.trim_matches('-').to_owned())
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    organization: &Organization,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into organization (id, name, slug, currency, zone, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $6)",
        organization.id as _,
        organization.name,
        organization.slug,
        organization.currency as _,
        &organization.zone as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn update(
    conn: &mut PgConnection,
    cx: &Cx,
    name: Option<&Name>,
    currency: Option<Currency>,
    zone: Option<&Zone>,
) -> sqlx::Result<Organization> {
    sqlx::query_as!(
        Organization,
        "update organization set name = coalesce($1, name), currency = coalesce($2, currency), \
           zone = coalesce($3, zone), updated_at = $4 \
         returning id, name, slug, currency, zone",
        name as _,
        currency as _,
        zone as _,
        cx.now as _,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn find_user(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!("select id from users where lower(email) = lower($1)", email)
        .fetch_optional(conn)
        .await
}

pub(super) async fn insert_user(
    conn: &mut PgConnection,
    cx: &Cx,
    email: &str,
    name: &str,
) -> sqlx::Result<UserId> {
    let id = cx.new_id::<UserId>();
    sqlx::query!(
        "insert into users (id, email, name, created_at) values ($1, $2, $3, $4)",
        id as _,
        email,
        name,
        cx.now as _
    )
    .execute(conn)
    .await?;
    Ok(id)
}

pub(super) async fn insert_member(
    conn: &mut PgConnection,
    cx: &Cx,
    user_id: UserId,
    role: Role,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into member (organization_id, user_id, role, created_at) values ($1, $2, $3, $4)",
        cx.organization_id as _,
        user_id as _,
        role as _,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(crate) async fn members(conn: &mut PgConnection) -> sqlx::Result<Vec<Member>> {
    sqlx::query_as!(
        Member,
        "select member.user_id, users.name, users.email, member.role \
         from member join users on users.id = member.user_id order by member.created_at, member.user_id"
    )
    .fetch_all(conn)
    .await
}

/// The member with an address.
pub(super) async fn member_at(
    conn: &mut PgConnection,
    email: &str,
) -> sqlx::Result<Option<Member>> {
    sqlx::query_as!(
        Member,
        "select member.user_id, users.name, users.email, member.role \
         from member join users on users.id = member.user_id where lower(users.email) = lower($1)",
        email
    )
    .fetch_optional(conn)
    .await
}

/// How many owners there are besides one member.
pub(super) async fn other_owners(conn: &mut PgConnection, user_id: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from member where role = 'owner' and user_id <> $1"#,
        user_id as _
    )
    .fetch_one(conn)
    .await
}

/// Writes down what a member is called, where they are reached and what they may do.
pub(super) async fn update_member(conn: &mut PgConnection, member: &Member) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set name = $2, email = $3 where id = $1 and (name, email) <> ($2, $3)",
        member.user_id as _,
        member.name,
        member.email
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update member set role = $2 where user_id = $1",
        member.user_id as _,
        member.role as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a person out of the organization, with their tokens; the person stays, for what they did.
pub(super) async fn remove_member(conn: &mut PgConnection, user_id: UserId) -> sqlx::Result<()> {
    sqlx::query!("delete from api_token where user_id = $1", user_id as _)
        .execute(&mut *conn)
        .await?;
    sqlx::query!("delete from member where user_id = $1", user_id as _)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether a person belongs to another organization. Needs the system role.
pub(super) async fn belongs_elsewhere(
    conn: &mut PgConnection,
    user_id: UserId,
    organization_id: OrganizationId,
) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from member where user_id = $1 and organization_id <> $2) as "elsewhere!""#,
        user_id as _,
        organization_id as _
    )
    .fetch_one(conn)
    .await
}

/// Name and address of a member, or of nobody when they have left.
pub(crate) async fn member(
    conn: &mut PgConnection,
    user_id: UserId,
) -> sqlx::Result<Option<(String, String)>> {
    let found = sqlx::query!("select name, email from users where id = $1", user_id as _)
        .fetch_optional(conn)
        .await?;
    Ok(found.map(|row| (row.name, row.email)))
}

/// Organizations with this slug or this id, or the first of all of them, with an owner of each. Needs the system role.
pub(super) async fn find(
    conn: &mut PgConnection,
    slug: Option<&str>,
    id: Option<OrganizationId>,
) -> sqlx::Result<Vec<(OrganizationId, String, UserId)>> {
    let rows = sqlx::query!(
        "select distinct on (organization.id) organization.id, organization.slug, member.user_id \
         from organization join member on member.organization_id = organization.id and member.role = 'owner' \
         where ($1::text is null or organization.slug = $1) and ($2::uuid is null or organization.id = $2) \
         order by organization.id, member.created_at limit 50",
        slug,
        id as _,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.id, row.slug, row.user_id))
        .collect())
}

/// The next organizations behind one, with their slugs. Needs the system role.
pub(super) async fn behind(
    conn: &mut PgConnection,
    last: Option<OrganizationId>,
) -> sqlx::Result<Vec<(OrganizationId, String)>> {
    let rows = sqlx::query!(
        "select id, slug from organization where $1::uuid is null or id > $1 order by id limit 50",
        last as _
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.slug)).collect())
}
