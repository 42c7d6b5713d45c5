//! `join_waitlist`: somebody wants what is sold out.

use domain::{
    Cx, EmailAddress, EventId, Facts, Fault, FaultKind, FaultSpec, Name, Permission, Reference,
    TicketTypeId, WaitlistEntryId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::{WaitlistJoined, Which},
    model::WaitlistEntry,
    serving, sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    holds,
    lookup::LookupError,
    ticket_types::{self, BasketError, Left, Offer},
};

/// Put somebody on the waiting list of a ticket type that is sold out, alone or as a group that only wants places
/// together. They get a mail when places are offered to them. Whoever waits already keeps their place.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct JoinWaitlist {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Ticket type: id or exact name.
    pub ticket_type: Reference<TicketTypeId>,
    /// How many come together.
    #[schemars(range(min = 1, max = 100))]
    pub quantity: i32,
    /// Who waits.
    pub name: Name,
    /// Where offers are mailed to.
    pub email: EmailAddress,
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for JoinWaitlist {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JoinWaitlist(…)")
    }
}

/// Somebody waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinedWaitlist {
    /// The entry.
    pub entry: WaitlistEntry,
    /// Whether the address was on the list already, and nothing changed.
    pub was_on_it_already: bool,
}

impl Operation for JoinWaitlist {
    const NAME: &'static str = "join_waitlist";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = JoinedWaitlist;
    type Error = JoinWaitlistError;

    async fn run(self, app: &App, cx: &Cx) -> Result<JoinedWaitlist, JoinWaitlistError> {
        let event = events::id_of(app, cx, &self.event).await?;
        // What nobody ordered in time is not sold.
        holds::free_expired(app, cx, event).await?;
        let mut tx = app.store().write(cx).await?;
        let event = events::lock(tx.conn(), cx, &event.into()).await?;
        ticket_types::on_sale(&event)?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        let offer = ticket_types::find_for(cx, &offers, &self.ticket_type, None)?;
        serving::settle(&mut tx, event.id).await?;
        let open = sql::find_open(tx.conn(), offer.id, &self.email).await?;
        if let Some(entry) = open {
            let answer = JoinedWaitlist {
                entry: entry.seen(cx),
                was_on_it_already: true,
            };
            return Ok(tx.unchanged(answer).await?);
        }
        self.check(cx, &event, &offers, offer)?;
        let id: WaitlistEntryId = cx.new_id();
        let entry = sql::NewEntry {
            id,
            event_id: event.id,
            ticket_type_id: offer.id,
            quantity: self.quantity,
            name: &self.name,
            email: &self.email,
        };
        sql::insert(tx.conn(), cx, &entry).await?;
        let entry = sql::get(tx.conn(), id).await?;
        let change = WaitlistJoined {
            which: Which::of(&entry),
        };
        let answer = JoinedWaitlist {
            entry: entry.seen(cx),
            was_on_it_already: false,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl JoinWaitlist {
    /// Refuses what cannot be waited for, or need not be.
    fn check(
        &self,
        cx: &Cx,
        event: &Event,
        offers: &[Offer],
        offer: &Offer,
    ) -> Result<(), JoinWaitlistError> {
        let name = offer.name.to_string();
        if let Some(why) = serving::why_not(cx, event, offers, Some(offer)) {
            return Err(JoinWaitlistError::NotWaitedFor { name, why });
        }
        let all = offer.pools().filter_map(|pool| pool.capacity).min();
        let most = all.unwrap_or(i32::MAX).min(offer.max_per_order);
        if !(offer.min_per_order..=most).contains(&self.quantity) {
            return Err(JoinWaitlistError::Quantity {
                name,
                min: offer.min_per_order,
                max: most,
                given: self.quantity,
            });
        }
        match Left::of(cx, event, offers).left(offer) {
            Some(0) => Ok(()),
            left => Err(JoinWaitlistError::NotSoldOut { name, left }),
        }
    }
}

/// How `join_waitlist` refuses.
#[derive(Debug, thiserror::Error)]
pub enum JoinWaitlistError {
    /// It can be bought.
    #[error("{name:?} is not sold out: {}", on_sale(*.left))]
    NotSoldOut {
        /// The ticket type.
        name: String,
        /// How many are left, if that is limited.
        left: Option<i32>,
    },
    /// Nothing of it will be offered any more, or not yet.
    #[error("nobody can wait for {name:?}: {why}")]
    NotWaitedFor {
        /// The ticket type.
        name: String,
        /// Why.
        why: String,
    },
    /// Fewer or more than one order may have, or than there are.
    #[error("{min} to {max} {name:?} tickets can be waited for together, not {given}")]
    Quantity {
        /// The ticket type.
        name: String,
        /// The fewest.
        min: i32,
        /// The most.
        max: i32,
        /// What was asked for.
        given: i32,
    },
    /// The event is a draft, over, cancelled or archived.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// The event or the ticket type was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn on_sale(left: Option<i32>) -> String {
    match left {
        Some(1) => "1 is left and can be bought now".to_owned(),
        Some(left) => format!("{left} are left and can be bought now"),
        None => "it can be bought now".to_owned(),
    }
}

const NOT_SOLD_OUT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_sold_out",
    "Buy what is left, with hold_tickets or place_order; nobody needs to wait for it.",
);
const NOT_WAITED_FOR: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_waited_for",
    "Offer another ticket type from list_ticket_types.",
);
const WAITLIST_QUANTITY: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "waitlist_quantity",
    "Choose a quantity within the limits; a larger group joins in parts, each with an address of its own.",
);

