//! `archive_promo_code`: a code is withdrawn.

use domain::{Cx, EventId, Permission, PromoCodeId, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes::PromoCodeArchived, errors::SavePromoCodeError, sql};
use crate::{App, Effect, Operation, events};

/// Withdraw a promo code for good: nobody can use it any more, and its text is free. Holds and orders that have it keep
/// their price.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ArchivePromoCode {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// The promo code: id or text.
    pub promo_code: Reference<PromoCodeId>,
}

/// The promo code that is withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArchivedPromoCode {
    /// Its id.
    pub id: PromoCodeId,
    /// Its text.
    pub code: String,
    /// How many holds and orders have it.
    pub uses: i32,
}

impl Operation for ArchivePromoCode {
    const NAME: &'static str = "archive_promo_code";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = ArchivedPromoCode;
    type Error = SavePromoCodeError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ArchivedPromoCode, SavePromoCodeError> {
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &self.event).await?;
        let row = sql::resolve_any(tx.conn(), event.id, &self.promo_code).await?;
        let answer = ArchivedPromoCode {
            id: row.id,
            code: row.code.clone(),
            uses: row.held_count.saturating_add(row.used_count),
        };
        if row.is_archived {
            return Ok(tx.unchanged(answer).await?);
        }
        sql::archive(tx.conn(), cx, row.id).await?;
        let change = PromoCodeArchived {
            promo_code_id: row.id,
            event_id: event.id,
            event_title: event.title,
            code: row.code,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        promo_codes::{ListPromoCodes, SavePromoCode},
        testing::{Scene, assert_refused, promo},
    };

    fn archiving(event: EventId, code: &str) -> ArchivePromoCode {
        ArchivePromoCode {
            event: event.into(),
            promo_code: code.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn what_is_withdrawn_frees_its_text_and_stays_in_the_list() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let first = scene
            .run(promo(event.id, "GONE", 10, None))
            .await
            .unwrap()
            .promo_code;
        scene.run(archiving(event.id, "gone")).await.unwrap();
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Withdraws the promo code \"GONE\" of \"Spring Gala\"; what has it keeps its price"
        );
        assert_refused(scene.run(archiving(event.id, "GONE")).await, "not_found");
        let by_id = ArchivePromoCode {
            promo_code: first.id.into(),
            ..archiving(event.id, "GONE")
        };
        scene.run(by_id).await.unwrap();
        let by_id = SavePromoCode {
            promo_code: Some(first.id.into()),
            percent_off: Some(20),
            ..SavePromoCode::of(event.id.into())
        };
        assert_refused(scene.run(by_id).await, "not_found");
        let second = scene
            .run(promo(event.id, "GONE", 20, None))
            .await
            .unwrap()
            .promo_code;
        let all = ListPromoCodes {
            archived: true,
            ..ListPromoCodes::of(event.id.into())
        };
        let states = scene.run(all).await.unwrap().items;
        let states: HashSet<_> = states
            .iter()
            .map(|code| (code.id, code.state.to_string()))
            .collect();
        let expected = [
            (first.id, "archived".to_owned()),
            (second.id, "active".to_owned()),
        ];
        assert_eq!(states, expected.into_iter().collect());
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(promo(event.id, "GONE", 10, None)).await.unwrap();
        scene.assert_idempotent(archiving(event.id, "GONE")).await;
    }
}
