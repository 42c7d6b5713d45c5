//! Stored workflows for the engine: what a change or the clock may start, and the definition of a version. Across
//! organizations, because workers serve all of them.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

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

/// How many definitions are kept in memory.
const KEPT: usize = 2_000;

/// A version of an organization's workflow.
type Key = (OrganizationId, String, i32);

/// Definitions that were read before. Versions never change, so none grows old; reading them anew for every batch of
/// changes would cost more than all the rest.
#[derive(Default)]
pub struct Kept {
    /// None for one that cannot be read.
    definitions: Mutex<HashMap<Key, Option<Definition>>>,
}

impl Kept {
    /// Enabled workflows that changes of these kinds may start.
    pub async fn started_by(
        &self,
        app: &App,
        kinds: &[String],
    ) -> Result<Vec<Enabled>, StoreError> {
        self.enabled(app, Some(kinds)).await
    }

    /// Enabled workflows that the clock starts.
    pub async fn scheduled(&self, app: &App) -> Result<Vec<Enabled>, StoreError> {
        self.enabled(app, None).await
    }

    /// A version of an organization's workflow; none if there is none, or none that can be read.
    pub async fn definition(
        &self,
        app: &App,
        organization_id: OrganizationId,
        workflow: &str,
        version: i32,
    ) -> Result<Option<Definition>, StoreError> {
        let key = (organization_id, workflow.to_owned(), version);
        if let Some(kept) = self.definitions().get(&key) {
            return Ok(kept.clone());
        }
        let Some((_, definition)) = load(app, organization_id, workflow, Some(version)).await?
        else {
            return Ok(None);
        };
        self.keep(key, Some(definition.clone()));
        Ok(Some(definition))
    }

    async fn enabled(
        &self,
        app: &App,
        kinds: Option<&[String]>,
    ) -> Result<Vec<Enabled>, StoreError> {
        let mut tx = app.store().system("find enabled workflows").await?;
        let rows = sql::enabled(tx.conn(), kinds).await?;
        let unread: Vec<Key> = {
            let kept = self.definitions();
            let keys = rows.iter().map(key);
            keys.filter(|key| !kept.contains_key(key)).collect()
        };
        let mut found: HashMap<Key, Option<Definition>> = HashMap::new();
        for (key, body) in sql::bodies(tx.conn(), &unread).await? {
            let definition = parse(&key.1, &body);
            self.keep(key.clone(), definition.clone());
            found.insert(key, definition);
        }
        let kept = self.definitions();
        let enabled = rows.into_iter().filter_map(|row| {
            let key = key(&row);
            let definition = found.get(&key).or_else(|| kept.get(&key))?.clone()?;
            Some(Enabled {
                definition,
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

    fn keep(&self, key: Key, definition: Option<Definition>) {
        let mut kept = self.definitions();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, definition);
    }

    fn definitions(&self) -> MutexGuard<'_, HashMap<Key, Option<Definition>>> {
        (self.definitions.lock()).unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(row: &sql::Enabled) -> Key {
    (row.organization_id, row.name.clone(), row.version)
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

/// The organization a run belongs to, as its definition sees it.
pub async fn organization(
    app: &App,
    organization_id: OrganizationId,
) -> Result<Organization, StoreError> {
    let actor = Actor::System {
        reason: "workflows",
    };
    let cx = Cx::new(organization_id, actor, Permissions::NONE);
    let mut tx = app.store().read(&cx).await?;
    Ok(organizations::current(tx.conn()).await?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::Scene,
        workflows::{EnableWorkflow, SaveWorkflow},
    };

    async fn save(scene: &Scene, title: &str) {
        let yaml = format!(
            "id: look\ntitle: {title}\non: [{{change: order.paid}}]\nsteps:\n  - {{id: events, operation: list_events}}\n"
        );
        scene.run(SaveWorkflow { yaml }).await.unwrap();
        let on = EnableWorkflow {
            workflow: "look".to_owned(),
            version: None,
        };
        scene.run(on).await.unwrap();
    }

    #[tokio::test]
    async fn a_version_is_read_once_and_another_version_is_another() {
        let scene = Scene::new().await;
        let titles = async |kept: &Kept| {
            let kinds = ["order.paid".to_owned()];
            let found = kept.started_by(&scene.app, &kinds).await.unwrap();
            let title = |found: &Enabled| found.definition.title().to_owned();
            found.iter().map(title).collect::<Vec<_>>()
        };
        save(&scene, "One").await;
        let kept = Kept::default();
        assert_eq!(titles(&kept).await, ["One"]);
        // What cannot happen shows who reads again: a stored version becomes unreadable.
        scene
            .database
            .tell("update workflow_version set body = 'no'")
            .await;
        assert_eq!(titles(&kept).await, ["One"]);
        assert!(titles(&Kept::default()).await.is_empty(), "a control");
        save(&scene, "Two").await;
        assert_eq!(titles(&kept).await, ["Two"]);
        // One with room for nothing answers all the same.
        for number in 0..KEPT {
            let version = i32::try_from(number).unwrap() + 10;
            kept.keep(
                (scene.cx.organization_id, "other".to_owned(), version),
                None,
            );
        }
        assert_eq!(titles(&kept).await, ["Two"]);
    }
}