impl Fault for JoinWaitlistError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![NOT_SOLD_OUT, NOT_WAITED_FOR, WAITLIST_QUANTITY];
        specs.extend(BasketError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NotSoldOut { .. } => NOT_SOLD_OUT.at("ticket_type"),
            Self::NotWaitedFor { .. } => NOT_WAITED_FOR.at("ticket_type"),
            Self::Quantity { .. } => WAITLIST_QUANTITY.at("quantity"),
            Self::Basket(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for JoinWaitlistError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::Fault as _;

    use super::*;
    use crate::{
        buyers,
        events::StatusMove,
        holds::ReleaseHold,
        permission::Role,
        testing::{Scene, assert_refused, holding, joining, new_event, saving, selling},
        ticket_types::{ArchiveTicketType, SaveTicketType, Visibility},
        waitlist::WaitlistStatus,
    };

    #[tokio::test]
    async fn somebody_waits_for_what_is_sold_out() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(4).await;
        let joined = scene.run(joining(event, "Ada", 2)).await.unwrap();
        let entry = joined.entry;
        assert_eq!(
            (entry.status, entry.quantity, entry.priority, entry.offer),
            (WaitlistStatus::Waiting, 2, 0, None)
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Puts somebody on the waiting list: 2 \"Regular\" for \"Spring Gala\""
        );
        assert!(
            !change.payload.to_string().contains("ada"),
            "no personal data"
        );
        let seller = scene.as_role(Role::Manager);
        let seller = seller
            .clone()
            .with_permissions([Permission::OrdersWrite].into_iter().collect());
        let masked = scene.app.run(&seller, joining(event, "Grace", 1)).await;
        assert_eq!(masked.unwrap().entry.email.as_str(), "g…@e….org");
    }

    #[tokio::test]
    async fn an_address_waits_once_and_keeps_its_place() {
        let scene = Scene::new().await;
        let (event, holds) = scene.sold_out(4).await;
        let first = scene.run(joining(event, "Ada", 2)).await.unwrap();
        let count = scene.changes().await.len();
        let again = JoinWaitlist {
            email: "ADA@Example.org".parse().unwrap(),
            ..joining(event, "Somebody", 3)
        };
        let repeated = scene.run(again).await.unwrap();
        assert!(repeated.was_on_it_already);
        assert_eq!(repeated.entry, first.entry);
        assert_eq!(scene.changes().await.len(), count);
        // Also while they have an offer; once that has ended they may join anew.
        for hold in &holds[..2] {
            scene.run(ReleaseHold { hold: hold.id }).await.unwrap();
        }
        let serve = crate::waitlist::OfferPlaces::default();
        scene.run(serve).await.unwrap();
        let offered = scene.run(joining(event, "Ada", 2)).await.unwrap();
        assert_eq!(offered.entry.status, WaitlistStatus::Offered);
        let hold = offered.entry.offer.unwrap().hold_id;
        scene.run(ReleaseHold { hold }).await.unwrap();
        for _ in 0..2 {
            scene.run(holding(event, 1)).await.unwrap();
        }
        let anew = scene.run(joining(event, "Ada", 2)).await.unwrap();
        assert!(!anew.was_on_it_already && anew.entry.id != first.entry.id);
        scene.reconcile().await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_address_that_joins_many_times_at_once_waits_once() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(2).await;
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..12 {
            let (app, cx) = (scene.another_server(), scene.cx.clone());
            crowd.spawn(async move { app.run(&cx, joining(event, "Ada", 1)).await.unwrap() });
        }
        let joined = crowd.join_all().await;
        let new = joined.iter().filter(|joined| !joined.was_on_it_already);
        assert_eq!(new.count(), 1);
        let rows = "select count(*) from waitlist_entry";
        assert_eq!(scene.database.count(rows).await, 1);
    }

    #[tokio::test]
    async fn what_can_be_bought_need_not_be_waited_for() {
        let scene = Scene::new().await;
        let (event, holds) = scene.sold_out(4).await;
        scene.run(ReleaseHold { hold: holds[0].id }).await.unwrap();
        let refused = scene.run(joining(event, "Ada", 2)).await;
        let error = refused.as_ref().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Regular\" is not sold out: 1 is left and can be bought now"
        );
        assert_eq!(error.field().unwrap(), "ticket_type");
        assert_refused(refused, "not_sold_out");
        scene.run(holding(event, 1)).await.unwrap();
        scene.run(joining(event, "Ada", 2)).await.unwrap();
        // A place that is kept for somebody who waits is not left.
        scene.run(ReleaseHold { hold: holds[1].id }).await.unwrap();
        scene.run(joining(event, "Grace", 1)).await.unwrap();
        let more = SaveTicketType {
            ticket_type: Some("Regular".parse().unwrap()),
            unlimited: true,
            ..saving(event)
        };
        scene.run(more).await.unwrap();
        assert_refused(scene.run(joining(event, "Hedy", 1)).await, "not_sold_out");
        // Nor is what nobody ordered in time.
        let other = Scene::new().await;
        let (event, _) = other.sold_out(2).await;
        let late = other.at("2027-01-11T09:15:00Z");
        let refused = other.app.run(&late, joining(event, "Ada", 1)).await;
        assert_refused(refused, "not_sold_out");
    }

    #[tokio::test]
    async fn refuses_what_will_never_be_offered() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(4).await;
        for quantity in [0, -1, 5, 11] {
            let refused = scene.run(joining(event, "Ada", quantity)).await;
            assert_refused(refused, "waitlist_quantity");
        }
        let unknown = JoinWaitlist {
            ticket_type: "Regulr".parse().unwrap(),
            ..joining(event, "Ada", 1)
        };
        assert_refused(scene.run(unknown).await, "not_found");
        let soon = SaveTicketType {
            sales_start: domain::Patch::Set("2027-01-20T12:00".parse().unwrap()),
            ..selling(event, "Soon", 2000, 10)
        };
        let soon = scene.run(soon).await.unwrap().ticket_type;
        let early = JoinWaitlist {
            ticket_type: soon.id.into(),
            ..joining(event, "Ada", 1)
        };
        let refused = scene.run(early.clone()).await;
        let told = refused.as_ref().unwrap_err().to_string();
        assert_eq!(told, "nobody can wait for \"Soon\": its sale has not begun");
        assert_refused(refused, "not_waited_for");
        let archive = ArchiveTicketType {
            event: event.into(),
            ticket_type: soon.id.into(),
        };
        scene.run(archive).await.unwrap();
        assert_refused(scene.run(early).await, "not_found");
        let begun = scene.at("2027-02-04T18:30:00Z");
        let refused = scene.app.run(&begun, joining(event, "Ada", 1)).await;
        assert_refused(refused, "not_waited_for");
        let over = scene.at("2027-02-05T09:00:00Z");
        let refused = scene.app.run(&over, joining(event, "Ada", 1)).await;
        assert_refused(refused, "event_not_on_sale");
        scene.move_event(event, StatusMove::Cancel(None)).await;
        let refused = scene.run(joining(event, "Ada", 1)).await;
        assert_refused(refused, "event_not_on_sale");
        let draft = scene.run(new_event("Draft")).await.unwrap().event;
        scene
            .run(selling(draft.id, "Regular", 2500, 1))
            .await
            .unwrap();
        let refused = scene.run(joining(draft.id, "Ada", 1)).await;
        assert_refused(refused, "event_not_on_sale");
    }

    #[tokio::test]
    async fn a_buyer_waits_for_nothing_hidden_and_others_for_nothing_at_all() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.sold_out(1).await;
        assert_refused(
            scene.app.run(&other, joining(event, "Ada", 1)).await,
            "not_found",
        );
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(
            scene.app.run(&viewer, joining(event, "Ada", 1)).await,
            "forbidden",
        );
        let buyer = buyers::context(
            scene.cx.organization_id,
            [Permission::OrdersWrite],
            scene.cx.now,
        );
        scene
            .app
            .run(&buyer, joining(event, "Ada", 1))
            .await
            .unwrap();
        let hide = SaveTicketType {
            ticket_type: Some("Regular".parse().unwrap()),
            visibility: Some(Visibility::Hidden),
            ..saving(event)
        };
        scene.run(hide).await.unwrap();
        assert_refused(
            scene.app.run(&buyer, joining(event, "Grace", 1)).await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(1).await;
        scene.assert_idempotent(joining(event, "Ada", 1)).await;
    }
}
