//! Copying an event's ticket types to another event, for [`crate::lifecycle`].

use std::collections::HashMap;

use domain::{CapacityPoolId, Cx, EventId, LocalTime, TicketTypeId, Timestamp};
use sqlx::PgConnection;
use store::StoreError;

use super::sql;
use crate::{
    events::Event,
    inventory::{self, NewPool, Pool, Sharer},
    taxes,
};

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    /// How many ticket types.
    pub(crate) count: usize,
    /// The sales windows that moved with the date.
    pub(crate) windows: Vec<CopiedWindow>,
}

/// The sales window of a copied ticket type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CopiedWindow {
    /// The ticket type.
    pub(crate) name: String,
    /// When its sale begins now.
    pub(crate) starts: Option<LocalTime>,
    /// When its sale ends now.
    pub(crate) ends: Option<LocalTime>,
    /// Whether it ends before the present: nothing can be bought.
    pub(crate) is_over: bool,
    /// Whether it moved out of the calendar or lost its order, and was left out.
    pub(crate) is_dropped: bool,
}

/// Copies the ticket types that are not archived, with pools of their own and nothing taken. Sales windows move
/// by as much as the event does. Both events are read already; the second has no ticket types yet.
pub(crate) async fn copy_all(
    conn: &mut PgConnection,
    cx: &Cx,
    from: &Event,
    to: &Event,
) -> Result<Copied, StoreError> {
    taxes::copy(conn, cx, from.id, to.id).await?;
    let mut copied = Copied::default();
    let mut pools = HashMap::<CapacityPoolId, CapacityPoolId>::new();
    let mut new_ids = HashMap::<TicketTypeId, TicketTypeId>::new();
    let offers = sql::offers(conn, from.id).await?;
    let follows: Vec<_> = offers
        .iter()
        .map(|offer| (offer.id, offer.follows))
        .collect();
    let add_ons: Vec<_> = offers
        .iter()
        .filter(|offer| offer.is_add_on())
        .map(|offer| (offer.id, offer.bases.clone(), offer.per_ticket))
        .collect();
    for mut offer in offers {
        let mut draws_on = Vec::new();
        for pool in [&offer.own()].into_iter().chain(&offer.shared) {
            let id = match pools.get(&pool.id) {
                Some(id) => *id,
                None => copy_pool(conn, cx, pool, to.id).await?,
            };
            pools.insert(pool.id, id);
            draws_on.push(id);
        }
        let pool_id = draws_on.remove(0);
        let window = Window::moved(offer.sales_start_local, offer.sales_end_local, from, to);
        if offer.sales_start_local.is_some() || offer.sales_end_local.is_some() {
            copied.windows.push(CopiedWindow {
                name: offer.name.to_string(),
                starts: window.starts.map(|(local, _)| local),
                ends: window.ends.map(|(local, _)| local),
                is_over: window.ends.is_some_and(|(_, at)| at <= cx.now),
                is_dropped: window.starts.is_none() && window.ends.is_none(),
            });
        }
        (offer.sales_start_local, offer.sales_start_at) = window.starts.unzip();
        (offer.sales_end_local, offer.sales_end_at) = window.ends.unzip();
        let id = cx.new_id::<TicketTypeId>();
        new_ids.insert(offer.id, id);
        offer.id = id;
        offer.event_id = to.id;
        offer.pool_id = pool_id;
        sql::insert(conn, cx, &offer).await?;
        if offer.most_amount.is_some() {
            sql::set_most(conn, cx, offer.id, offer.most_amount).await?;
        }
        if offer.max_per_buyer.is_some() {
            sql::set_max_per_buyer(conn, cx, offer.id, offer.max_per_buyer).await?;
        }
        let sharer = Sharer {
            event_id: to.id,
            ticket_type_id: offer.id,
            held: 0,
            sold: 0,
        };
        for pool_id in draws_on {
            let joined = inventory::join(conn, cx, &sharer, pool_id).await?;
            debug_assert_eq!(joined, Ok(()), "nothing was taken yet");
        }
        copied.count += 1;
    }
    let tier = |(id, follows): (TicketTypeId, Option<TicketTypeId>)| {
        Some((new_ids[&id], Some(*new_ids.get(&follows?)?)))
    };
    let tiers: Vec<_> = follows.into_iter().filter_map(tier).collect();
    sql::set_tiers(conn, cx, &tiers).await?;
    for (id, bases, per_ticket) in add_ons {
        // What it was sold with may have been put away.
        let bases: Vec<_> = bases
            .iter()
            .filter_map(|id| new_ids.get(id).copied())
            .collect();
        sql::set_add_on(conn, cx, new_ids[&id], &bases, per_ticket).await?;
    }
    Ok(copied)
}

