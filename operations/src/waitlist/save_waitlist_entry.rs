//! `save_waitlist_entry`: the organizer moves somebody up or down.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, WaitlistEntryId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::{WaitlistMoved, Which},
    model::{WaitlistEntry, WaitlistStatus},
    serving, sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// Give somebody on the waiting list another priority: who has more is offered places first, whoever came earlier among
/// equals.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SaveWaitlistEntry {
    /// The entry.
    pub entry: WaitlistEntryId,
    /// 0 for everybody who joins, to 100.
    #[schemars(range(min = 0, max = 100))]
    pub priority: i32,
}

impl Operation for SaveWaitlistEntry {
    const NAME: &'static str = "save_waitlist_entry";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = WaitlistEntry;
    type Error = SaveWaitlistEntryError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WaitlistEntry, SaveWaitlistEntryError> {
        if !(0..=100).contains(&self.priority) {
            return Err(SaveWaitlistEntryError::Priority(self.priority));
        }
        let mut tx = app.store().write(cx).await?;
        let found = sql::get(tx.conn(), self.entry).await?;
        events::lock(tx.conn(), cx, &found.event_id.into()).await?;
        serving::settle(&mut tx, found.event_id).await?;
        let before = sql::get(tx.conn(), self.entry).await?;
        if before.status != WaitlistStatus::Waiting {
            return Err(SaveWaitlistEntryError::NotWaiting(before.status));
        }
        if before.priority == self.priority {
            return Ok(tx.unchanged(before.seen(cx)).await?);
        }
        sql::prioritize(tx.conn(), before.id, self.priority).await?;
        let change = WaitlistMoved {
            which: Which::of(&before),
            before: before.priority,
            after: self.priority,
        };
        let after = sql::get(tx.conn(), before.id).await?;
        Ok(tx.commit(change, after.seen(cx)).await?)
    }
}

/// How `save_waitlist_entry` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveWaitlistEntryError {
    /// Out of range.
    #[error("a priority is 0 to 100, not {0}")]
    Priority(i32),
    /// It has no turn any more.
    #[error("the entry is {0}, so nothing is to be moved")]
    NotWaiting(WaitlistStatus),
    /// The entry was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const WAITLIST_PRIORITY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "waitlist_priority",
    "Ask how much earlier they should be served; 0 is everybody's priority.",
);
const NOT_WAITING: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "not_waiting",
    "Look at it with get_waitlist_entry; whoever wants to wait again joins anew.",
);

impl Fault for SaveWaitlistEntryError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![WAITLIST_PRIORITY, NOT_WAITING];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Priority(_) => WAITLIST_PRIORITY.at("priority"),
            Self::NotWaiting(_) => NOT_WAITING.at("entry"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveWaitlistEntryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused, joining},
        waitlist::LeaveWaitlist,
    };

    #[tokio::test]
    async fn moves_somebody_up_and_down() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.sold_out(1).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        let to = |priority| SaveWaitlistEntry {
            entry: ada.id,
            priority,
        };
        assert_eq!(scene.run(to(100)).await.unwrap().priority, 100);
        let change = scene.changes().await.pop().unwrap();
        assert!(
            change.summary.contains("from 0 to 100"),
            "{}",
            change.summary
        );
        scene.run(to(100)).await.unwrap();
        assert_eq!(scene.changes().await.pop().unwrap().id, change.id);
        assert_eq!(scene.run(to(0)).await.unwrap().priority, 0);
        for bad in [-1, 101] {
            assert_refused(scene.run(to(bad)).await, "waitlist_priority");
        }
        assert_refused(scene.app.run(&other, to(1)).await, "not_found");
        scene.run(LeaveWaitlist { entry: ada.id }).await.unwrap();
        assert_refused(scene.run(to(1)).await, "not_waiting");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (event, _) = scene.sold_out(1).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        let save = SaveWaitlistEntry {
            entry: ada.id,
            priority: 3,
        };
        scene.assert_idempotent(save).await;
    }
}
