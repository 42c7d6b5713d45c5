//! `update_gift_card`: a gift card is blocked or freed, or can be used for longer or shorter.

use domain::{Cx, GiftCardId, LocalDate, Name, Patch, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::GiftCardUpdated,
    error::GiftCardError,
    model::{CardRow, GiftCard},
    sql, using,
};
use crate::{
    App, Effect, Operation,
    field_change::{FieldChange, differing},
};

/// Block a gift card that was lost, free it again, or change until when it can be used or what it is for. What is left on it
/// stays. What is left out stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UpdateGiftCard {
    /// The card: its id, or its code.
    pub gift_card: Reference<GiftCardId>,
    /// Whether it cannot be used.
    pub is_blocked: Option<bool>,
    /// The last day on which it can be used; empty for ever.
    #[serde(default)]
    pub valid_until: Patch<LocalDate>,
    /// What it is for.
    #[serde(default)]
    pub note: Patch<Name>,
}

impl UpdateGiftCard {
    /// A card with nothing said about it yet.
    pub fn of(gift_card: Reference<GiftCardId>) -> Self {
        Self {
            gift_card,
            is_blocked: None,
            valid_until: Patch::Keep,
            note: Patch::Keep,
        }
    }

    fn onto(&self, before: CardRow) -> CardRow {
        let note = self.note.clone();
        CardRow {
            is_blocked: self.is_blocked.unwrap_or(before.is_blocked),
            valid_until: self.valid_until.clone().apply(before.valid_until),
            note: match note {
                Patch::Keep => before.note,
                Patch::Remove => None,
                Patch::Set(note) => Some(note.to_string()),
            },
            ..before
        }
    }
}

impl Operation for UpdateGiftCard {
    const NAME: &'static str = "update_gift_card";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = GiftCard;
    type Error = GiftCardError;

    async fn run(self, app: &App, cx: &Cx) -> Result<GiftCard, GiftCardError> {
        if self.is_blocked.is_none() && self.valid_until.is_keep() && self.note.is_keep() {
            return Err(GiftCardError::NothingGiven);
        }
        let mut tx = app.store().write(cx).await?;
        let found = using::resolve(tx.conn(), &self.gift_card).await?;
        let before = sql::lock(tx.conn(), found.id).await?;
        let today = using::today(tx.conn(), cx).await?;
        let row = self.onto(before.clone());
        let changed = differences(&before, &row);
        let answer = row.seen(today);
        if changed.is_empty() {
            return Ok(tx.unchanged(answer).await?);
        }
        let ends_earlier = row.valid_until.filter(|day| *day < today);
        if let Some(day) = ends_earlier.filter(|_| row.valid_until != before.valid_until) {
            return Err(GiftCardError::ValidUntilPast(day));
        }
        sql::update(tx.conn(), cx, &row).await?;
        let change = GiftCardUpdated {
            gift_card_id: row.id,
            ending: row.ending.clone(),
            balance: row.money(row.balance),
            changed,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

fn differences(before: &CardRow, after: &CardRow) -> Vec<FieldChange> {
    let blocked = |row: &CardRow| Some(if row.is_blocked { "yes" } else { "no" }.to_owned());
    let until = |row: &CardRow| row.valid_until.map(LocalDate::readable);
    differing([
        ("is_blocked", blocked(before), blocked(after)),
        ("valid_until", until(before), until(after)),
        ("note", before.note.clone(), after.note.clone()),
    ])
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;
    use crate::{
        gift_cards::{GetGiftCard, GiftCardState, IssueGiftCards},
        testing::{Scene, assert_refused, eur},
    };

    async fn card(scene: &Scene) -> GiftCardId {
        let issue = IssueGiftCards::of(Money::new(2500, eur()));
        scene.run(issue).await.unwrap().gift_cards[0].id
    }

    #[tokio::test]
    async fn a_lost_card_is_blocked_and_freed_again() {
        let scene = Scene::new().await;
        let id = card(&scene).await;
        let blocking = |is_blocked| UpdateGiftCard {
            is_blocked: Some(is_blocked),
            ..UpdateGiftCard::of(id.into())
        };
        let blocked = scene.run(blocking(true)).await.unwrap();
        assert_eq!(blocked.state, GiftCardState::Blocked);
        assert_eq!(blocked.balance.amount, 2500);
        let change = scene.changes().await.pop().unwrap();
        let expected = format!(
            "Changes the gift card ending in {}, with 25.00 EUR left: is_blocked from \"no\" to \"yes\"",
            blocked.ending
        );
        assert_eq!(change.summary, expected);
        let count = scene.changes().await.len();
        scene.run(blocking(true)).await.unwrap();
        assert_eq!(scene.changes().await.len(), count, "nothing changed");
        let free = scene.run(blocking(false)).await.unwrap();
        assert_eq!(free.state, GiftCardState::Active);
        scene.assert_idempotent(blocking(true)).await;
    }

    #[tokio::test]
    async fn its_last_day_counts_on_the_organizations_clocks() {
        let scene = Scene::new().await;
        let id = card(&scene).await;
        let until = |day: &str| UpdateGiftCard {
            valid_until: Patch::Set(day.parse().unwrap()),
            ..UpdateGiftCard::of(id.into())
        };
        scene.run(until("2027-01-31")).await.unwrap();
        let state = async |at: &str| {
            let seen = scene
                .app
                .run(&scene.at(at), GetGiftCard::of(id.into()))
                .await;
            seen.unwrap().state
        };
        // Midnight in Berlin.
        assert_eq!(state("2027-01-31T22:59:59Z").await, GiftCardState::Active);
        assert_eq!(state("2027-01-31T23:00:00Z").await, GiftCardState::Expired);
        assert_refused(scene.run(until("2027-01-10")).await, "valid_until_past");
        let nothing = UpdateGiftCard::of(id.into());
        assert_refused(scene.run(nothing).await, "nothing_given");
        let unknown = UpdateGiftCard {
            is_blocked: Some(true),
            ..UpdateGiftCard::of(scene.cx.new_id::<GiftCardId>().into())
        };
        assert_refused(scene.run(unknown).await, "gift_card_unknown");
        let forever = UpdateGiftCard {
            valid_until: Patch::Remove,
            note: Patch::Set("For Ada".parse().unwrap()),
            ..UpdateGiftCard::of(id.into())
        };
        let late = scene.at("2027-06-01T12:00:00Z");
        let seen = scene.app.run(&late, forever).await.unwrap();
        assert_eq!(
            (seen.state, seen.note.as_deref()),
            (GiftCardState::Active, Some("For Ada"))
        );
    }
}
