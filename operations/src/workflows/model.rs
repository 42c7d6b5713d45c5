//! A stored workflow as callers see it. Pure.

use domain::{Cx, FaultKind, FaultSpec, Timestamp, UserId, WorkflowId, Zone, fault::Candidate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    definition::{Definition, NextStart},
    problem::did_you_mean,
};

domain::text_enum! {
    /// Where a definition comes from.
    pub enum WorkflowSource {
        /// With the program; follows its updates.
        Library = "library",
        /// From the organization itself.
        Organization = "organization",
    }
}

domain::sqlx_as_text!(WorkflowSource);

/// A row of `workflow`.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) id: WorkflowId,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) source: WorkflowSource,
    pub(crate) latest_version: i32,
    pub(crate) enabled_version: Option<i32>,
    pub(crate) enabled_by: Option<UserId>,
    pub(crate) updated_at: Timestamp,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name.
    pub name: String,
    /// What it does.
    pub title: String,
    /// Where it comes from.
    pub source: WorkflowSource,
    /// Whether it starts by itself.
    pub is_enabled: bool,
    /// The version that is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled_version: Option<i32>,
    /// The newest version.
    pub latest_version: i32,
    /// What starts it, in words.
    pub starts: Vec<String>,
    /// When the clock starts it next.
    pub next_starts: Vec<NextStart>,
    /// When it was saved or switched last.
    pub updated_at: Timestamp,
}

impl Stored {
    /// As callers see it; `definition` is the version that counts: the enabled one, or the newest.
    pub(super) fn seen(self, cx: &Cx, definition: &Definition, home: &Zone) -> Workflow {
        Workflow {
            id: self.id,
            name: self.name,
            title: self.title,
            source: self.source,
            is_enabled: self.enabled_version.is_some(),
            enabled_version: self.enabled_version,
            latest_version: self.latest_version,
            starts: definition
                .triggers()
                .iter()
                .map(|trigger| trigger.describe(home))
                .collect(),
            next_starts: definition.next_starts(cx.now, home, 5),
            updated_at: self.updated_at,
        }
    }
}

/// No workflow, or no version of it, has this name.
#[derive(Debug, Clone, thiserror::Error)]
#[error("there is no workflow {name:?}{}{near}", .version.map(|v| format!(" in version {v}")).unwrap_or_default())]
pub struct UnknownWorkflow {
    /// What was asked for.
    pub name: String,
    /// The version that was asked for.
    pub version: Option<i32>,
    near: String,
    pub(crate) candidates: Vec<Candidate>,
}

impl UnknownWorkflow {
    pub(crate) const SPEC: FaultSpec = FaultSpec::new(
        FaultKind::NotFound,
        "workflow_not_found",
        "See list_workflows for their names.",
    );

    pub(crate) fn new(name: &str, version: Option<i32>, known: &[(WorkflowId, String)]) -> Self {
        let near = did_you_mean(name, known.iter().map(|(_, name)| name.as_str()));
        let candidates = known
            .iter()
            .filter(|(_, known)| near.contains(&format!("{known:?}")));
        let candidate = |(id, name): &(WorkflowId, String)| Candidate {
            id: id.to_string(),
            name: name.clone(),
        };
        Self {
            name: name.to_owned(),
            version,
            candidates: candidates.map(candidate).collect(),
            near: if near.is_empty() || version.is_some() {
                String::new()
            } else {
                format!(". {near}")
            },
        }
    }
}
