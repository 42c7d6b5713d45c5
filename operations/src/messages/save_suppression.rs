//! `save_suppression`: an address gets no mail, or no news.

use domain::{Cx, EmailAddress, Name, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::AddressSuppressed,
    model::{Suppression, SuppressionReason, SuppressionScope},
    sql,
};
use crate::{App, Effect, Operation};

/// Put an address on the list of those that get no mail, or no news. What is queued for it is not sent either.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveSuppression {
    /// The address.
    pub address: EmailAddress,
    /// `marketing`: no more news; `all`: no mail at all, not even about orders.
    pub scope: SuppressionScope,
    /// Why; `manual` when left out.
    pub reason: Option<SuppressionReason>,
    /// A note for the organizers.
    pub note: Option<Name>,
}

impl Operation for SaveSuppression {
    const NAME: &'static str = "save_suppression";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::MessagesWrite;
    type Output = Suppression;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Suppression, StoreError> {
        let reason = self.reason.unwrap_or(SuppressionReason::Manual);
        // Who unsubscribes gives up news, never the tickets they paid for.
        let scope = match reason {
            SuppressionReason::Unsubscribed => SuppressionScope::Marketing,
            _ => self.scope,
        };
        let mut tx = app.store().write(cx).await?;
        let note = self.note.as_ref().map(Name::as_str);
        let saved = sql::suppress(tx.conn(), cx, self.address.as_str(), (reason, scope), note);
        let (row, is_new) = saved.await?;
        let change = AddressSuppressed {
            suppression_id: row.id,
            reason: row.reason,
            scope: row.scope,
        };
        let answer = row.seen(cx);
        if is_new {
            tx.commit(change, answer).await
        } else {
            tx.unchanged(answer).await
        }
    }
}

#[cfg(test)]
impl SaveSuppression {
    /// No mail at all to an address.
    pub(crate) fn of(address: &str) -> Self {
        Self {
            address: address.parse().expect("an address"),
            scope: SuppressionScope::All,
            reason: None,
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            ListMessages, MessageStatus,
            testing::{Taken, reminder, send_all},
        },
        permission::Role,
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn what_is_queued_is_not_sent_either() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        scene
            .run(SaveSuppression::of("Ada@Example.org"))
            .await
            .unwrap();
        let taken = Taken::default();
        let round = send_all(&scene, &taken).await;
        assert_eq!((taken.count(), round.suppressed), (0, 1));
        let mut command = reminder(event.id, &["ada@example.org"]);
        command.dedupe_key = "later".to_owned();
        assert_eq!(scene.run(command).await.unwrap().suppressed_count, 1);
        let listed = scene.run(ListMessages::default()).await.unwrap().items;
        assert!(
            listed
                .iter()
                .all(|message| message.status == MessageStatus::Suppressed)
        );
    }

    #[tokio::test]
    async fn who_gets_no_news_still_gets_tickets() {
        let scene = Scene::new().await;
        let event = scene.published("Spring Gala").await;
        let command = SaveSuppression {
            reason: Some(SuppressionReason::Unsubscribed),
            ..SaveSuppression::of("ada@example.org")
        };
        let saved = scene.run(command).await.unwrap();
        assert_eq!(saved.scope, SuppressionScope::Marketing);
        let transactional = scene
            .run(reminder(event.id, &["ada@example.org"]))
            .await
            .unwrap();
        assert_eq!(transactional.suppressed_count, 0);
        let mut news = reminder(event.id, &["ada@example.org"]);
        news.template = "launch_announcement".to_owned();
        news.dedupe_key = "news".to_owned();
        assert_eq!(scene.run(news).await.unwrap().suppressed_count, 1);
    }

    #[tokio::test]
    async fn is_each_organizations_own_and_once() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene
            .assert_idempotent(SaveSuppression::of("ada@example.org"))
            .await;
        let count = scene.changes().await.len();
        scene
            .run(SaveSuppression::of("ADA@example.org"))
            .await
            .unwrap();
        assert_eq!(
            scene.changes().await.len(),
            count,
            "it is on the list already"
        );
        let theirs = crate::messages::ListSuppressions::default();
        assert!(
            scene
                .app
                .run(&other, theirs)
                .await
                .unwrap()
                .items
                .is_empty()
        );
        let viewer = scene.as_role(Role::BoxOffice);
        let outcome = scene
            .app
            .run(&viewer, SaveSuppression::of("a@example.org"))
            .await;
        assert_refused(outcome, "forbidden");
    }
}
