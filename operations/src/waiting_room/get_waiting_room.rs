//! `get_waiting_room`: how the waiting room of an event goes.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::{
    model::{RoomRow, WaitingRoom},
    sql,
};
use crate::{
    App, Effect, Operation,
    events::{self, Event},
    lookup::LookupError,
};

/// The waiting room of an event: how it is set up, how many wait and choose, and how fast it goes.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWaitingRoom {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
}

impl Operation for GetWaitingRoom {
    const NAME: &'static str = "get_waiting_room";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = WaitingRoom;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WaitingRoom, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let Some(room) = sql::room(tx.conn(), event.id).await? else {
            return Err(LookupError::NotFound {
                noun: "waiting room",
                given: event.title,
                candidates: Vec::new(),
            });
        };
        seen(tx.conn(), cx, &event, &room).await
    }
}

/// A room as callers see it.
pub(super) async fn seen(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
    room: &RoomRow,
) -> Result<WaitingRoom, LookupError> {
    let (waiting, inside) = sql::counts(conn, event.id, cx.now).await?;
    Ok(WaitingRoom {
        event_id: event.id,
        event_title: event.title.clone(),
        is_on: event.has_waiting_room,
        opens: room.opens_at.in_zone(&event.zone),
        zone: event.zone.clone(),
        at_once: room.at_once,
        turn_minutes: room.turn_minutes,
        waiting,
        inside,
        turns_per_hour: room.turns_per_hour(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        waiting_room::tests::*,
    };

    #[tokio::test]
    async fn says_how_it_goes_to_those_of_its_organization() {
        let scene = Scene::new().await;
        let event = with_room(&scene, 1).await;
        let how = GetWaitingRoom {
            event: event.into(),
        };
        joined(&scene, -60, event, 2).await;
        let room = scene.run(how.clone()).await.unwrap();
        assert!(room.is_on);
        assert_eq!(
            (room.waiting, room.inside, room.turns_per_hour),
            (2, 0, None)
        );
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, how).await, "not_found");
        let none = scene.published("Autumn Gala").await.id;
        let how = GetWaitingRoom { event: none.into() };
        assert_refused(scene.run(how).await, "not_found");
    }
}
