//! `check_inventory`: the counters of pools, counted anew.

use domain::{CapacityPoolId, Cx, EventId, Permission, PromoCodeId, Reference, TicketTypeId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::WriteTx;

use crate::{
    App, Effect, Operation, events,
    inventory::{self, PoolStopped, PromoCodeRecounted, Recount, SeatsRecount, UsesRecount},
    lookup::LookupError,
};

/// Count anew what orders, holds and tickets take of every limit, and compare with the counters that sales go by. Where
/// they differ the sale is stopped until `resume_sales`; tell the organizer. Uses of promo codes are counted, too, and
/// corrected. The workflow `reconciliation` does so every hour.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct CheckInventory {
    /// Event: id, slug or exact title; every published one when left out.
    pub event: Option<Reference<EventId>>,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckedInventory {
    /// How many limits were counted.
    pub checked_count: usize,
    /// Those that do not add up, or did not and are still stopped.
    pub stopped: Vec<StoppedPool>,
    /// Promo codes whose uses did not add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub promo_codes: Vec<RecountedPromoCode>,
    /// Ticket types whose reserved seats do not add up. Nobody gets a seat twice, but somebody may have none: tell the
    /// organizer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<RecountedSeats>,
}

/// A ticket type whose reserved seats do not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecountedSeats {
    /// Its id.
    pub ticket_type_id: TicketTypeId,
    /// What it is called.
    pub name: String,
    /// Its event.
    pub event_id: EventId,
    /// Set aside, by live holds and orders that are not paid.
    pub held: i32,
    /// Seats of those.
    pub held_seats: i32,
    /// Valid tickets.
    pub sold: i32,
    /// Seats of those.
    pub sold_seats: i32,
    /// Seats that belong to what has ended.
    pub stray_seats: i32,
}

impl RecountedSeats {
    fn of(recount: SeatsRecount) -> Self {
        tracing::error!(ticket_type.id = %recount.ticket_type_id, "The seats of a ticket type do not add up");
        Self {
            ticket_type_id: recount.ticket_type_id,
            name: recount.name,
            event_id: recount.event_id,
            held: recount.held,
            held_seats: recount.held_seats,
            sold: recount.sold,
            sold_seats: recount.sold_seats,
            stray_seats: recount.strays,
        }
    }
}

/// A promo code whose uses did not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecountedPromoCode {
    /// Its id.
    pub id: PromoCodeId,
    /// Its text.
    pub code: String,
    /// Its event.
    pub event_id: EventId,
    /// Uses by holds, by the counter.
    pub held_counted: i32,
    /// Live holds with it.
    pub held_found: i32,
    /// Uses by orders, by the counter.
    pub used_counted: i32,
    /// Orders with it that are not cancelled.
    pub used_found: i32,
    /// Whether the counters are right now. Otherwise it was used more often than it may be: raise its `max_uses` with
    /// `save_promo_code` or archive it.
    pub is_corrected: bool,
}

/// A limit whose sales are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoppedPool {
    /// The limit, for `resume_sales`.
    pub id: CapacityPoolId,
    /// The limit's name, or that of the ticket type it belongs to.
    pub name: String,
    /// Its event.
    pub event_id: EventId,
    /// Its event's title.
    pub event_title: String,
    /// Set aside, by the counter.
    pub held_counted: i32,
    /// Set aside, by live holds and orders that are not paid.
    pub held_found: i32,
    /// Sold, by the counter.
    pub sold_counted: i32,
    /// Valid tickets.
    pub sold_found: i32,
    /// Whether this call stopped it.
    pub is_new: bool,
}

impl StoppedPool {
    fn of(recount: Recount, is_new: bool) -> Self {
        Self {
            id: recount.pool_id,
            name: recount.name,
            event_id: recount.event_id,
            event_title: recount.event_title,
            held_counted: recount.held_count,
            held_found: recount.held,
            sold_counted: recount.sold_count,
            sold_found: recount.sold,
            is_new,
        }
    }
}

impl Operation for CheckInventory {
    const NAME: &'static str = "check_inventory";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = CheckedInventory;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<CheckedInventory, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let events = match &self.event {
            Some(event) => vec![events::resolve(tx.conn(), cx, event).await?.id],
            None => events::published(tx.conn()).await?,
        };
        let recounts = inventory::recount(tx.conn(), &events).await?;
        let seats = inventory::recount_seats(tx.conn(), &events).await?;
        let mut answer = CheckedInventory {
            checked_count: recounts.len(),
            seats: seats.into_iter().map(RecountedSeats::of).collect(),
            stopped: Vec::new(),
            promo_codes: check_codes(&mut tx, &events).await?,
        };
        for recount in recounts {
            let is_wrong = !recount.is_right();
            let is_new = is_wrong && inventory::stop(tx.conn(), cx, recount.pool_id).await?;
            if is_new {
                tracing::error!(pool.id = %recount.pool_id, "The counters of a pool do not add up; its sales are stopped");
                tx.also(&PoolStopped {
                    pool_id: recount.pool_id,
                    event_id: recount.event_id,
                    event_title: recount.event_title.clone(),
                    name: recount.name.clone(),
                    held_count: recount.held_count,
                    sold_count: recount.sold_count,
                    held: recount.held,
                    sold: recount.sold,
                });
            }
            if is_wrong || recount.is_stopped {
                answer.stopped.push(StoppedPool::of(recount, is_new));
            }
        }
        Ok(tx.unchanged(answer).await?)
    }
}

