//! Unsubscribing: links that only we can make, and what following one does.

use domain::{Actor, Cx, Language, MessageId, Permissions, Timestamp};
use store::StoreError;
use uuid::Uuid;

use super::{
    changes::AddressSuppressed,
    model::{SuppressionReason, SuppressionScope},
    sending::sql as recipients,
    sql,
};
use crate::{App, signed};

const PURPOSE: &str = "eventos unsubscribe v1";

/// The address at which the recipient of a message unsubscribes.
pub(super) fn url(public_url: &str, key: &[u8; 32], id: MessageId) -> String {
    format!("{public_url}/u/{}", token(key, id))
}

/// The last part of that address.
pub fn token(key: &[u8; 32], id: MessageId) -> String {
    signed::seal(key, PURPOSE, Uuid::from(id).as_bytes())
}

/// The message of a token that we made.
fn open(key: &[u8; 32], token: &str) -> Option<MessageId> {
    let bytes = signed::open(key, PURPOSE, token)?;
    Some(MessageId::from(Uuid::from_bytes(bytes)))
}

/// Whom a link to unsubscribe belongs to; enough for a page, nothing that names the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Who sent the mail.
    pub organization: String,
    /// The language of the mail.
    pub language: Language,
}

/// Whom a token belongs to; none for one that we did not make.
pub async fn subscriber(
    app: &App,
    key: &[u8; 32],
    token: &str,
) -> Result<Option<Subscriber>, StoreError> {
    Ok(find(app, key, token).await?.map(|found| found.subscriber()))
}

/// Takes the recipient of a message off the organization's news. Doing it again changes nothing.
pub async fn unsubscribe(
    app: &App,
    key: &[u8; 32],
    token: &str,
    now: Timestamp,
) -> Result<Option<Subscriber>, StoreError> {
    let Some(found) = find(app, key, token).await? else {
        return Ok(None);
    };
    let actor = Actor::System {
        reason: "unsubscribe",
    };
    let mut cx = Cx::new(found.organization_id, actor, Permissions::NONE).with_now(now);
    cx.operation = "unsubscribe";
    let mut tx = app.store().write(&cx).await?;
    let what = (SuppressionReason::Unsubscribed, SuppressionScope::Marketing);
    let (row, is_new) = sql::suppress(tx.conn(), &cx, &found.address, what, None).await?;
    if is_new {
        let change = AddressSuppressed {
            suppression_id: row.id,
            reason: row.reason,
            scope: row.scope,
        };
        tx.commit(change, ()).await?;
    } else {
        tx.unchanged(()).await?;
    }
    Ok(Some(found.subscriber()))
}

async fn find(
    app: &App,
    key: &[u8; 32],
    token: &str,
) -> Result<Option<recipients::Recipient>, StoreError> {
    let Some(id) = open(key, token) else {
        return Ok(None);
    };
    let mut tx = app.store().system("unsubscribe").await?;
    let found = recipients::recipient(tx.conn(), id).await?;
    Ok(found.filter(|found| !found.address.is_empty()))
}

impl recipients::Recipient {
    fn subscriber(&self) -> Subscriber {
        Subscriber {
            organization: self.organization_name.clone(),
            language: self.language,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{ListSuppressions, testing::reminder},
        testing::Scene,
    };

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn a_token_stays_good_over_releases() {
        let id = MessageId::from(Uuid::from_u128(1));
        let ours = "00000000000000000000000000000001b74fc31a0cb5d5c7c9d542c40c58b737";
        assert_eq!(token(&KEY, id), ours);
        assert_eq!(open(&KEY, ours), Some(id));
        assert_eq!(open(&[8; 32], ours), None);
    }

    #[tokio::test]
    async fn one_step_is_enough_and_a_second_changes_nothing() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let queued = scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        let token = token(&KEY, queued.message_ids[0]);
        let seen = subscriber(&scene.app, &KEY, &token).await.unwrap().unwrap();
        assert_eq!(seen.language, Language::En);
        for _ in 0..2 {
            let done = unsubscribe(&scene.app, &KEY, &token, scene.cx.now)
                .await
                .unwrap();
            assert_eq!(done.as_ref(), Some(&seen));
        }
        let listed = scene.run(ListSuppressions::default()).await.unwrap().items;
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].reason, SuppressionReason::Unsubscribed);
        let changes = scene.changes().await;
        let noted = changes
            .iter()
            .filter(|change| change.kind == "suppression.saved");
        assert_eq!(noted.count(), 1);
        let made_up = super::token(&KEY, MessageId::from(Uuid::from_u128(9)));
        assert!(
            unsubscribe(&scene.app, &KEY, &made_up, scene.cx.now)
                .await
                .unwrap()
                .is_none()
        );
    }
}
