//! Somebody who buys for themselves, without a login: what is known of them is the checkout in their hands.
//!
//! What buyers see is decided where things are looked up: hidden ticket types and events that are not published are not
//! there for them (`shows_event`, `shows_ticket_type`).

use std::marker::PhantomData;

use domain::{
    Actor, Cx, EventId, HoldId, OrderId, OrganizationId, Permission, Permissions, Timestamp,
    TurnId, WaitlistEntryId,
};
use uuid::Uuid;

use crate::{events::EventStatus, signed, ticket_types::Visibility};

const PURPOSE: &str = "eventos checkout v1";

/// One buyer's way from a hold to an order: whoever has its token may order what is held, give it back, and see the order
/// that came of it. Nothing else leads there, not the ids of the hold or of the order, which others see, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkout {
    /// Whose event it is.
    pub organization_id: OrganizationId,
    /// The event.
    pub event_id: EventId,
    /// What is held.
    pub hold_id: HoldId,
}

impl Checkout {
    /// The text that is given to the buyer.
    pub fn token(&self, key: &[u8; 32]) -> String {
        let ids = [
            Uuid::from(self.organization_id).into_bytes(),
            Uuid::from(self.event_id).into_bytes(),
            Uuid::from(self.hold_id).into_bytes(),
        ];
        signed::seal(key, PURPOSE, &ids.concat())
    }

    /// The checkout of a token that we made.
    pub fn open(key: &[u8; 32], token: &str) -> Option<Self> {
        let bytes: [u8; 48] = signed::open(key, PURPOSE, token)?;
        let id = |place: usize| Uuid::from_slice(&bytes[16 * place..16 * (place + 1)]).ok();
        Some(Self {
            organization_id: id(0)?.into(),
            event_id: id(1)?.into(),
            hold_id: id(2)?.into(),
        })
    }
}

/// One thing of an organization as a buyer reaches it: whoever has its link may do with it what its buyer may.
pub trait Link: Copy {
    /// What tokens of such links are made for; those of others do not open here.
    const PURPOSE: &'static str;
    /// Where its pages are.
    const PATH: &'static str;
    /// The link to a thing of an organization.
    fn new(organization_id: OrganizationId, id: Uuid) -> Self;
    /// What it leads to.
    fn ids(&self) -> (OrganizationId, Uuid);
}

macro_rules! links {
    ($($(#[$doc:meta])* $link:ident { $(#[$field_doc:meta])* $id:ident: $Id:ty } in $Pages:ident, $path:literal, $purpose:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $link {
            /// Whose it is.
            pub organization_id: OrganizationId,
            $(#[$field_doc])*
            pub $id: $Id,
        }

        impl Link for $link {
            const PURPOSE: &'static str = $purpose;
            const PATH: &'static str = $path;

            fn new(organization_id: OrganizationId, id: Uuid) -> Self {
                Self { organization_id, $id: id.into() }
            }

            fn ids(&self) -> (OrganizationId, Uuid) {
                (self.organization_id, self.$id.into())
            }
        }

        #[doc = concat!("The pages behind each [`", stringify!($link), "`].")]
        pub type $Pages = Pages<$link>;
    )*};
}

links! {
    /// One order: whoever has its link sees the order and its tickets, and may pay it.
    OrderLink {
        /// The order.
        order_id: OrderId
    } in OrderPages, "orders", "eventos order v1";
    /// One entry of a waiting list: whoever has its link sees what is offered, takes it, or leaves the list.
    WaitlistLink {
        /// The entry.
        entry_id: WaitlistEntryId
    } in WaitlistPages, "waitlist", "eventos waitlist v1";
    /// One turn in a waiting room: whoever has its link sees how far it has come, and buys in it.
    TurnLink {
        /// The turn.
        turn_id: TurnId
    } in TurnPages, "turns", "eventos turn v1";
}

/// Makes the links under which buyers reach their things, and opens them.
#[derive(Clone)]
pub struct Pages<L> {
    url: String,
    key: [u8; 32],
    link: PhantomData<fn() -> L>,
}

impl<L: Link> Pages<L> {
    /// The pages of a server that people reach under an address, with the server's own key.
    pub fn new(url: &str, key: [u8; 32]) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            key,
            link: PhantomData,
        }
    }

    /// The address of a page.
    pub fn url(&self, link: &L) -> String {
        format!("{}/{}/{}", self.url, L::PATH, self.token(link))
    }

    /// The last part of the path of a page, which is the right to it.
    pub fn token(&self, link: &L) -> String {
        let (organization_id, id) = link.ids();
        let ids = [Uuid::from(organization_id).into_bytes(), id.into_bytes()];
        signed::seal(&self.key, L::PURPOSE, &ids.concat())
    }

    /// The link of a token that was made here.
    pub fn open(&self, token: &str) -> Option<L> {
        let bytes: [u8; 32] = signed::open(&self.key, L::PURPOSE, token)?;
        let id = |place: usize| Uuid::from_slice(&bytes[16 * place..16 * (place + 1)]).ok();
        Some(L::new(id(0)?.into(), id(1)?))
    }
}

