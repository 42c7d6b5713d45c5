//! `update_organization`: its name and the defaults for new events.

use domain::{Currency, Cx, Facts, Fault, FaultSpec, Name, Permission, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{changes::OrganizationUpdated, model::Organization, sql};
use crate::{
    App, Effect, Operation,
    faults::NOTHING_GIVEN,
    field_change::{FieldChange, differing},
};

/// Rename the organization or change the currency and zone that new events and venues start with.
/// Existing events keep theirs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpdateOrganization {
    /// New name.
    pub name: Option<Name>,
    /// ISO 4217 code for new events, such as EUR.
    pub currency: Option<Currency>,
    /// IANA zone for new venues, such as Europe/Berlin.
    pub zone: Option<Zone>,
}

/// How `update_organization` refuses.
#[derive(Debug, thiserror::Error)]
pub enum UpdateOrganizationError {
    /// No field was given.
    #[error("nothing to change was given")]
    NothingGiven,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for UpdateOrganizationError {
    fn specs() -> Vec<FaultSpec> {
        vec![NOTHING_GIVEN]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for UpdateOrganizationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Operation for UpdateOrganization {
    const NAME: &'static str = "update_organization";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = Organization;
    type Error = UpdateOrganizationError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Organization, UpdateOrganizationError> {
        if self.name.is_none() && self.currency.is_none() && self.zone.is_none() {
            return Err(UpdateOrganizationError::NothingGiven);
        }
        let mut tx = app.store().write(cx).await?;
        let before = sql::lock(tx.conn()).await?;
        let organization = sql::update(
            tx.conn(),
            cx,
            self.name.as_ref(),
            self.currency,
            self.zone.as_ref(),
        )
        .await?;
        let changed = differences(&before, &organization);
        if changed.is_empty() {
            return Ok(tx.unchanged(organization).await?);
        }
        let change = OrganizationUpdated {
            organization_id: organization.id,
            changed,
        };
        Ok(tx.commit(change, organization).await?)
    }
}

/// The fields that differ, for the audit trail and for the person who confirms.
fn differences(before: &Organization, after: &Organization) -> Vec<FieldChange> {
    let both = |text: fn(&Organization) -> String| (Some(text(before)), Some(text(after)));
    let fields = [
        ("name", both(|o| o.name.clone())),
        ("currency", both(|o| o.currency.to_string())),
        ("zone", both(|o| o.zone.to_string())),
    ];
    differing(fields.map(|(field, (before, after))| (field, before, after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        organizations::GetContext,
        testing::{Scene, assert_refused},
    };

    fn renamed(name: &str) -> UpdateOrganization {
        UpdateOrganization {
            name: Some(name.parse().unwrap()),
            ..UpdateOrganization::default()
        }
    }

    #[tokio::test]
    async fn renames_and_leaves_the_rest() {
        let scene = Scene::new().await;
        let before = scene.run(GetContext {}).await.unwrap().organization;
        let after = scene.run(renamed("Nordlicht")).await.unwrap();
        assert_eq!(
            after,
            Organization {
                name: "Nordlicht".to_owned(),
                ..before
            }
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(change.kind, "organization.updated");
        assert_eq!(
            change.summary,
            "Changes the organization: name from \"scene\" to \"Nordlicht\""
        );
        let count = scene.changes().await.len();
        assert_eq!(scene.run(renamed("Nordlicht")).await.unwrap(), after);
        assert_eq!(scene.changes().await.len(), count, "nothing changed");
    }

    #[tokio::test]
    async fn refuses_to_change_nothing() {
        let scene = Scene::new().await;
        assert_refused(
            scene.run(UpdateOrganization::default()).await,
            "nothing_given",
        );
    }

    #[tokio::test]
    async fn changes_no_other_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.app.run(&other, renamed("Theirs")).await.unwrap();
        assert_ne!(
            scene.run(GetContext {}).await.unwrap().organization.name,
            "Theirs"
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.assert_idempotent(renamed("Nordlicht")).await;
    }
}
