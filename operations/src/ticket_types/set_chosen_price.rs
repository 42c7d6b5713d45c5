//! `set_chosen_price`: buyers choose what a ticket type costs.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Money, Permission, Reference, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    model::{Offer, TicketType},
    setting::{Setting, SettingError},
    sql,
};
use crate::{App, Effect, Operation, faults::CURRENCY_DIFFERS, field_change::differing};

/// Let buyers choose what they pay for each ticket of a type, such as a donation or a solidarity price: from its price up to
/// `most`, given with `hold_tickets`. Without `most` it has one price again. Orders and holds keep what was chosen.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetChosenPrice {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name. Its price is the least that can be chosen, and may be 0.
    pub ticket_type: Reference<TicketTypeId>,
    /// The most for each.
    pub most: Option<Money>,
}

impl Operation for SetChosenPrice {
    const NAME: &'static str = "set_chosen_price";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = TicketType;
    type Error = SetChosenPriceError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TicketType, SetChosenPriceError> {
        let mut tx = app.store().write(cx).await?;
        let setting = Setting::open(&mut tx, &self.event, &self.ticket_type).await?;
        let offer = &setting.offer;
        self.check(offer)?;
        let text = |most: Option<Money>| most.map(|most| most.to_string());
        let changed = differing([("chosen up to", text(offer.most()), text(self.most))]);
        if !changed.is_empty() {
            let most_amount = self.most.map(|most| most.amount);
            sql::set_most(tx.conn(), cx, offer.id, most_amount).await?;
        }
        Ok(setting.done(tx, changed).await?)
    }
}

impl SetChosenPrice {
    fn check(&self, offer: &Offer) -> Result<(), SetChosenPriceError> {
        let Some(most) = self.most else {
            return Ok(());
        };
        let least = offer.price();
        if most.currency != least.currency {
            return Err(SetChosenPriceError::OtherCurrency { given: most, least });
        }
        if most.amount <= least.amount {
            return Err(SetChosenPriceError::TooLittle { given: most, least });
        }
        Ok(())
    }
}

/// How `set_chosen_price` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetChosenPriceError {
    /// Nothing could be chosen.
    #[error("the least is {least}, so {given} leaves no choice")]
    TooLittle {
        /// What was given.
        given: Money,
        /// The price.
        least: Money,
    },
    /// Another currency than the price.
    #[error("the price is {least}, so the most cannot be {given}")]
    OtherCurrency {
        /// What was given.
        given: Money,
        /// The price.
        least: Money,
    },
    /// Nothing can be set.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

const MOST_TOO_LITTLE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "most_too_little",
    "Give more than the price, which is the least; lower that with save_ticket_type, to 0 for a donation.",
);

impl Fault for SetChosenPriceError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![MOST_TOO_LITTLE, CURRENCY_DIFFERS];
        specs.extend(SettingError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TooLittle { .. } => MOST_TOO_LITTLE.at("most.amount"),
            Self::OtherCurrency { .. } => CURRENCY_DIFFERS.at("most.currency"),
            Self::Setting(error) => error.facts(),
        }
    }
}

impl From<StoreError> for SetChosenPriceError {
    fn from(error: StoreError) -> Self {
        Self::Setting(error.into())
    }
}

