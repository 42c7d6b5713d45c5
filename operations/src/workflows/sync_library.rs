//! `sync_library`: the workflows that ship with the program, kept up to date in each organization.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::WorkflowEnabled, definition::Definition, model::WorkflowSource, problem::Problem,
    save_workflow, sql,
};
use crate::{App, Effect, Operation, organizations};

/// Bring the library's workflows up to date. What the organization has made its own is left alone; what is on moves
/// to the new version, because it came with the program.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SyncLibrary {
    /// The library.
    pub workflows: Vec<LibraryWorkflow>,
}

/// A workflow of the library.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LibraryWorkflow {
    /// Its name, the `id` of its definition.
    pub name: String,
    /// Its definition.
    pub source: String,
    /// Whether it is on in organizations that see it for the first time: only where it is harmless.
    pub enabled_by_default: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SyncedLibrary {
    /// Seen for the first time.
    pub added: Vec<String>,
    /// Got a new version.
    pub updated: Vec<String>,
    /// The organization's own, left alone.
    pub kept: Vec<String>,
}

impl Operation for SyncLibrary {
    const NAME: &'static str = "sync_library";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::WorkflowsWrite;
    type Output = SyncedLibrary;
    type Error = SyncLibraryError;

    async fn run(self, app: &App, cx: &Cx) -> Result<SyncedLibrary, SyncLibraryError> {
        let mut tx = app.store().write(cx).await?;
        let home = organizations::current(tx.conn()).await?.zone;
        let mut answer = SyncedLibrary::default();
        for library in &self.workflows {
            let definition =
                Definition::parse(&library.source).map_err(|problems| SyncLibraryError::Wrong {
                    name: library.name.clone(),
                    problems,
                })?;
            let before = sql::lock(tx.conn(), definition.name()).await?;
            if before
                .as_ref()
                .is_some_and(|stored| stored.source == WorkflowSource::Organization)
            {
                answer.kept.push(library.name.clone());
                continue;
            }
            let (stored, saved) = save_workflow::store(
                &mut tx,
                cx,
                &definition,
                &library.source,
                WorkflowSource::Library,
            )
            .await?;
            let Some(saved) = saved else { continue };
            tx.also(&saved);
            let list = if before.is_some() {
                &mut answer.updated
            } else {
                &mut answer.added
            };
            list.push(library.name.clone());
            let is_on = before.map_or(library.enabled_by_default, |before| {
                before.enabled_version.is_some()
            });
            if is_on {
                let triggers = definition.triggers();
                let enabled = Some((stored.latest_version, stored.enabled_by, triggers));
                sql::switch(tx.conn(), cx, stored.id, enabled).await?;
                tx.also(&WorkflowEnabled {
                    workflow_id: stored.id,
                    workflow: stored.name,
                    title: stored.title,
                    version: stored.latest_version,
                    starts: triggers
                        .iter()
                        .map(|trigger| trigger.describe(&home))
                        .collect(),
                    steps: definition.outline(),
                });
            }
        }
        Ok(tx.unchanged(answer).await?)
    }
}

/// How `sync_library` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SyncLibraryError {
    /// A definition of the library has mistakes.
    #[error("the library's workflow {name:?} has mistakes:\n{}", save_workflow::lines(.problems))]
    Wrong {
        /// Which one.
        name: String,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const WRONG: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "library_wrong",
    "This is a defect of the program; report it.",
);

impl Fault for SyncLibraryError {
    fn specs() -> Vec<FaultSpec> {
        vec![WRONG]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Wrong { .. } => WRONG.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SyncLibraryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflows::{GetWorkflow, SaveWorkflow},
    };

    fn yaml(name: &str, title: &str) -> String {
        format!(
            "id: {name}\ntitle: {title}\non: [{{change: order.paid}}]\nsteps:\n  - {{id: events, operation: list_events}}\n"
        )
    }

    fn library(title: &str) -> SyncLibrary {
        let one = |name: &str, enabled_by_default| LibraryWorkflow {
            name: name.to_owned(),
            source: yaml(name, title),
            enabled_by_default,
        };
        SyncLibrary {
            workflows: vec![one("harmless", true), one("other", false)],
        }
    }

    async fn get(scene: &Scene, name: &str) -> super::super::WorkflowDetail {
        scene
            .run(GetWorkflow {
                workflow: name.to_owned(),
                version: None,
            })
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn adds_updates_and_leaves_ones_own_alone() {
        let scene = Scene::new().await;
        let first = scene.run(library("One")).await.unwrap();
        assert_eq!(first.added, ["harmless", "other"]);
        assert!(get(&scene, "harmless").await.workflow.is_enabled);
        assert!(!get(&scene, "other").await.workflow.is_enabled);
        assert_eq!(
            scene.run(library("One")).await.unwrap(),
            SyncedLibrary::default()
        );
        scene
            .run(SaveWorkflow {
                yaml: yaml("other", "Mine"),
            })
            .await
            .unwrap();
        let second = scene.run(library("Two")).await.unwrap();
        assert_eq!(
            (second.updated, second.kept),
            (vec!["harmless".to_owned()], vec!["other".to_owned()])
        );
        assert_eq!(
            get(&scene, "harmless").await.workflow.enabled_version,
            Some(2)
        );
        assert_eq!(get(&scene, "other").await.workflow.title, "Mine");
        let other = scene.other_organization().await;
        assert_eq!(
            scene
                .app
                .run(&other, library("Two"))
                .await
                .unwrap()
                .added
                .len(),
            2
        );
    }

    #[tokio::test]
    async fn refuses_a_library_with_mistakes_and_repeats_nothing() {
        let scene = Scene::new().await;
        let mut wrong = library("One");
        wrong.workflows[1].source.push_str("  - {}\n");
        assert_refused(scene.run(wrong).await, "library_wrong");
        scene.assert_idempotent(library("One")).await;
    }
}
