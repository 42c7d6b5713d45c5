//! `set_buyer_limit`: how many tickets of a type one buyer may have.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, Permission, Reference, TicketTypeId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    model::TicketType,
    setting::{Setting, SettingError},
    sql,
};
use crate::{App, Effect, Operation, field_change::differing};

/// Limit how many tickets of a type one buyer, known by their e-mail address, may have over all their orders of the event;
/// without `most` there is no such limit. Orders that stand count and stay. For how many one order may have, use
/// `save_ticket_type`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetBuyerLimit {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// The most for each buyer.
    pub most: Option<i32>,
}

impl Operation for SetBuyerLimit {
    const NAME: &'static str = "set_buyer_limit";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = TicketType;
    type Error = SetBuyerLimitError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TicketType, SetBuyerLimitError> {
        let mut tx = app.store().write(cx).await?;
        let setting = Setting::open(&mut tx, &self.event, &self.ticket_type).await?;
        let offer = &setting.offer;
        let least = offer.min_per_order.max(1);
        if let Some(given) = self.most.filter(|most| *most < least) {
            return Err(SetBuyerLimitError::TooFew { given, least });
        }
        let text = |most: Option<i32>| most.map(|most| most.to_string());
        let changed = differing([("most per buyer", text(offer.max_per_buyer), text(self.most))]);
        if !changed.is_empty() {
            sql::set_max_per_buyer(tx.conn(), cx, offer.id, self.most).await?;
        }
        Ok(setting.done(tx, changed).await?)
    }
}

/// How `set_buyer_limit` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SetBuyerLimitError {
    /// Nobody could buy.
    #[error("an order has at least {least} of them, so {given} for each buyer sells none")]
    TooFew {
        /// What was given.
        given: i32,
        /// The least of an order.
        least: i32,
    },
    /// Nothing can be set.
    #[error(transparent)]
    Setting(#[from] SettingError),
}

const BUYER_LIMIT_TOO_LOW: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "buyer_limit_too_low",
    "Give at least as many as one order must have, or leave `most` out for no limit.",
);

impl Fault for SetBuyerLimitError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![BUYER_LIMIT_TOO_LOW];
        specs.extend(SettingError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::TooFew { .. } => BUYER_LIMIT_TOO_LOW.at("most"),
            Self::Setting(error) => error.facts(),
        }
    }
}

impl From<StoreError> for SetBuyerLimitError {
    fn from(error: StoreError) -> Self {
        Self::Setting(error.into())
    }
}

impl From<sqlx::Error> for SetBuyerLimitError {
    fn from(error: sqlx::Error) -> Self {
        Self::Setting(error.into())
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        Options,
        events::StatusMove,
        lifecycle::DuplicateEvent,
        orders::{CancelOrder, PlaceOrder},
        permission::Role,
        testing::{Scene, assert_refused, buying, holding, ordering, selling},
        ticket_types::ListTicketTypes,
    };

    fn limiting(event: EventId, most: Option<i32>) -> SetBuyerLimit {
        SetBuyerLimit {
            event: event.into(),
            ticket_type: "Regular".parse().unwrap(),
            most,
        }
    }

    /// An event with many places, of which one buyer may have four.
    async fn limited(scene: &Scene) -> EventId {
        let (event, _) = scene.on_sale(2500, 200).await;
        let set = scene.run(limiting(event.id, Some(4))).await.unwrap();
        assert_eq!(set.max_per_buyer, Some(4));
        event.id
    }

    fn by(email: &str, event: EventId, quantity: i32) -> PlaceOrder {
        let mut order: PlaceOrder = buying(event, "Regular", quantity);
        order.buyer.email = email.parse().unwrap();
        order
    }

