//! What a hold asks before it begins: whether it is the buyer's turn.

use std::collections::HashMap;

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, TurnId};
use sqlx::PgConnection;

use super::sql::{self, Begun};
use crate::{buyers, events::Event};

/// Turns that have begun and are locked, by their ids.
#[derive(Default)]
pub(crate) struct Turns(HashMap<TurnId, Begun>);

/// Locks those of these turns that have begun.
pub(crate) async fn lock_turns(conn: &mut PgConnection, ids: &[TurnId]) -> sqlx::Result<Turns> {
    if ids.is_empty() {
        return Ok(Turns::default());
    }
    let begun = sql::lock_begun(conn, ids).await?;
    let begun = begun.into_iter().map(|turn| (turn.id, turn));
    Ok(Turns(begun.collect()))
}

impl Turns {
    /// Whether whoever asks may hold places of an event. Gives the turn in which they do, if they need one: a buyer, while the
    /// event has a waiting room. The organizer sells past it.
    pub(crate) fn check(
        &self,
        cx: &Cx,
        event: &Event,
        given: Option<TurnId>,
    ) -> Result<Option<TurnId>, TurnError> {
        if !event.has_waiting_room || !buyers::is_buyer(cx) {
            return Ok(None);
        }
        let Some(id) = given else {
            return Err(TurnError::Needed(event.title.clone()));
        };
        match self.0.get(&id).filter(|turn| turn.event_id == event.id) {
            None => Err(TurnError::NotNow),
            Some(turn) if turn.ends_at <= cx.now => Err(TurnError::Over),
            Some(turn) if turn.is_used => Err(TurnError::InUse),
            Some(_) => Ok(Some(id)),
        }
    }

    /// From here on nothing else is held in a turn.
    pub(crate) fn use_up(&mut self, id: Option<TurnId>) {
        if let Some(turn) = id.and_then(|id| self.0.get_mut(&id)) {
            turn.is_used = true;
        }
    }
}

/// Why a buyer may not hold places now.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// There is a waiting room, and no turn was given.
    #[error("{0:?} is sold through a waiting room")]
    Needed(String),
    /// The turn has not come, or is one of another event.
    #[error("it is not this buyer's turn yet")]
    NotNow,
    /// The turn has passed.
    #[error("this turn is over")]
    Over,
    /// Places are held in it, or were ordered.
    #[error("places are held or were ordered in this turn already")]
    InUse,
}

const TURN_NEEDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "turn_needed",
    "Take a turn with join_waiting_room, and hold tickets with it when it has come.",
);
const TURN_NOT_NOW: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "turn_not_now",
    "Ask check_turn until it says now; nothing makes it faster.",
);
const TURN_OVER: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "turn_over",
    "Take a new turn with join_waiting_room.",
);
const TURN_IN_USE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "turn_in_use",
    "Order what is held, or give it back with release_hold first; after an order take a new turn.",
);

impl Fault for TurnError {
    fn specs() -> Vec<FaultSpec> {
        vec![TURN_NEEDED, TURN_NOT_NOW, TURN_OVER, TURN_IN_USE]
    }

    fn facts(&self) -> Facts {
        let spec = match self {
            Self::Needed(_) => TURN_NEEDED,
            Self::NotNow => TURN_NOT_NOW,
            Self::Over => TURN_OVER,
            Self::InUse => TURN_IN_USE,
        };
        spec.at("turn")
    }
}
