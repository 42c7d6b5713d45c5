//! Founding an organization, and finding one before anyone is signed in.
//!
//! Not operations: there is no context yet. Called by the program when it starts and by its commands.

use domain::{
    Actor, Currency, Cx, EmailAddress, Name, OrganizationId, Permissions, UserId, Zone,
    ids::Id as _,
};
use store::{ResultExt as _, StoreError};

use super::{changes::OrganizationCreated, model::Organization, sql};
use crate::{App, permission::Role};

/// What a new organization needs.
#[derive(Debug, Clone)]
pub struct FoundOrganization {
    /// What it is called.
    pub name: Name,
    /// Its name in addresses and on the command line; unique.
    pub slug: String,
    /// The currency new events take.
    pub currency: Currency,
    /// The zone new venues take.
    pub zone: Zone,
    /// The first owner; a known person keeps their account.
    pub owner_email: EmailAddress,
    /// The first owner's name.
    pub owner_name: Name,
}

/// Creates an organization with its first owner. Returns `None` when the slug is taken.
pub async fn found_organization(
    app: &App,
    command: &FoundOrganization,
) -> Result<Option<(OrganizationId, UserId)>, StoreError> {
    let known = {
        let mut tx = app
            .store()
            .system("find the owner of a new organization")
            .await?;
        sql::find_user(tx.conn(), command.owner_email.as_str()).await?
    };
    let actor = Actor::System { reason: "founding" };
    let nowhere = OrganizationId::from(uuid::Uuid::nil());
    let mut cx = Cx::new(nowhere, actor, Permissions::all());
    cx.organization_id = cx.new_id();
    cx.operation = "found_organization";
    let organization = Organization {
        id: cx.organization_id,
        name: command.name.to_string(),
        slug: command.slug.clone(),
        currency: command.currency,
        zone: command.zone.clone(),
    };
    let mut tx = app.store().write(&cx).await?;
    let inserted = sql::insert(tx.conn(), &cx, &organization).await;
    if let Err(taken) = inserted.on_constraint("organization_slug_key", || Taken(None)) {
        return taken.0.map_or(Ok(None), Err);
    }
    let user_id = match known {
        Some(user_id) => user_id,
        None => {
            sql::insert_user(
                tx.conn(),
                &cx,
                command.owner_email.as_str(),
                command.owner_name.as_str(),
            )
            .await?
        }
    };
    sql::insert_member(tx.conn(), &cx, user_id, Role::Owner).await?;
    let change = OrganizationCreated {
        organization_id: cx.organization_id,
        name: organization.name,
    };
    tx.commit(change, Some((organization.id, user_id))).await
}

/// The slug is taken (`None`), or the store failed.
struct Taken(Option<StoreError>);

impl From<StoreError> for Taken {
    fn from(error: StoreError) -> Self {
        Self(Some(error))
    }
}

/// Organizations by slug or id, or all of them (at most 50), each with its slug and first owner.
pub async fn find_organization(
    app: &App,
    wanted: Option<&str>,
) -> Result<Vec<(OrganizationId, String, UserId)>, StoreError> {
    let mut tx = app.store().system("find an organization").await?;
    let id = wanted
        .filter(|wanted| wanted.starts_with(OrganizationId::PREFIX))
        .and_then(|wanted| wanted.parse::<OrganizationId>().ok());
    let slug = wanted.filter(|_| id.is_none());
    Ok(sql::find(tx.conn(), slug, id).await?)
}

/// The next fifty organizations behind one, with their slugs; none at the end.
pub async fn organizations_behind(
    app: &App,
    last: Option<OrganizationId>,
) -> Result<Vec<(OrganizationId, String)>, StoreError> {
    let mut tx = app.store().system("go through the organizations").await?;
    Ok(sql::behind(tx.conn(), last).await?)
}