    #[tokio::test]
    async fn all_orders_of_a_buyer_that_stand_count() {
        let scene = Scene::new().await;
        let event = limited(&scene).await;
        let first = scene.run(by("ada@example.org", event, 3)).await.unwrap();
        let refused = scene.run(by("Ada@Example.org", event, 2)).await;
        let error = refused.unwrap_err();
        assert_eq!(
            error.to_string(),
            "one buyer may have 4 \"Regular\" tickets of this event at most, over all their orders"
        );
        assert_refused::<(), _>(Err(error), "buyer_limit");
        scene.run(by("ada@example.org", event, 1)).await.unwrap();
        scene.run(by("bob@example.org", event, 4)).await.unwrap();
        // What is held is counted when it is ordered, and is held still.
        let hold = scene.run(holding(event, 2)).await.unwrap();
        let mut more = ordering(&hold);
        more.buyer.email = "ADA@example.org".parse().unwrap();
        assert_refused(scene.run(more.clone()).await, "buyer_limit");
        let cancel = CancelOrder::of(first.order.order.id.into());
        scene.run(cancel).await.unwrap();
        scene.run(more).await.unwrap();
        // Others of the event have no such limit.
        scene.run(selling(event, "Balcony", 0, 50)).await.unwrap();
        let mut balcony = by("ada@example.org", event, 9);
        balcony.items[0].ticket_type = "Balcony".parse().unwrap();
        scene.run(balcony).await.unwrap();
        scene.run(limiting(event, None)).await.unwrap();
        scene.run(by("ada@example.org", event, 9)).await.unwrap();
        scene.reconcile().await;
    }

    /// How many of thirty-two orders of one buyer, of one ticket each, two servers take at once.
    async fn rush(scene: &Scene, event: EventId, most_together: u16) -> usize {
        let options = Options {
            most_together,
            ..Options::unlimited()
        };
        let servers = [(); 2].map(|()| scene.another_server().limited(options));
        let mut tries = JoinSet::new();
        for index in 0..32 {
            let (app, cx) = (servers[index % 2].clone(), scene.cx.apart());
            let order = by("ada@example.org", event, 1);
            tries.spawn(async move { app.run(&cx, order).await });
        }
        let outcomes = tries.join_all().await;
        let placed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        for refused in outcomes.into_iter().filter(Result::is_err) {
            assert_refused(refused, "buyer_limit");
        }
        placed
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn nobody_gets_more_by_ordering_at_once() {
        for most_together in [1, 64] {
            let scene = Scene::new().await;
            let event = limited(&scene).await;
            assert_eq!(rush(&scene, event, most_together).await, 4);
            scene.reconcile().await;
        }
    }

    /// The control: when buyers are not locked, they get more than they may have.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn control_without_the_lock_a_buyer_gets_more() {
        let scene = Scene::new().await;
        let event = limited(&scene).await;
        let off = "create or replace function lock_buyers(event uuid, buyers text[]) returns void language sql as ''";
        scene.database.tell(off).await;
        let placed = rush(&scene, event, 1).await;
        assert!(placed > 4, "{placed}");
    }

    #[tokio::test]
    async fn refuses_a_limit_that_sells_nothing() {
        let scene = Scene::new().await;
        let event = limited(&scene).await;
        for most in [0, -1] {
            let refused = scene.run(limiting(event, Some(most))).await;
            assert_refused(refused, "buyer_limit_too_low");
        }
        let unknown = SetBuyerLimit {
            ticket_type: "Regulr".parse().unwrap(),
            ..limiting(event, Some(2))
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        let refused = scene.app.run(&viewer, limiting(event, None)).await;
        assert_refused(refused, "forbidden");
        let other = scene.other_organization().await;
        let refused = scene.app.run(&other, limiting(event, None)).await;
        assert_refused(refused, "not_found");
        scene.move_event(event, StatusMove::Cancel(None)).await;
        assert_refused(scene.run(limiting(event, None)).await, "event_closed");
    }

    #[tokio::test]
    async fn a_copied_event_limits_them_too_and_a_repeat_changes_nothing() {
        let scene = Scene::new().await;
        let event = limited(&scene).await;
        scene.assert_idempotent(limiting(event, Some(7))).await;
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
        assert_eq!(types[0].max_per_buyer, Some(7));
    }
}