/// A pool of the same size for another event.
async fn copy_pool(
    conn: &mut PgConnection,
    cx: &Cx,
    pool: &Pool,
    event_id: EventId,
) -> sqlx::Result<CapacityPoolId> {
    let id = cx.new_id::<CapacityPoolId>();
    let copy = NewPool {
        id,
        event_id,
        name: pool.name.as_ref(),
        capacity: pool.capacity,
    };
    inventory::insert(conn, cx, &copy).await?;
    Ok(id)
}

/// A sales window, on the clock and as instants.
struct Window {
    starts: Option<(LocalTime, Timestamp)>,
    ends: Option<(LocalTime, Timestamp)>,
}

impl Window {
    /// A window moved with its event. There is nobody to ask about clock changes; a window that would be empty
    /// afterwards, or lie outside the calendar, is no window.
    fn moved(starts: Option<LocalTime>, ends: Option<LocalTime>, from: &Event, to: &Event) -> Self {
        let moved = |local: Option<LocalTime>| {
            let local = local?.shifted(from.starts, to.starts).ok()?;
            Some((local, local.resolve_leniently(&to.zone)))
        };
        let window = Self {
            starts: moved(starts),
            ends: moved(ends),
        };
        match (window.starts, window.ends) {
            (Some((_, starts)), Some((_, ends))) if ends <= starts => Self {
                starts: None,
                ends: None,
            },
            _ => window,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Patch;

    use super::*;
    use crate::{
        events::CreateEvent,
        testing::{Scene, new_event, pool, selling},
        ticket_types::{ListTicketTypes, SaveTicketType},
    };

    fn at(local: &str) -> Patch<LocalTime> {
        Patch::Set(local.parse().unwrap())
    }

    #[tokio::test]
    async fn pools_move_their_windows_and_start_empty() {
        let scene = Scene::new().await;
        let (from, _) = scene.on_sale(2500, 10).await;
        let windowed = SaveTicketType {
            sales_start: at("2027-01-01T10:00"),
            sales_end: at("2027-02-03T18:00"),
            quantity: Some(20),
            pools: Some(vec![pool("Hall", Some(50)), pool("Bar", Some(60))]),
            ..selling(from.id, "Early bird", 2000, 1)
        };
        scene.run(windowed).await.unwrap();
        // Summer time begins in between: 18:00 the day before stays 18:00 the day before.
        let to = CreateEvent {
            starts: "2027-04-08T19:00".parse().unwrap(),
            ..new_event("Summer Gala")
        };
        let to = scene.run(to).await.unwrap().event;
        let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
        let copied = copy_all(tx.conn(), &scene.cx, &from, &to).await.unwrap();
        tx.unchanged(()).await.unwrap();
        assert_eq!((copied.count, copied.windows.len()), (2, 1));
        let window = &copied.windows[0];
        assert_eq!(window.starts.unwrap().to_string(), "2027-03-05T10:00");
        assert_eq!(window.ends.unwrap().to_string(), "2027-04-07T18:00");
        assert!(!window.is_over && !window.is_dropped);
        let list = ListTicketTypes {
            event: to.id.into(),
        };
        let types = scene.run(list).await.unwrap().ticket_types;
        let names: Vec<_> = types.iter().map(|t| t.name.as_str()).collect();
        assert_eq!(names, ["Regular", "Early bird"]);
        assert_eq!(types[1].availability.left, Some(20));
        let left = types[1].pools.iter().map(|pool| pool.availability.left);
        assert_eq!(left.sum::<Option<i32>>(), Some(110));
    }

    #[tokio::test]
    async fn a_copy_says_which_windows_are_over() {
        let scene = Scene::new().await;
        let from = scene.published("Spring Gala").await;
        let early = SaveTicketType {
            sales_end: at("2027-01-20T12:00"),
            ..selling(from.id, "Early bird", 2000, 5)
        };
        scene.run(early).await.unwrap();
        let to = CreateEvent {
            starts: "2027-01-12T19:00".parse().unwrap(),
            ..new_event("Sooner")
        };
        let to = scene.run(to).await.unwrap().event;
        let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
        let copied = copy_all(tx.conn(), &scene.cx, &from, &to).await.unwrap();
        assert_eq!(
            copied.windows[0].ends.unwrap().to_string(),
            "2026-12-28T12:00"
        );
        assert!(copied.windows[0].is_over);
    }
}
