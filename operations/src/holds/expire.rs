//! What nobody ordered in time: its places are free again, and the use of its promo code.

use domain::{Actor, Cx, EventId, Permissions, Timestamp};
use store::StoreError;

use super::{changes::HoldExpired, sql};
use crate::{
    App, events,
    inventory::{self, Step, UseStep, Uses},
    lookup::LookupError,
};

/// Ends the holds of all organizations whose time is over; how many. Called by workers every minute; any number
/// of them may call it at the same time, and each hold is ended by one.
pub async fn expire_due(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let due = {
        let mut tx = app.store().system("end holds").await?;
        sql::due(tx.conn(), now).await?
    };
    let mut ended = 0;
    for (organization_id, event_id) in due {
        let actor = Actor::System { reason: "holds" };
        let cx = Cx::new(organization_id, actor, Permissions::NONE).with_now(now);
        ended += expire(app, cx, event_id).await?;
    }
    Ok(ended)
}

/// Ends the holds of one event whose time is over, for somebody who finds too few places left: a worker that is late
/// must not make anything look sold out. Says whether there were any.
pub(crate) async fn free_expired(
    app: &App,
    cx: &Cx,
    event_id: EventId,
) -> Result<bool, StoreError> {
    let actor = Actor::System { reason: "holds" };
    let cx = Cx::new(cx.organization_id, actor, Permissions::NONE).with_now(cx.now);
    // Everybody who would be told that it is sold out asks this, and most find nothing: that costs a look, and no commit.
    let has_any = {
        let mut tx = app.store().read(&cx).await?;
        sql::has_run_out(tx.conn(), event_id, cx.now).await?
    };
    Ok(has_any && expire(app, cx, event_id).await? > 0)
}

async fn expire(app: &App, mut cx: Cx, event_id: EventId) -> Result<usize, StoreError> {
    cx.operation = "expire_holds";
    let mut tx = app.store().write(&cx).await?;
    match events::share(tx.conn(), &cx, &event_id.into()).await {
        Ok(_) => {}
        Err(LookupError::Store(error)) => return Err(error),
        // Gone, with everything it had.
        Err(_) => return Ok(0),
    }
    let ended = sql::expire(tx.conn(), &cx, event_id).await?;
    let is_waited_for = !ended.is_empty() && inventory::is_waited_for(tx.conn(), event_id).await?;
    let ids: Vec<_> = ended.iter().map(|hold| hold.id).collect();
    let mut uses = Uses::default();
    for hold in ended {
        uses.add(UseStep::ReleaseHeld, hold.promo_code_id);
        tx.also(&HoldExpired {
            hold_id: hold.id,
            event_id,
            ticket_count: hold.ticket_count,
            is_waited_for,
        });
    }
    let counts = sql::counts(tx.conn(), &ids).await?;
    let places = inventory::places_of(tx.conn(), &counts).await?;
    inventory::release_uses(tx.conn(), &uses).await?;
    inventory::move_taken(tx.conn(), Step::ReleaseHeld, &places).await?;
    tx.unchanged(ids.len()).await
}