/// Counts the uses of promo codes anew, and corrects what does not add up.
async fn check_codes(
    tx: &mut WriteTx<'_>,
    events: &[EventId],
) -> Result<Vec<RecountedPromoCode>, LookupError> {
    let recounts = inventory::recount_uses(tx.conn(), events).await?;
    let mut wrong = Vec::new();
    for recount in recounts.into_iter().filter(|recount| !recount.is_right()) {
        let is_corrected = inventory::correct_uses(tx.conn(), &recount).await?;
        tracing::error!(promo_code.id = %recount.promo_code_id, is_corrected, "The uses of a promo code do not add up");
        if is_corrected {
            tx.also(&recounted(&recount));
        }
        wrong.push(RecountedPromoCode {
            id: recount.promo_code_id,
            code: recount.code,
            event_id: recount.event_id,
            held_counted: recount.held_count,
            held_found: recount.held,
            used_counted: recount.used_count,
            used_found: recount.used,
            is_corrected,
        });
    }
    Ok(wrong)
}

fn recounted(recount: &UsesRecount) -> PromoCodeRecounted {
    PromoCodeRecounted {
        promo_code_id: recount.promo_code_id,
        event_id: recount.event_id,
        event_title: recount.event_title.clone(),
        code: recount.code.clone(),
        held_count: recount.held_count,
        used_count: recount.used_count,
        held: recount.held,
        used: recount.used,
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;

    use super::*;
    use crate::{
        permission::Role,
        testing::{
            Scene, assert_refused, buying, holding, order_with, ordering, pool, promo, selling,
            with_code,
        },
        ticket_types::{ListTicketTypes, ResumeSales, SaleState, SaveTicketType},
    };

    async fn shift(scene: &Scene, column: &str, by: i32) {
        let mut owner = scene.database.owner().await;
        let sql = format!("update capacity_pool set {column} = {column} + {by} where name is null");
        let shifted = sqlx::query(sqlx::AssertSqlSafe(sql));
        shifted.execute(&mut owner).await.unwrap();
    }

    async fn state(scene: &Scene, event: EventId) -> SaleState {
        let list = ListTicketTypes {
            event: event.into(),
        };
        scene.run(list).await.unwrap().ticket_types[0].state
    }

    #[tokio::test]
    async fn stops_what_does_not_add_up_until_it_is_counted_anew() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let hold = scene.run(holding(event.id, 2)).await.unwrap();
        let pending = scene.order(event.id, 3).await;
        let fine = scene.run(CheckInventory::default()).await.unwrap();
        assert_eq!((fine.checked_count, fine.stopped), (1, vec![]));
        shift(&scene, "held_count", -1).await;
        let found = scene.run(CheckInventory::default()).await.unwrap().stopped;
        assert_eq!(found.len(), 1);
        let stopped = &found[0];
        assert_eq!(
            (
                stopped.name.as_str(),
                stopped.held_counted,
                stopped.held_found,
                stopped.is_new
            ),
            ("Regular", 4, 5, true)
        );
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Stops the sale of \"Regular\" for \"Spring Gala\": 4 held and 0 sold were counted, 5 and 0 were found"
        );
        assert_eq!(state(&scene, event.id).await, SaleState::Stopped);
        let refused = scene.run(buying(event.id, "Regular", 1)).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the sale of Regular is stopped until somebody has checked what was sold"
        );
        assert_refused::<(), _>(Err(refused), "sales_stopped");
        assert_refused(scene.run(holding(event.id, 1)).await, "sales_stopped");
        // What was promised is kept.
        scene.run(ordering(&hold)).await.unwrap();
        let paying = crate::orders::ConfirmPayment::of(pending.order.id.into());
        scene.run(paying).await.unwrap();
        let again = scene.run(CheckInventory::default()).await.unwrap().stopped;
        assert!(!again[0].is_new);
        let resumed = scene.run(ResumeSales { pool: stopped.id }).await.unwrap();
        assert_eq!((resumed.held, resumed.sold), (2, 3));
        assert_eq!(state(&scene, event.id).await, SaleState::OnSale);
        scene.order(event.id, 5).await;
        assert_refused(scene.run(buying(event.id, "Regular", 1)).await, "sold_out");
        scene.reconcile().await;
    }

    /// Stopping comes from the counters alone: were they guarded by nothing else, the last place would be sold twice.
    #[tokio::test]
    async fn a_pool_that_was_stopped_meanwhile_sells_nothing_more() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let pools = scene.keep("capacity_pool").await;
        let (app, cx) = (scene.app.clone(), scene.cx.clone());
        let mut late = JoinSet::new();
        let buy = buying(event.id, "Regular", 1);
        late.spawn(async move { app.run(&cx, buy).await });
        scene.database.until_waiting(1).await;
        pools
            .let_go_after("update capacity_pool set stopped_at = now()")
            .await;
        let outcome = late.join_next().await.unwrap().unwrap();
        assert_refused(outcome, "sales_stopped");
    }

    #[tokio::test]
    async fn counts_shared_limits_and_leaves_other_events_alone() {
        let scene = Scene::new().await;
        let event = scene.published("Gala").await;
        for (name, quantity) in [("Early", 5), ("Regular", 20)] {
            let command = SaveTicketType {
                pools: Some(vec![pool("Hall", Some(20))]),
                ..selling(event.id, name, 0, quantity)
            };
            scene.run(command).await.unwrap();
        }
        let draft = scene.run(crate::testing::new_event("Draft")).await.unwrap();
        let draft = draft.event.id;
        scene.run(selling(draft, "Regular", 0, 5)).await.unwrap();
        scene.run(buying(event.id, "Early", 2)).await.unwrap();
        scene.run(buying(event.id, "Regular", 3)).await.unwrap();
        let fine = scene.run(CheckInventory::default()).await.unwrap();
        assert_eq!((fine.checked_count, fine.stopped), (3, vec![]));
        let of_draft = CheckInventory {
            event: Some(draft.into()),
        };
        assert_eq!(scene.run(of_draft.clone()).await.unwrap().checked_count, 1);
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, of_draft).await, "not_found");
        let theirs = scene.app.run(&other, CheckInventory::default()).await;
        assert_eq!(theirs.unwrap().checked_count, 0);
        let viewer = scene.as_role(Role::Viewer);
        let refused = scene.app.run(&viewer, CheckInventory::default()).await;
        assert_refused(refused, "forbidden");
    }

    /// Counters and rows change together, so whenever one looks they agree.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_stops_a_sale_that_goes_on_as_it_should() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 200).await;
        let mut crowd = JoinSet::new();
        for _ in 0..8 {
            let (app, cx) = (scene.app.clone(), scene.cx.clone());
            crowd.spawn(async move {
                for _ in 0..10 {
                    let hold = app.run(&cx, holding(event.id, 1)).await.unwrap();
                    app.run(&cx, ordering(&hold)).await.unwrap();
                    app.run(&cx, buying(event.id, "Regular", 1)).await.unwrap();
                }
            });
        }
        let mut looks = 0;
        while !crowd.is_empty() {
            let found = scene.run(CheckInventory::default()).await.unwrap();
            assert_eq!(found.stopped, vec![]);
            looks += 1;
            while let Some(done) = crowd.try_join_next() {
                done.unwrap();
            }
        }
        assert!(looks > 3, "{looks}");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene.on_sale(2500, 5).await;
        shift(&scene, "sold_count", 1).await;
        scene.assert_idempotent(CheckInventory::default()).await;
    }

    #[tokio::test]
    async fn the_hourly_count_finds_and_corrects_uses_that_do_not_add_up() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "TWICE", 10, Some(2)))
            .await
            .unwrap();
        scene
            .run(with_code(holding(event.id, 1), "TWICE"))
            .await
            .unwrap();
        let order = order_with(buying(event.id, "Regular", 1), "TWICE");
        scene.run(order).await.unwrap();
        let fine = scene.run(CheckInventory::default()).await.unwrap();
        assert_eq!(fine.promo_codes, vec![]);
        let wrong = "update promo_code set held_count = 0, used_count = 0";
        scene.database.tell(wrong).await;
        let found = scene
            .run(CheckInventory::default())
            .await
            .unwrap()
            .promo_codes;
        let found = &found[0];
        assert_eq!((found.held_counted, found.held_found), (0, 1));
        assert_eq!((found.used_counted, found.used_found), (0, 1));
        assert!(found.is_corrected);
        let change = scene.changes().await.pop().unwrap();
        assert_eq!(
            change.summary,
            "Corrects the uses of the promo code \"TWICE\" of \"Spring Gala\": 0 held and 0 used were counted, 1 and 1 were found"
        );
        assert_eq!(scene.uses(event.id).await, (1, 1));
        // More than there may be is said, and left to a person.
        let wrong = "update promo_code set held_count = 0, used_count = 0, max_uses = 1";
        scene.database.tell(wrong).await;
        let found = scene
            .run(CheckInventory::default())
            .await
            .unwrap()
            .promo_codes;
        assert!(!found[0].is_corrected);
        scene
            .database
            .tell("update promo_code set max_uses = 2")
            .await;
        scene.run(CheckInventory::default()).await.unwrap();
        scene.reconcile().await;
    }
}
