//! `offer_places`: what is free goes to those who wait.

use domain::{
    Cx, EventId, Facts, Fault, FaultKind, FaultSpec, HoldId, LocalTime, Money, Permission,
    Reference, TicketTypeId, Timestamp, Untrusted, WaitlistEntryId,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{plan::PATIENCE, serving::Serving, sql};
use crate::{
    App, Effect, Operation, events, holds,
    lookup::LookupError,
    messages::WordingError,
    seats::SeatError,
    ticket_types::{self, BasketError},
};

/// Offer free places to those on the waiting list whose turn it is, by priority and then by time: they are held for them
/// and a mail tells them, with a link to buy or decline. A group gets places for all or none; once three people
/// behind a group were served, places are saved up for it. The workflow waitlist-offers calls this whenever places come
/// free; calling it again does nothing twice. A dry run shows who would get what and until when.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct OfferPlaces {
    /// Event: id, slug or exact title; all when left out.
    pub event: Option<Reference<EventId>>,
    /// Only this ticket type of the event: id or exact name.
    pub ticket_type: Option<Reference<TicketTypeId>>,
    /// How long an offer lives (default 48 hours); never beyond the end of the sale or the start of the event.
    #[schemars(range(min = 1, max = 720))]
    pub hours: Option<u16>,
}

/// An offer that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedTo {
    /// Whose it is.
    pub entry: WaitlistEntryId,
    /// What.
    pub ticket_type: String,
    /// How many.
    pub quantity: i32,
    /// Who.
    pub name: Untrusted,
    /// Their address.
    pub email: Untrusted,
    /// The hold; `place_order` takes it.
    pub hold: HoldId,
    /// What it costs.
    pub total: Money,
    /// Until when.
    pub until: Timestamp,
    /// Until when, on the clock at the event.
    pub until_local: LocalTime,
}

/// A group for which places are saved up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedFor {
    /// Whose turn it is.
    pub entry: WaitlistEntryId,
    /// What they wait for.
    pub ticket_type: String,
    /// How many they are.
    pub quantity: i32,
    /// How many are free and kept for them.
    pub free: i32,
}

/// A ticket type that people wait for and that cannot be offered to them as things stand, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotServed {
    /// The event.
    pub event: String,
    /// The ticket type.
    pub ticket_type: String,
    /// How many entries wait.
    pub waiting_count: i64,
    /// Why nothing is offered.
    pub why: String,
}

/// Who got what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferedPlaces {
    /// Who is offered what now, and until when.
    pub offers: Vec<OfferedTo>,
    /// For whom places are saved up.
    pub saved_for: Vec<SavedFor>,
    /// What is not offered, and why.
    pub not_served: Vec<NotServed>,
    /// How many entries still wait.
    pub waiting_count: usize,
}

/// How long an offer lives if nothing is said.
const HOURS: u16 = 48;
/// How long it may.
const HOURS_RANGE: std::ops::RangeInclusive<u16> = 1..=720;

impl Operation for OfferPlaces {
    const NAME: &'static str = "offer_places";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = OfferedPlaces;
    type Error = OfferPlacesError;

    async fn run(self, app: &App, cx: &Cx) -> Result<OfferedPlaces, OfferPlacesError> {
        self.offer(app, cx, PATIENCE).await
    }
}

impl OfferPlaces {
    /// With the patience of a test.
    pub(super) async fn offer(
        self,
        app: &App,
        cx: &Cx,
        patience: i32,
    ) -> Result<OfferedPlaces, OfferPlacesError> {
        let hours = self.hours.unwrap_or(HOURS);
        if !HOURS_RANGE.contains(&hours) {
            return Err(OfferPlacesError::Hours(hours));
        }
        let (events, only) = self.look_up(app, cx).await?;
        let serving = Serving {
            hours,
            patience,
            only,
        };
        for &event in &events {
            // A worker that is late must not keep places from those who wait.
            holds::free_expired(app, cx, event).await?;
        }
        let mut tx = app.store().write(cx).await?;
        let mut answer = OfferedPlaces::default();
        for event in events {
            let event = events::lock(tx.conn(), cx, &event.into()).await?;
            serving.serve(&mut tx, &event, &mut answer).await?;
        }
        Ok(tx.unchanged(answer).await?)
    }