/// The context of one request of a buyer: with the permissions that this very request needs, and no others.
pub fn context(
    organization_id: OrganizationId,
    permissions: impl IntoIterator<Item = Permission>,
    now: Timestamp,
) -> Cx {
    let permissions: Permissions = permissions.into_iter().collect();
    Cx::new(organization_id, Actor::Buyer, permissions).with_now(now)
}

/// Whether somebody who buys asks.
pub(crate) fn is_buyer(cx: &Cx) -> bool {
    cx.actor == Actor::Buyer
}

/// Whether an event is there for whoever asks: buyers see what was published, also once it is over or cancelled.
pub(crate) fn shows_event(cx: &Cx, status: EventStatus, was_published: bool) -> bool {
    let is_public = match status {
        EventStatus::Published | EventStatus::Ended => true,
        EventStatus::Cancelled => was_published,
        EventStatus::Draft | EventStatus::Archived => false,
    };
    is_public || !is_buyer(cx)
}

/// Whether a ticket type is there for whoever asks.
pub(crate) fn shows_ticket_type(cx: &Cx, visibility: Visibility) -> bool {
    visibility == Visibility::Public || !is_buyer(cx)
}

/// Whether whoever asks may look for things by words, and be told what is near. Buyers name what they were shown.
pub(crate) fn may_search(cx: &Cx) -> bool {
    !is_buyer(cx)
}

#[cfg(test)]
mod tests {
    use domain::{Reference, fault::Failure};

    use super::*;
    use crate::{
        events::StatusMove,
        holds::{HoldTickets, PickedItem},
        lifecycle::GetEvent,
        orders::PlaceOrder,
        testing::{Scene, assert_refused, buying, holding, new_event, selling},
        ticket_types::SaveTicketType,
    };

    fn buyer(scene: &Scene) -> Cx {
        let may = [Permission::EventsRead, Permission::OrdersWrite];
        context(scene.cx.organization_id, may, scene.cx.now)
    }

    async fn with_hidden(scene: &Scene) -> crate::events::Event {
        let (event, _) = scene.on_sale(2500, 10).await;
        let guests = SaveTicketType {
            visibility: Some(Visibility::Hidden),
            ..selling(event.id, "Guests", 0, 5)
        };
        scene.run(guests).await.unwrap();
        event
    }

    #[test]
    fn a_checkout_opens_with_its_own_key_only() {
        let checkout = Checkout {
            organization_id: Uuid::from_u128(1).into(),
            event_id: Uuid::from_u128(2).into(),
            hold_id: Uuid::from_u128(3).into(),
        };
        let token = checkout.token(&[7; 32]);
        assert_eq!(Checkout::open(&[7; 32], &token), Some(checkout));
        for (key, token) in [
            ([8; 32], token.as_str()),
            ([7; 32], &token[2..]),
            ([7; 32], ""),
        ] {
            assert_eq!(Checkout::open(&key, token), None, "{token}");
        }
    }

    /// A thing opens with its own link and key only, and no other thing with it.
    fn opens_alone<L: Link + PartialEq + std::fmt::Debug, Other: Link + std::fmt::Debug>() {
        let link = L::new(Uuid::from_u128(1).into(), Uuid::from_u128(2));
        let pages = Pages::<L>::new("https://tickets.example.org/", [7; 32]);
        let url = pages.url(&link);
        let start = format!("https://tickets.example.org/{}/", L::PATH);
        let token = url.strip_prefix(&start).unwrap();
        assert_eq!(pages.open(token), Some(link));
        assert_eq!(Pages::<L>::new("", [8; 32]).open(token), None);
        assert!(Pages::<Other>::new("", [7; 32]).open(token).is_none());
        for bad in ["", &token[2..], "00"] {
            assert_eq!(pages.open(bad), None, "{bad}");
        }
    }

