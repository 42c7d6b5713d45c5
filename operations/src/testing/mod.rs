//! Scenes for tests: an organization on its own database, with verbs to fill it.
//!
//! Behind the feature `testing`, so that the tests of surfaces start from the same scenes.

use std::sync::Arc;

use domain::{
    Actor, Currency, Cx, EventId, Fault, OrganizationId, Patch, Permissions, Timestamp, UserId,
    context::Entropy,
};
use payments::{
    simulator::{Simulator, SimulatorOptions, Webhooks},
    stripe::{Stripe, StripeOptions},
};
use sqlx::PgConnection;
use store::{Options as StoreOptions, Store, rig::Rig};
use testkit::TestDatabase;

mod commands;

pub use commands::*;

use crate::{
    App, Operation, Options, Payments, RunError,
    audit::{ChangeRecord, ListChanges},
    buyers::OrderPages,
    events::{self, CreateEvent, Event, StatusMove},
    holds::Hold,
    inventory,
    orders::{self, Buyer, OrderDetail, PlaceOrder},
    organizations::{FoundOrganization, found_organization},
    permission::Role,
    promo_codes::ListPromoCodes,
    reports, seats,
    ticket_types::{SetTicketTypeTax, TicketType},
    tickets::{self, Ticket},
    venues::{SaveVenue, Venue},
};

/// The time of every scene: a Monday, in winter, 10:00 in Berlin.
pub const NOW: &str = "2027-01-11T09:00:00Z";

/// [`NOW`] as an instant.
pub fn noon() -> Timestamp {
    NOW.parse().expect("NOW is an instant")
}

/// A payment provider on this machine, at the time of the scenes. Its webhooks are lost.
pub struct Till {
    /// The provider: what buyers do on its pages.
    pub simulator: Simulator,
    payments: Payments,
    _serving: tokio::task::JoinSet<()>,
}

impl Till {
    /// Opens one, for as long as the value lives.
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let url = format!("http://{address}");
        let mut options = SimulatorOptions::new(&url, noon());
        options.clock = noon;
        options.webhooks = Webhooks {
            lost: true,
            ..Webhooks::default()
        };
        let stripe = StripeOptions {
            url,
            ..StripeOptions::new(options.api_key.clone())
        };
        let simulator = Simulator::new(options).expect("nothing is connected yet");
        let mut serving = tokio::task::JoinSet::new();
        let serve = simulator.clone().serve(listener);
        serving.spawn(async { drop(serve.await) });
        let stripe = Stripe::new(stripe).expect("the address is on this machine");
        Self {
            simulator,
            payments: Payments {
                processor: Arc::new(stripe),
                return_to: OrderPages::new("http://127.0.0.1:1", [7; 32]),
            },
            _serving: serving,
        }
    }

    /// How orders are paid through it.
    pub fn payments(&self) -> Payments {
        self.payments.clone()
    }
}

/// A context of no particular organization, for pure tests.
pub fn context(permissions: Permissions) -> Cx {
    let organization_id = OrganizationId::from(uuid::Uuid::nil());
    Cx::at(
        organization_id,
        Actor::System { reason: "test" },
        permissions,
        noon(),
        Entropy::seeded(1),
    )
}

/// An organization with an owner, on a database of its own that goes away with the scene.
pub struct Scene {
    /// EventOS on the scene's database.
    pub app: App,
    /// The owner's context at [`NOW`].
    pub cx: Cx,
    /// The database itself, for looking behind the curtain.
    pub database: TestDatabase,
}

fn server(database: &TestDatabase, rig: Rig) -> App {
    let store = Store::connect(&StoreOptions::new(database.url()))
        .expect("the test database has a valid URL");
    App::new(store.with_rig(rig), Options::unlimited()).with_key([7; 32])
}

