//! `get_gift_card`: what is left on a gift card, and its code.

use domain::{Cx, GiftCardId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{error::GiftCardError, model::GiftCard, using};
use crate::{App, Effect, Operation};

/// One gift card: what is left on it, whether it can be used, and its code.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetGiftCard {
    /// The card: its id, or its code.
    pub gift_card: Reference<GiftCardId>,
}

impl GetGiftCard {
    /// The one of an id or code.
    pub fn of(gift_card: Reference<GiftCardId>) -> Self {
        Self { gift_card }
    }
}

impl Operation for GetGiftCard {
    const NAME: &'static str = "get_gift_card";
    const EFFECT: Effect = Effect::Read;
    // Whoever sees a code can pay with it.
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = GiftCard;
    type Error = GiftCardError;

    async fn run(self, app: &App, cx: &Cx) -> Result<GiftCard, GiftCardError> {
        let mut tx = app.store().read(cx).await?;
        let card = using::resolve(tx.conn(), &self.gift_card).await?;
        let today = using::today(tx.conn(), cx).await?;
        Ok(card.shown(today, app.key()))
    }
}

#[cfg(test)]
mod tests {
    use domain::Money;

    use super::*;
    use crate::{
        gift_cards::IssueGiftCards,
        permission::Role,
        testing::{Scene, assert_refused, eur},
    };

    #[tokio::test]
    async fn is_found_by_id_and_by_code_as_people_type_it() {
        let scene = Scene::new().await;
        let issued = scene.run(IssueGiftCards::of(Money::new(2500, eur()))).await;
        let id = issued.unwrap().gift_cards[0].id;
        let card = scene.run(GetGiftCard::of(id.into())).await.unwrap();
        let code = card.code.clone().unwrap();
        for typed in [code.clone(), code.replace('-', " ").to_lowercase()] {
            let command = GetGiftCard::of(typed.parse().unwrap());
            assert_eq!(scene.run(command).await.unwrap(), card);
        }
        // One character wrong.
        let last = if code.ends_with('7') { "8" } else { "7" };
        let wrong = format!("{}{last}", &code[..code.len() - 1]);
        let misread = scene.run(GetGiftCard::of(wrong.parse().unwrap())).await;
        let error = misread.unwrap_err();
        assert!(!error.to_string().contains(&code[..4]), "{error}");
        assert_refused::<(), _>(Err(error), "gift_card_misread");
        let other = GetGiftCard::of(scene.cx.new_id::<GiftCardId>().into());
        assert_refused(scene.run(other).await, "gift_card_unknown");
        let elsewhere = scene.other_organization().await;
        let foreign = scene.app.run(&elsewhere, GetGiftCard::of(id.into())).await;
        assert_refused(foreign, "gift_card_unknown");
        let foreign = GetGiftCard::of(code.parse().unwrap());
        assert_refused(
            scene.app.run(&elsewhere, foreign).await,
            "gift_card_unknown",
        );
        // Another key made it: it can be used, and nobody can show its code.
        let app = scene.another_server().with_key([8; 32]);
        let seen = app
            .run(&scene.cx, GetGiftCard::of(id.into()))
            .await
            .unwrap();
        assert_eq!(seen.code, None);
        let door = scene.as_role(Role::Door);
        let refused = scene.app.run(&door, GetGiftCard::of(id.into())).await;
        assert_refused(refused, "forbidden");
    }
}
