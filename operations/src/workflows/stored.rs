//! Stored workflows for the engine: what a change or the clock may start, and the definition of a version. Across
//! organizations, because workers serve all of them.

use domain::{Actor, Cx, OrganizationId, Permissions, Timestamp, UserId, WorkflowId, Zone};
use store::StoreError;

use super::{definition::Definition, sql};
use crate::{
    App,
    organizations::{self, Organization},
};

/// An enabled workflow of some organization.
#[derive(Debug, Clone)]
pub struct Enabled {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// The organization's zone, for schedules without one of their own.
    pub zone: Zone,
    /// Its id.
    pub workflow_id: WorkflowId,
    /// Its name.
    pub name: String,
    /// The version that is on.
    pub version: i32,
    /// The member who switched it on; none for those of the library that are on from the start.
    pub enabled_by: Option<UserId>,
    /// When it was switched on: nothing before starts it.
    pub enabled_at: Timestamp,
    /// What it is.
    pub definition: Definition,
}

/// Enabled workflows that changes of these kinds may start.
pub async fn started_by(app: &App, kinds: &[String]) -> Result<Vec<Enabled>, StoreError> {
    enabled(app, Some(kinds)).await
}

/// Enabled workflows that the clock starts.
pub async fn scheduled(app: &App) -> Result<Vec<Enabled>, StoreError> {
    enabled(app, None).await
}

/// A version of an organization's workflow, or the enabled one, with its number; none if there is none.
pub async fn load(
    app: &App,
    organization_id: OrganizationId,
    workflow: &str,
    version: Option<i32>,
) -> Result<Option<(i32, Definition)>, StoreError> {
    let mut tx = app.store().system("load a workflow").await?;
    let found = sql::body_of(tx.conn(), organization_id, workflow, version).await?;
    Ok(found.and_then(|(version, body)| Some((version, parse(workflow, &body)?))))
}

async fn enabled(app: &App, kinds: Option<&[String]>) -> Result<Vec<Enabled>, StoreError> {
    let mut tx = app.store().system("find enabled workflows").await?;
    let rows = sql::enabled(tx.conn(), kinds).await?;
    let enabled = rows.into_iter().filter_map(|row| {
        Some(Enabled {
            definition: parse(&row.name, &row.body)?,
            organization_id: row.organization_id,
            zone: row.zone,
            workflow_id: row.workflow_id,
            name: row.name,
            version: row.version,
            enabled_by: row.enabled_by,
            enabled_at: row.enabled_at,
        })
    });
    Ok(enabled.collect())
}

/// A stored definition was right when it was saved; a newer program may know better.
fn parse(workflow: &str, body: &str) -> Option<Definition> {
    match Definition::parse(body) {
        Ok(definition) => Some(definition),
        Err(problems) => {
            let problem = problems
                .first()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::warn!(workflow, problem, "A stored workflow can no longer be read");
            None
        }
    }
}

/// The facts of an organization that its runs see.
pub async fn facts(app: &App, organization_id: OrganizationId) -> Result<Organization, StoreError> {
    let actor = Actor::System {
        reason: "workflows",
    };
    let cx = Cx::new(organization_id, actor, Permissions::NONE);
    let mut tx = app.store().read(&cx).await?;
    Ok(organizations::current(tx.conn()).await?)
}