/// Some guards taken away.
pub fn without(guards: &[&'static str]) -> Rig {
    Rig {
        without: guards.iter().copied().collect(),
        ..Rig::default()
    }
}

impl Scene {
    /// EventOS on the same database, as a second machine would run it.
    pub fn another_server(&self) -> App {
        self.server_with(Rig::default())
    }

    /// Like [`Self::another_server`], with a rig.
    pub fn server_with(&self, rig: Rig) -> App {
        server(&self.database, rig)
    }

    /// A fresh organization.
    pub async fn new() -> Self {
        let database = TestDatabase::create().await;
        let app = server(&database, Rig::default());
        let cx = found(&app, "scene").await;
        Self { app, cx, database }
    }

    /// Runs an operation as the owner.
    pub async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, RunError<O::Error>> {
        self.app.run(&self.cx, operation).await
    }

    /// The owner's context at another time.
    pub fn at(&self, now: &str) -> Cx {
        self.cx
            .clone()
            .with_now(now.parse().expect("a test gives an instant"))
    }

    /// The owner's context with the permissions of another role.
    pub fn as_role(&self, role: Role) -> Cx {
        self.cx.clone().with_permissions(role.permissions())
    }

    /// The owner's context of another organization on the same database.
    pub async fn other_organization(&self) -> Cx {
        found(&self.app, "other").await
    }

    /// Somebody in the organization.
    pub async fn member(&self, role: &str, name: &str) {
        let organization = uuid::Uuid::from(self.cx.organization_id);
        let user = uuid::Uuid::from(self.cx.new_id::<UserId>());
        let address = name.to_lowercase();
        let statements = format!(
            "insert into users (id, email, name, created_at) \
               values ('{user}', '{address}@scene.example', '{name}', now()); \
             insert into member (organization_id, user_id, role, created_at) \
               values ('{organization}', '{user}', '{role}', now())"
        );
        self.database.tell(&statements).await;
    }

    /// A venue with a name and the organization's zone.
    pub async fn venue(&self, name: &str) -> Venue {
        let name = Some(name.parse().expect("a short name"));
        self.run(SaveVenue {
            name,
            ..SaveVenue::default()
        })
        .await
        .expect("the name is free")
    }

    /// A published event, online, on Thursday 4 February 2027 at 19:00.
    pub async fn published(&self, title: &str) -> Event {
        let link = "https://live.example.org".parse().expect("a short link");
        let command = CreateEvent {
            online_url: Some(link),
            ..new_event(title)
        };
        let event = self.run(command).await.expect("nothing is odd about it");
        self.move_event(event.event.id, StatusMove::Publish).await
    }

    /// An event in another state, without the checks of the operations that do it.
    pub(crate) async fn move_event(&self, id: EventId, to: StatusMove<'_>) -> Event {
        let mut cx = self.cx.clone();
        cx.operation = "scene";
        let mut tx = self
            .app
            .store()
            .write(&cx)
            .await
            .expect("the database is there");
        events::lock(tx.conn(), &cx, &id.into())
            .await
            .expect("the event is there");
        events::set_status(tx.conn(), &cx, id, to)
            .await
            .expect("the move is legal");
        let event = events::get(tx.conn(), &cx, id)
            .await
            .expect("the event is there");
        tx.unchanged(event).await.expect("nothing is in the way")
    }

    /// A published event with one ticket type, `Regular`, at a price in cents.
    pub async fn on_sale(&self, amount: i64, quantity: i32) -> (Event, TicketType) {
        let event = self.published("Spring Gala").await;
        let command = selling(event.id, "Regular", amount, quantity);
        let saved = self.run(command).await.expect("nothing is odd about it");
        (event, saved.ticket_type)
    }

    /// An order of so many `Regular` tickets.
    pub async fn order(&self, event: EventId, quantity: i32) -> OrderDetail {
        let placed = self.run(buying(event, "Regular", quantity)).await;
        placed.expect("enough are left").order
    }

    /// A hold of so many `Regular` tickets.
    pub async fn hold(&self, event: EventId, quantity: i32) -> Hold {
        let held = self.run(holding(event, quantity)).await;
        held.expect("enough are left")
    }

    /// Has tax charged on the `Regular` tickets of an event, by a new rule.
    pub async fn taxed(&self, event: EventId, name: &str, rate: &str) {
        self.run(vat(name, rate)).await.expect("the name is free");
        let set = SetTicketTypeTax {
            event: event.into(),
            ticket_type: "Regular".parse().expect("a name"),
            tax_rule: Patch::Set(name.parse().expect("a name")),
        };
        self.run(set).await.expect("the event sells them");
    }

    /// Holds of one `Regular` ticket each, on an event that has as many: it is sold out, a place at a time.
    pub async fn sold_out(&self, places: i32) -> (EventId, Vec<Hold>) {
        let (event, _) = self.on_sale(2500, places).await;
        let mut holds = Vec::new();
        for _ in 0..places {
            let held = self.run(holding(event.id, 1)).await;
            holds.push(held.expect("enough are left"));
        }
        (event.id, holds)
    }

    /// Unpaid orders of one `Regular` ticket each, by so many people with addresses of their own.
    pub async fn orders_of(&self, event: EventId, people: std::ops::Range<usize>) {
        for number in people {
            let buyer = Buyer {
                name: format!("Buyer {number}").parse().expect("a name"),
                email: format!("buyer{number}@example.org")
                    .parse()
                    .expect("an address"),
            };
            let order = PlaceOrder {
                buyer,
                ..buying(event, "Regular", 1)
            };
            self.run(order).await.expect("enough are left");
        }
    }

    /// Lets the holder of a ticket in, without the checks of the operation that does it.
    pub async fn admit(&self, ticket: &Ticket) {
        let mut tx = self
            .app
            .store()
            .write(&self.cx)
            .await
            .expect("the database is there");
        tickets::admit(tx.conn(), &self.cx, ticket.id)
            .await
            .expect("nobody is inside yet");
        tx.unchanged(()).await.expect("nothing is in the way");
    }

    /// Asserts that the counters of all pools and promo codes, the sums of all orders and the totals of all events are what their
    /// rows add up to.
    pub async fn reconcile(&self) {
        let mut tx = self
            .app
            .store()
            .read(&self.cx)
            .await
            .expect("the database is there");
        let found = orders::discrepancies(tx.conn())
            .await
            .expect("the query fits the schema");
        assert_eq!(found, Vec::<String>::new());
        let found = seats::discrepancies(tx.conn()).await;
        let found = found.expect("the query fits the schema");
        assert_eq!(found, Vec::<String>::new());
        let events = events::all(tx.conn()).await;
        let events = events.expect("the query fits the schema");
        let pools = inventory::recount(tx.conn(), &events).await;
        for pool in pools.expect("the query fits the schema") {
            assert!(pool.is_right(), "{pool:?}");
        }
        let codes = inventory::recount_uses(tx.conn(), &events).await;
        for code in codes.expect("the query fits the schema") {
            assert!(code.is_right(), "{code:?}");
        }
        let both = reports::both_ways(tx.conn(), &self.cx)
            .await
            .expect("the queries fit the schema");
        for (kept, counted) in both {
            assert_eq!(kept, counted);
        }
    }

    /// The uses of an event's newest promo code: by holds, by orders.
    pub async fn uses(&self, event: EventId) -> (i32, i32) {
        let list = ListPromoCodes {
            archived: true,
            ..ListPromoCodes::of(event.into())
        };
        let codes = self.run(list).await.expect("the owner sees codes").items;
        (codes[0].held_uses, codes[0].used)
    }

    /// The audit trail, oldest first.
    pub async fn changes(&self) -> Vec<ChangeRecord> {
        let mut changes = self
            .run(ListChanges::default())
            .await
            .expect("the owner sees the trail")
            .items;
        changes.reverse();
        changes
    }

    /// Asserts that a repeat under the same key gives the same answer and changes nothing, and that the key
    /// is refused for another operation's input.
    pub async fn assert_idempotent<O>(&self, operation: O)
    where
        O: Operation + Clone,
        O::Output: PartialEq + std::fmt::Debug,
    {
        let cx = self.cx.clone().with_key("once");
        let first = self
            .app
            .run(&cx, operation.clone())
            .await
            .expect("the first call succeeds");
        let count = self.changes().await.len();
        let again = self
            .app
            .run(&cx, operation)
            .await
            .expect("the repeat succeeds");
        assert_eq!(first, again);
        assert_eq!(
            self.changes().await.len(),
            count,
            "the repeat changed something"
        );
    }
}

/// Somebody outside who keeps all rows of a table from others, so that whoever wants one waits.
pub struct Keeper(PgConnection);

impl Keeper {
    /// Lets the rows go.
    pub async fn let_go(self) {
        self.let_go_after("").await;
    }

    /// Changes something first.
    pub async fn let_go_after(mut self, statement: &str) {
        let statements = format!("{statement}; commit");
        let told = sqlx::raw_sql(sqlx::AssertSqlSafe(statements));
        told.execute(&mut self.0)
            .await
            .expect("a test gives a statement");
    }
}

impl Scene {
    /// Keeps all rows of a table from others until the keeper lets go.
    pub async fn keep(&self, table: &str) -> Keeper {
        let mut owner = self.database.owner().await;
        let lock = format!("begin; select from {table} for update");
        let kept = sqlx::raw_sql(sqlx::AssertSqlSafe(lock));
        kept.execute(&mut owner)
            .await
            .expect("a test names a table");
        Keeper(owner)
    }
}

async fn found(app: &App, slug: &str) -> Cx {
    let command = FoundOrganization {
        name: slug.parse().expect("a short name"),
        slug: slug.to_owned(),
        currency: eur(),
        zone: "Europe/Berlin".parse().expect("a zone"),
        owner_email: format!("owner@{slug}.example").parse().expect("an address"),
        owner_name: "Olga Owner".parse().expect("a name"),
    };
    let founded = found_organization(app, &command)
        .await
        .expect("the database is there");
    let (organization_id, user_id) = founded.expect("the slug is free");
    owner(organization_id, user_id)
}

fn owner(organization_id: OrganizationId, user_id: UserId) -> Cx {
    Cx::at(
        organization_id,
        Actor::Member { user_id },
        Role::Owner.permissions(),
        noon(),
        Entropy::System,
    )
}

/// Euros.
pub fn eur() -> Currency {
    "EUR".parse().expect("a currency")
}

/// Asserts that an operation refused with a code.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug, E: Fault>(outcome: Result<T, RunError<E>>, code: &str) {
    match outcome {
        Ok(answer) => panic!("expected {code}, but it was done: {answer:?}"),
        Err(error) => {
            assert_eq!(error.spec().code, code, "{error}");
            let mut listed = E::specs();
            listed.extend(RunError::<E>::specs());
            assert!(
                listed.contains(&error.spec()),
                "{code} is missing from specs()"
            );
        }
    }
}
