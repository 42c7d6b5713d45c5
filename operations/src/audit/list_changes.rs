//! `list_changes`: the audit trail, newest first.

use domain::{
    ChangeId, Cursor, Cx, Facts, Fault, FaultKind, FaultSpec, Page, PageRequest, Permission,
    Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{App, Effect, Operation};

/// The audit trail, newest first: who changed what, when, through which program. Rows cannot be changed or removed.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListChanges {
    /// Only this kind, such as `order.placed`, or all of a subject, such as `order`.
    pub kind: Option<String>,
    /// Only changes of this thing (any id); for an event also those of its orders and tickets.
    pub subject: Option<String>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeRecord {
    /// Its id.
    pub id: ChangeId,
    /// When.
    pub at: Timestamp,
    /// What happened, such as `order.placed`.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// The same as a sentence.
    pub summary: String,
    /// Who did it: a user, a token, a buyer, or a part of EventOS.
    pub actor: String,
    /// For whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The program, as it called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Through which operation.
    pub operation: String,
    /// The details.
    #[schemars(extend("x-detail" = true))]
    pub payload: serde_json::Value,
}

impl Operation for ListChanges {
    const NAME: &'static str = "list_changes";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AuditRead;
    type Output = Page<ChangeRecord>;
    type Error = ListChangesError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<ChangeRecord>, ListChangesError> {
        let subject = match self.subject.as_deref() {
            Some(given) => Some(bare_id(given)?),
            None => None,
        };
        let mut tx = app.store().read(cx).await?;
        let rows = sql::list(tx.conn(), &self, subject).await?;
        Ok(Page::cut(rows, self.page, |row| Cursor {
            key: row.at.as_microseconds(),
            id: row.id.into(),
        }))
    }
}

/// The id behind its prefix, whichever that is.
fn bare_id(given: &str) -> Result<uuid::Uuid, ListChangesError> {
    let hex = given.rsplit('_').next().unwrap_or_default();
    hex.parse()
        .map_err(|_| ListChangesError::SubjectMalformed(given.to_owned()))
}

/// How `list_changes` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ListChangesError {
    /// A name, a number or nonsense instead of an id.
    #[error("{0:?} is not an id, so it leads to no changes")]
    SubjectMalformed(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const SUBJECT_MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "subject_malformed",
    "Look the thing up with its get or list tool and give its id, such as evt_ or ord_ with 32 digits.",
);

impl Fault for ListChangesError {
    fn specs() -> Vec<FaultSpec> {
        vec![SUBJECT_MALFORMED]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::SubjectMalformed(_) => SUBJECT_MALFORMED.at("subject"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ListChangesError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        organizations::UpdateOrganization,
        permission::Role,
        testing::{Scene, assert_refused},
    };

    async fn rename(scene: &Scene, cx: &Cx, name: &str) {
        let command = UpdateOrganization {
            name: Some(name.parse().unwrap()),
            ..UpdateOrganization::default()
        };
        scene.app.run(cx, command).await.unwrap();
    }

    #[tokio::test]
    async fn records_who_did_what_through_which_program() {
        let scene = Scene::new().await;
        let cx = scene.cx.clone().with_client("claude-code 2.1");
        rename(&scene, &cx, "Nordlicht").await;
        let last = scene.changes().await.pop().unwrap();
        assert_eq!(
            (last.kind.as_str(), last.operation.as_str()),
            ("organization.updated", "update_organization")
        );
        assert_eq!(last.actor, cx.actor.key());
        assert_eq!(last.client.as_deref(), Some("claude-code 2.1"));
    }

    #[tokio::test]
    async fn pages_without_gaps_or_repeats() {
        let scene = Scene::new().await;
        for n in 0..5 {
            rename(&scene, &scene.cx, &format!("Name {n}")).await;
        }
        let mut seen = Vec::new();
        let mut page = PageRequest {
            cursor: None,
            limit: Some(2),
        };
        loop {
            let answer = scene
                .run(ListChanges {
                    page,
                    ..ListChanges::default()
                })
                .await
                .unwrap();
            seen.extend(answer.items.iter().map(|c| c.id));
            let Some(next) = answer.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen.len(), 6, "five renames and the founding");
        assert!(seen.is_sorted_by(|a, b| a > b));
    }

    #[tokio::test]
    async fn a_subject_is_an_id() {
        let scene = Scene::new().await;
        rename(&scene, &scene.cx, "Nordlicht").await;
        let about = |subject: &str| ListChanges {
            subject: Some(subject.to_owned()),
            ..ListChanges::default()
        };
        let own = scene.cx.organization_id.to_string();
        assert_eq!(scene.run(about(&own)).await.unwrap().items.len(), 2);
        for name in ["Nordlicht", "K7M2PQX", "evt_12", ""] {
            assert_refused(scene.run(about(name)).await, "subject_malformed");
        }
    }

    #[tokio::test]
    async fn filters_by_kind() {
        let scene = Scene::new().await;
        rename(&scene, &scene.cx, "Nordlicht").await;
        for (kind, count) in [
            ("organization", 2),
            ("organization.updated", 1),
            ("order", 0),
        ] {
            let command = ListChanges {
                kind: Some(kind.to_owned()),
                ..ListChanges::default()
            };
            assert_eq!(
                scene.run(command).await.unwrap().items.len(),
                count,
                "{kind}"
            );
        }
    }

    #[tokio::test]
    async fn shows_nothing_of_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        rename(&scene, &other, "Theirs").await;
        assert_eq!(scene.changes().await.len(), 1);
    }

    #[tokio::test]
    async fn is_closed_to_those_without_the_permission() {
        let scene = Scene::new().await;
        let outcome = scene
            .app
            .run(&scene.as_role(Role::Viewer), ListChanges::default())
            .await;
        assert_refused(outcome, "forbidden");
    }
}
