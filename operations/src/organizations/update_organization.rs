//! `update_organization`: its name and the defaults for new events.

use domain::{
    Currency, Cx, EmailAddress, Facts, Fault, FaultKind, FaultSpec, Language, Name, Permission,
    Zone,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{changes::OrganizationUpdated, model::Organization, sql};
use crate::{
    App, Effect, Operation,
    faults::NOTHING_GIVEN,
    field_change::{FieldChange, differing},
};

/// Rename the organization, change the currency and zone that new events and venues start with (existing events keep
/// theirs), or how its mails look: language, colour, and where answers go.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpdateOrganization {
    /// New name.
    pub name: Option<Name>,
    /// ISO 4217 code for new events, such as EUR.
    pub currency: Option<Currency>,
    /// IANA zone for new venues, such as Europe/Berlin.
    pub zone: Option<Zone>,
    /// Language of mails.
    pub language: Option<Language>,
    /// Colour of buttons in mails, such as #b45309.
    pub accent_color: Option<String>,
    /// Where answers to mails go.
    pub reply_email: Option<EmailAddress>,
}

/// A colour in its stored form.
fn color(given: &str) -> Result<String, UpdateOrganizationError> {
    let color = given.trim().to_lowercase();
    let digits = color.strip_prefix('#').unwrap_or_default();
    if digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(color)
    } else {
        Err(UpdateOrganizationError::Color {
            given: given.to_owned(),
        })
    }
}

/// How `update_organization` refuses.
#[derive(Debug, thiserror::Error)]
pub enum UpdateOrganizationError {
    /// No field was given.
    #[error("nothing to change was given")]
    NothingGiven,
    /// Not a colour.
    #[error("{given:?} is no colour; colours look like #b45309")]
    Color {
        /// What was given.
        given: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const COLOR: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "color_malformed",
    "Give six hex digits behind a #, as a colour picker shows them.",
);

impl Fault for UpdateOrganizationError {
    fn specs() -> Vec<FaultSpec> {
        vec![NOTHING_GIVEN, COLOR]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NothingGiven => NOTHING_GIVEN.into(),
            Self::Color { .. } => COLOR.at("accent_color"),
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
        let given = [
            self.name.is_some(),
            self.currency.is_some(),
            self.zone.is_some(),
            self.language.is_some(),
            self.accent_color.is_some(),
            self.reply_email.is_some(),
        ];
        if !given.contains(&true) {
            return Err(UpdateOrganizationError::NothingGiven);
        }
        let accent_color = self.accent_color.as_deref().map(color).transpose()?;
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
        let face_before = sql::face(tx.conn()).await?;
        let reply_email = self.reply_email.as_ref().map(EmailAddress::as_str);
        sql::update_face(
            tx.conn(),
            self.language,
            accent_color.as_deref(),
            reply_email,
        )
        .await?;
        let face = sql::face(tx.conn()).await?;
        let mut changed = differences(&before, &organization);
        changed.extend(face_differences(face_before, face));
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

/// How the mails' look differs.
fn face_differences(before: sql::Face, after: sql::Face) -> Vec<FieldChange> {
    differing([
        (
            "language",
            Some(before.language.to_string()),
            Some(after.language.to_string()),
        ),
        ("accent colour", before.accent_color, after.accent_color),
        ("reply address", before.reply_email, after.reply_email),
    ])
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
    async fn changes_how_mails_look() {
        let scene = Scene::new().await;
        let command = UpdateOrganization {
            language: Some(Language::De),
            accent_color: Some("#B45309".to_owned()),
            reply_email: Some("hello@example.org".parse().unwrap()),
            ..UpdateOrganization::default()
        };
        scene.run(command).await.unwrap();
        let mut tx = scene.app.store().read(&scene.cx).await.unwrap();
        let face = sql::face(tx.conn()).await.unwrap();
        assert_eq!(face.language, Language::De);
        assert_eq!(face.accent_color.as_deref(), Some("#b45309"));
        assert_eq!(face.reply_email.as_deref(), Some("hello@example.org"));
        let red = UpdateOrganization {
            accent_color: Some("red".to_owned()),
            ..UpdateOrganization::default()
        };
        assert_refused(scene.run(red).await, "color_malformed");
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