    /// The events somebody waits for, in the order in which they are locked, and the one ticket type. An event nobody waits
    /// for is not locked: its sale goes on undisturbed.
    async fn look_up(
        &self,
        app: &App,
        cx: &Cx,
    ) -> Result<(Vec<EventId>, Option<TicketTypeId>), OfferPlacesError> {
        let mut tx = app.store().read(cx).await?;
        let Some(event) = &self.event else {
            if self.ticket_type.is_some() {
                return Err(OfferPlacesError::TypeOfWhich);
            }
            return Ok((sql::events(tx.conn(), None).await?, None));
        };
        let event = events::resolve(tx.conn(), cx, event).await?.id;
        let only = match &self.ticket_type {
            Some(reference) => {
                let offers = ticket_types::offers(tx.conn(), event).await?;
                Some(ticket_types::find(&offers, reference)?.id)
            }
            None => None,
        };
        Ok((sql::events(tx.conn(), Some(event)).await?, only))
    }
}

/// How `offer_places` refuses.
#[derive(Debug, thiserror::Error)]
pub enum OfferPlacesError {
    /// Too short or too long.
    #[error("an offer lives 1 to 720 hours, not {0}")]
    Hours(u16),
    /// A ticket type without its event.
    #[error("a ticket type is one of an event, and none was given")]
    TypeOfWhich,
    /// The price cannot be multiplied.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// There are no seats for somebody who waits.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// The mail cannot be worded.
    #[error(transparent)]
    Wording(#[from] WordingError),
    /// The event or the ticket type was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const OFFER_HOURS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "offer_hours",
    "Ask how long people should have to decide; 48 hours are usual.",
);
const TYPE_OF_WHICH: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "ticket_type_without_event",
    "Give the event, too.",
);

