//! `get_workflow` and `list_workflows`.

use domain::{Cx, Facts, Fault, FaultSpec, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::StoreError;

use super::{
    definition::Definition,
    model::{Stored, UnknownWorkflow, Workflow},
    sql,
};
use crate::{App, Effect, Operation, organizations};

/// A workflow with its definition as YAML: the version that is on, or the newest.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWorkflow {
    /// Its name.
    pub workflow: String,
    /// Another version.
    pub version: Option<i32>,
}

/// A workflow and its definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowDetail {
    /// The workflow.
    pub workflow: Workflow,
    /// Which version this is.
    pub version: i32,
    /// The definition.
    pub yaml: String,
    /// What it does, a line for each step.
    pub steps: Vec<String>,
}

impl Operation for GetWorkflow {
    const NAME: &'static str = "get_workflow";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::WorkflowsRead;
    type Output = WorkflowDetail;
    type Error = WorkflowLookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowDetail, WorkflowLookupError> {
        let mut tx = app.store().read(cx).await?;
        let Version {
            stored,
            number: version,
            yaml,
            definition,
        } = version(tx.conn(), &self.workflow, self.version).await?;
        let home = organizations::current(tx.conn()).await?.zone;
        Ok(WorkflowDetail {
            workflow: stored.seen(cx, &definition, &home),
            version,
            steps: definition.outline(),
            yaml,
        })
    }
}

/// All workflows: what starts them, whether they are on, when the clock starts them next.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListWorkflows {}

/// All workflows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WorkflowList {
    /// By name.
    pub workflows: Vec<Workflow>,
}

impl Operation for ListWorkflows {
    const NAME: &'static str = "list_workflows";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::WorkflowsRead;
    type Output = WorkflowList;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WorkflowList, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let home = organizations::current(tx.conn()).await?.zone;
        let rows = sql::list(tx.conn()).await?;
        let seen = |(stored, body): (Stored, String)| {
            Some(stored.seen(cx, &Definition::parse(&body).ok()?, &home))
        };
        Ok(WorkflowList {
            workflows: rows.into_iter().filter_map(seen).collect(),
        })
    }
}

/// One version of a stored workflow.
pub(crate) struct Version {
    pub(crate) stored: Stored,
    pub(crate) number: i32,
    pub(crate) yaml: String,
    pub(crate) definition: Definition,
}

/// A version of a workflow: the one asked for, the enabled one, or the newest.
pub(crate) async fn version(
    conn: &mut PgConnection,
    name: &str,
    wanted: Option<i32>,
) -> Result<Version, WorkflowLookupError> {
    let Some(stored) = sql::find(conn, name.trim()).await? else {
        let known = sql::names(conn).await?;
        return Err(UnknownWorkflow::new(name, None, &known).into());
    };
    let version = wanted
        .or(stored.enabled_version)
        .unwrap_or(stored.latest_version);
    let Some(yaml) = sql::body(conn, stored.id, version).await? else {
        return Err(UnknownWorkflow::new(name, Some(version), &[]).into());
    };
    let definition =
        Definition::parse(&yaml).map_err(|problems| WorkflowLookupError::Outdated {
            name: name.to_owned(),
            version,
            problems: super::save_workflow::lines(&problems),
        })?;
    Ok(Version {
        stored,
        number: version,
        yaml,
        definition,
    })
}

/// A workflow, or a version of it, was not found.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowLookupError {
    /// There is none.
    #[error(transparent)]
    Unknown(#[from] UnknownWorkflow),
    /// It was right when it was stored, and no longer is.
    #[error("version {version} of the workflow {name:?} can no longer be read:\n{problems}")]
    Outdated {
        /// The workflow.
        name: String,
        /// Its version.
        version: i32,
        /// What is wrong, a line for each.
        problems: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const OUTDATED: FaultSpec = FaultSpec::new(
    domain::FaultKind::Conflict,
    "definition_outdated",
    "Save a corrected definition under the same id.",
);

impl Fault for WorkflowLookupError {
    fn specs() -> Vec<FaultSpec> {
        vec![UnknownWorkflow::SPEC, OUTDATED]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Unknown(unknown) => UnknownWorkflow::SPEC
                .at("workflow")
                .near(&unknown.candidates),
            Self::Outdated { .. } => OUTDATED.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for WorkflowLookupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        workflows::SaveWorkflow,
    };

    const YAML: &str = "id: look\ntitle: Look\nsteps:\n  - {id: events, operation: list_events}\n";

    fn get(name: &str, version: Option<i32>) -> GetWorkflow {
        GetWorkflow {
            workflow: name.to_owned(),
            version,
        }
    }

    #[tokio::test]
    async fn gives_the_definition_and_names_what_was_meant() {
        let scene = Scene::new().await;
        scene
            .run(SaveWorkflow {
                yaml: YAML.to_owned(),
            })
            .await
            .unwrap();
        let found = scene.run(get("look", None)).await.unwrap();
        assert_eq!((found.version, found.yaml.as_str()), (1, YAML));
        assert_eq!(
            scene.run(ListWorkflows {}).await.unwrap().workflows,
            [found.workflow]
        );
        let missing = scene.run(get("lok", None)).await;
        assert!(
            missing
                .as_ref()
                .unwrap_err()
                .to_string()
                .contains("Did you mean \"look\"?")
        );
        assert_refused(missing, "workflow_not_found");
        assert_refused(scene.run(get("look", Some(7))).await, "workflow_not_found");
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, get("look", None)).await,
            "workflow_not_found",
        );
    }
}