    #[test]
    fn each_thing_opens_with_its_own_link_only() {
        opens_alone::<OrderLink, TurnLink>();
        opens_alone::<WaitlistLink, OrderLink>();
        opens_alone::<TurnLink, WaitlistLink>();
    }

    #[tokio::test]
    async fn a_buyer_sees_and_gets_nothing_hidden() {
        let scene = Scene::new().await;
        let event = with_hidden(&scene).await;
        let cx = buyer(&scene);
        let shown = GetEvent {
            event: event.id.into(),
        };
        let seen = scene.app.run(&cx, shown.clone()).await.unwrap();
        let names: Vec<_> = seen.ticket_types.iter().map(|t| t.name.as_str()).collect();
        assert_eq!((names, seen.totals), (vec!["Regular"], None));
        let all = scene.run(shown).await.unwrap();
        assert_eq!(all.ticket_types.len(), 2);
        let hidden = all.ticket_types[1].id;
        for wanted in [
            Reference::Id(hidden),
            "Guests".parse().unwrap(),
            "Guest".parse().unwrap(),
        ] {
            let item = PickedItem {
                ticket_type: wanted.clone(),
                quantity: 1,
                seats: Vec::new(),
                accessible: 0,
                price: None,
            };
            let hold = HoldTickets {
                event: event.id.into(),
                items: vec![item],
                promo_code: None,
                turn: None,
            };
            let refused = scene.app.run(&cx, hold).await;
            let failure = Failure::of(refused.as_ref().unwrap_err());
            assert!(!format!("{:?}", failure.candidates).contains("Guests"));
            assert_refused(refused, "not_found");
            let mut order = buying(event.id, "Regular", 1);
            order.items[0].ticket_type = wanted;
            assert_refused(scene.app.run(&cx, order).await, "not_found");
        }
        // An organizer sells it all the same.
        let sold: PlaceOrder = buying(event.id, "Guests", 1);
        scene.run(sold).await.unwrap();
        scene.reconcile().await;
    }

    #[tokio::test]
    async fn what_is_not_published_is_not_there_for_a_buyer() {
        let scene = Scene::new().await;
        let cx = buyer(&scene);
        let draft = scene.run(new_event("Secret Gala")).await.unwrap().event;
        scene
            .run(selling(draft.id, "Regular", 2500, 10))
            .await
            .unwrap();
        for event in [
            Reference::Id(draft.id),
            Reference::Name(draft.slug),
            Reference::Name(draft.title),
        ] {
            let shown = scene
                .app
                .run(
                    &cx,
                    GetEvent {
                        event: event.clone(),
                    },
                )
                .await;
            let failure = Failure::of(shown.as_ref().unwrap_err());
            assert!(failure.candidates.is_empty());
            assert_refused(shown, "not_found");
            let hold = HoldTickets {
                event,
                ..holding(draft.id, 1)
            };
            assert_refused(scene.app.run(&cx, hold).await, "not_found");
        }
        // Nor is one found by words that come near its title.
        let event = scene.published("Spring Gala").await;
        let near = GetEvent {
            event: "spring gal".parse().unwrap(),
        };
        assert_refused(scene.app.run(&cx, near).await, "not_found");
        let by_slug = GetEvent {
            event: event.slug.parse().unwrap(),
        };
        scene.app.run(&cx, by_slug.clone()).await.unwrap();
        scene.move_event(event.id, StatusMove::Cancel(None)).await;
        scene.app.run(&cx, by_slug).await.unwrap();
    }

    #[tokio::test]
    async fn buyers_do_not_share_a_limit() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let few = crate::Options {
            operations_per_minute: 1,
            burst: 1,
            ..crate::Options::default()
        };
        let app = scene.app.limited(few);
        let look = GetEvent {
            event: event.id.into(),
        };
        for _ in 0..3 {
            app.run(&buyer(&scene), look.clone()).await.unwrap();
        }
        app.run(&scene.cx, look.clone()).await.unwrap();
        assert_refused(app.run(&scene.cx, look).await, "rate_limited");
    }
}