impl Fault for OfferPlacesError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![OFFER_HOURS, TYPE_OF_WHICH];
        specs.extend(BasketError::specs());
        specs.extend(SeatError::specs());
        specs.extend(WordingError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Hours(_) => OFFER_HOURS.at("hours"),
            Self::TypeOfWhich => TYPE_OF_WHICH.at("event"),
            Self::Basket(error) => error.facts(),
            Self::Seats(error) => error.facts(),
            Self::Wording(error) => error.facts(),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for OfferPlacesError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::context::Mode;

    use super::*;
    use crate::{
        holds::ReleaseHold,
        messages::{GetMessage, ListMessages},
        permission::Role,
        testing::{Scene, assert_refused, joining, selling},
        ticket_types::ArchiveTicketType,
        waitlist::ListWaitlist,
    };

    fn offering(event: EventId) -> OfferPlaces {
        OfferPlaces {
            event: Some(event.into()),
            ..OfferPlaces::default()
        }
    }

    /// Two places are free, which Ada waits for.
    async fn waited_for(scene: &Scene) -> EventId {
        let (event, holds) = scene.sold_out(2).await;
        scene.run(joining(event, "Ada", 2)).await.unwrap();
        for hold in &holds {
            scene.run(ReleaseHold { hold: hold.id }).await.unwrap();
        }
        event
    }

    #[tokio::test]
    async fn a_dry_run_shows_who_would_get_what_until_when() {
        let scene = Scene::new().await;
        let event = waited_for(&scene).await;
        let mut cx = scene.cx.clone();
        cx.mode = Mode::DryRun;
        let shown = scene.app.run(&cx, offering(event)).await.unwrap();
        let list = ListWaitlist::of(event.into());
        let entries = scene.run(list.clone()).await.unwrap().items;
        assert_eq!(entries[0].offer, None, "nothing has happened");
        let shorter = OfferPlaces {
            hours: Some(3),
            ..offering(event)
        };
        let done = scene.run(shorter).await.unwrap();
        let (shown, done) = (&shown.offers[0], &done.offers[0]);
        assert_eq!(
            (shown.entry, shown.quantity, shown.total),
            (done.entry, done.quantity, done.total)
        );
        assert_eq!(shown.until_local.readable(), "Wed 13 Jan 2027, 10:00");
        assert_eq!(done.until_local.readable(), "Mon 11 Jan 2027, 13:00");
        let offer = scene
            .run(list)
            .await
            .unwrap()
            .items
            .remove(0)
            .offer
            .unwrap();
        assert_eq!((offer.hold_id, offer.until), (done.hold, done.until));
        let kinds: Vec<_> = scene.changes().await.into_iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds[kinds.len() - 2..],
            ["waitlist.offered", "hold.placed"]
        );
    }

    #[tokio::test]
    async fn the_mail_says_what_how_many_and_until_when_and_holds_no_link_before_it_is_sent() {
        let scene = Scene::new().await;
        let event = waited_for(&scene).await;
        scene.run(offering(event)).await.unwrap();
        let listed = scene.run(ListMessages::default()).await.unwrap();
        let message = listed.items[0].id;
        let mail = scene.run(GetMessage { message }).await.unwrap();
        let text = mail.text.as_ref().unwrap().as_str();
        for said in [
            "2 × Regular",
            "50.00 EUR",
            "Wed 13 Jan 2027, 10:00 (Berlin)",
        ] {
            assert!(text.contains(said), "{said} is missing: {text}");
        }
        assert!(!text.contains("/waitlist/"), "{text}");
        let taken = crate::messages::testing::Taken::default();
        crate::messages::testing::send_all(&scene, &taken).await;
        let entry = scene
            .run(ListWaitlist::of(event.into()))
            .await
            .unwrap()
            .items[0]
            .id;
        let sent = taken.mails();
        let (_, link) = sent[0].text.split_once("/waitlist/").unwrap();
        let link = link
            .split_whitespace()
            .next()
            .unwrap()
            .trim_end_matches([')', '>']);
        let pages = crate::buyers::WaitlistPages::new("", [7; 32]);
        assert_eq!(pages.open(link).unwrap().entry_id, entry);
    }

    #[tokio::test]
    async fn says_for_whom_places_are_saved_and_what_is_not_served() {
        let scene = Scene::new().await;
        let (event, holds) = scene.sold_out(4).await;
        scene.run(selling(event, "Other", 2500, 4)).await.unwrap();
        let group = scene
            .run(joining(event, "Group", 4))
            .await
            .unwrap()
            .entry
            .id;
        for name in ["Ada", "Grace", "Hedy", "Mary"] {
            scene.run(joining(event, name, 1)).await.unwrap();
        }
        for hold in &holds {
            scene.run(ReleaseHold { hold: hold.id }).await.unwrap();
            let cx = scene.cx.clone();
            scene.app.run(&cx, offering(event)).await.unwrap();
        }
        // Three were served before the group; the fourth place is saved for it, and Mary waits behind.
        let told = scene.run(offering(event)).await.unwrap();
        let saved = SavedFor {
            entry: group,
            ticket_type: "Regular".to_owned(),
            quantity: 4,
            free: 1,
        };
        assert_eq!((told.saved_for, told.waiting_count), (vec![saved], 2));
        let other = OfferPlaces {
            ticket_type: Some("Other".parse().unwrap()),
            ..offering(event)
        };
        assert_eq!(scene.run(other).await.unwrap().offers, []);
        let archive = ArchiveTicketType {
            event: event.into(),
            ticket_type: "Regular".parse().unwrap(),
        };
        scene.run(archive).await.unwrap();
        let told = scene.run(OfferPlaces::default()).await.unwrap();
        let not_served = NotServed {
            event: "Spring Gala".to_owned(),
            ticket_type: "Regular".to_owned(),
            waiting_count: 2,
            why: "it is archived".to_owned(),
        };
        assert_eq!(
            (told.offers, told.not_served),
            (Vec::new(), vec![not_served])
        );
        let archived = OfferPlaces {
            ticket_type: Some("Regular".parse().unwrap()),
            ..offering(event)
        };
        assert_refused(scene.run(archived).await, "not_found");
    }

    #[tokio::test]
    async fn an_event_nobody_waits_for_is_left_alone() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 2).await;
        // Its row is another's: whoever wanted it would wait.
        let keeper = scene.keep("event").await;
        let told = scene.run(offering(event.id)).await.unwrap();
        assert_eq!(told, OfferedPlaces::default());
        keeper.let_go().await;
    }

    #[tokio::test]
    async fn refuses_what_makes_no_sense_and_what_is_not_theirs() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = waited_for(&scene).await;
        for hours in [0, 721] {
            let bad = OfferPlaces {
                hours: Some(hours),
                ..offering(event)
            };
            assert_refused(scene.run(bad).await, "offer_hours");
        }
        let without_event = OfferPlaces {
            ticket_type: Some("Regular".parse().unwrap()),
            ..OfferPlaces::default()
        };
        assert_refused(scene.run(without_event).await, "ticket_type_without_event");
        let unknown = OfferPlaces {
            event: Some("Sommer Gala".parse().unwrap()),
            ..OfferPlaces::default()
        };
        assert_refused(scene.run(unknown).await, "not_found");
        assert_refused(scene.app.run(&other, offering(event)).await, "not_found");
        let none = scene.app.run(&other, OfferPlaces::default()).await.unwrap();
        assert_eq!(none.offers, []);
        let viewer = scene.as_role(Role::Viewer);
        assert_refused(scene.app.run(&viewer, offering(event)).await, "forbidden");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let event = waited_for(&scene).await;
        scene.assert_idempotent(offering(event)).await;
    }
}