impl From<sqlx::Error> for SetChosenPriceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Setting(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::StatusMove,
        holds::HoldTickets,
        lifecycle::DuplicateEvent,
        permission::Role,
        testing::{Scene, assert_refused, buying, eur, holding, ordering, promo, selling},
        ticket_types::ListTicketTypes,
    };

    fn choosing(event: EventId, most: Option<i64>) -> SetChosenPrice {
        SetChosenPrice {
            event: event.into(),
            ticket_type: "Donation".parse().unwrap(),
            most: most.map(|most| Money::new(most, eur())),
        }
    }

    /// `Regular` for 25 euros and a `Donation` of 2 to 500.
    async fn with_donation(scene: &Scene) -> EventId {
        let (event, _) = scene.on_sale(2500, 9).await;
        scene
            .run(selling(event.id, "Donation", 200, 9))
            .await
            .unwrap();
        let set = scene.run(choosing(event.id, Some(50_000))).await.unwrap();
        assert_eq!(set.costs, "2.00 EUR to 500.00 EUR, as the buyer chooses");
        event.id
    }

    fn giving(event: EventId, amount: i64, currency: &str) -> HoldTickets {
        let mut hold = holding(event, 2);
        hold.items[0].ticket_type = "Donation".parse().unwrap();
        hold.items[0].price = Some(Money::new(amount, currency.parse().unwrap()));
        hold
    }

    #[tokio::test]
    async fn the_buyer_pays_what_they_choose() {
        let scene = Scene::new().await;
        let event = with_donation(&scene).await;
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Changes the ticket type \"Donation\": chosen up to from nothing to \"500.00 EUR\""
        );
        let hold = scene.run(giving(event, 1250, "EUR")).await.unwrap();
        let order = scene.run(ordering(&hold)).await.unwrap().order;
        assert_eq!(order.order.total.amount, 2500);
        let least = scene.run(buying(event, "Donation", 1)).await.unwrap().order;
        assert_eq!(least.order.total.amount, 200);
        // A hold keeps it, also when it has one price again.
        let hold = scene.run(giving(event, 50_000, "EUR")).await.unwrap();
        scene.run(choosing(event, None)).await.unwrap();
        let order = scene.run(ordering(&hold)).await.unwrap().order;
        assert_eq!(order.order.total.amount, 100_000);
        assert_refused(
            scene.run(giving(event, 1250, "EUR")).await,
            "price_is_fixed",
        );
        // Its own price is no choice.
        scene.run(giving(event, 200, "EUR")).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn a_promo_code_takes_nothing_off_what_was_chosen() {
        let scene = Scene::new().await;
        let event = with_donation(&scene).await;
        scene.run(promo(event, "FRIENDS", 50, None)).await.unwrap();
        let mut chosen = giving(event, 1000, "EUR");
        chosen.promo_code = Some("FRIENDS".parse().unwrap());
        chosen.items.push(holding(event, 1).items.remove(0));
        let hold = scene.run(chosen).await.unwrap();
        assert_eq!(hold.total.amount, 2 * 1000 + 1250);
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_chosen() {
        let scene = Scene::new().await;
        let event = with_donation(&scene).await;
        for (amount, currency) in [(199, "EUR"), (50_001, "EUR"), (-1, "EUR"), (500, "USD")] {
            let refused = scene.run(giving(event, amount, currency)).await;
            assert_refused(refused, "price_out_of_range");
        }
        let mut regular = holding(event, 1);
        regular.items[0].price = Some(Money::new(100, eur()));
        let refused = scene.run(regular).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "\"Regular\" costs 25.00 EUR; no other price can be chosen"
        );
        assert_refused(
            scene.run(choosing(event, Some(200))).await,
            "most_too_little",
        );
        let dollars = SetChosenPrice {
            most: Some(Money::new(900, "USD".parse().unwrap())),
            ..choosing(event, None)
        };
        assert_refused(scene.run(dollars).await, "currency_differs");
        let unknown = SetChosenPrice {
            ticket_type: "Donations".parse().unwrap(),
            ..choosing(event, None)
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, choosing(event, None)).await,
            "forbidden",
        );
        let other = scene.other_organization().await;
        assert_refused(
            scene.app.run(&other, choosing(event, None)).await,
            "not_found",
        );
        scene.move_event(event, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(choosing(event, None)).await, "event_closed");
    }

    #[tokio::test]
    async fn a_copied_event_lets_them_choose_too() {
        let scene = Scene::new().await;
        let event = with_donation(&scene).await;
        let copy = DuplicateEvent {
            event: event.into(),
            starts: "2027-03-04T19:00".parse().unwrap(),
            ends: None,
            title: None,
            slug: None,
            venue: None,
            zone: None,
            fold: None,
        };
        let copy = scene.run(copy).await.unwrap().event.id;
        let list = ListTicketTypes { event: copy.into() };
        let types = scene.run(list).await.unwrap().ticket_types;
        let found = types.iter().find(|kind| kind.name == "Donation").unwrap();
        assert_eq!(found.chosen_up_to, Some(Money::new(50_000, eur())));
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = with_donation(&scene).await;
        scene.assert_idempotent(choosing(event, Some(900))).await;
    }
}
