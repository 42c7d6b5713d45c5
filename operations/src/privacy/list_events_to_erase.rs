//! `list_events_to_erase`: whose personal data is kept for longer than wanted.

use domain::{
    Cursor, Cx, EventId, Facts, Fault, FaultKind, FaultSpec, LocalTime, Page, PageRequest,
    Permission,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{App, Effect, Operation};

/// Events that ended at least so many months ago and still have names, addresses or texts of buyers and attendees,
/// oldest first. `erase_personal_data` erases them, one event at a time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListEventsToErase {
    /// How many months ago they ended at least, 1 to 240.
    #[schemars(range(min = 1, max = 240))]
    pub months: i32,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

/// An event that is long over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EventToErase {
    /// The event.
    pub event_id: EventId,
    /// Its title.
    pub title: String,
    /// When it ended, on the clock there.
    pub ended: LocalTime,
    /// Orders that still say who bought.
    pub order_count: i64,
}

impl Operation for ListEventsToErase {
    const NAME: &'static str = "list_events_to_erase";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::AttendeesRead;
    type Output = Page<EventToErase>;
    type Error = ListEventsToEraseError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<EventToErase>, ListEventsToEraseError> {
        if !(1..=240).contains(&self.months) {
            return Err(ListEventsToEraseError::Months(self.months));
        }
        let mut tx = app.store().read(cx).await?;
        let rows = sql::due(tx.conn(), cx, self.months, self.page).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.ends_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| EventToErase {
            event_id: row.id,
            title: row.title,
            ended: row.ends_local,
            order_count: row.order_count,
        }))
    }
}

/// How `list_events_to_erase` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ListEventsToEraseError {
    /// No sensible time to keep things.
    #[error("{0} months is no time to keep personal data for")]
    Months(i32),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const MONTHS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "retention_out_of_range",
    "Give whole months from 1 to 240.",
);

impl Fault for ListEventsToEraseError {
    fn specs() -> Vec<FaultSpec> {
        vec![MONTHS]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Months(_) => MONTHS.at("months"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ListEventsToEraseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        privacy::ErasePersonalData,
        testing::{Scene, assert_refused},
    };

    fn older_than(months: i32) -> ListEventsToErase {
        ListEventsToErase {
            months,
            page: PageRequest::default(),
        }
    }

    #[tokio::test]
    async fn lists_what_is_long_over_until_it_is_erased() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 10).await;
        scene.published("Nobody came").await;
        scene.order(event.id, 2).await;
        // The event of 4 February 2027 ends at 23:00 in Berlin.
        let before = scene.at("2028-02-04T19:00:00Z");
        let after = scene.at("2028-02-05T00:00:00Z");
        let seen = scene.app.run(&before, older_than(12)).await.unwrap();
        assert_eq!(seen.items, []);
        let seen = scene.app.run(&after, older_than(12)).await.unwrap().items;
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].event_id, seen[0].order_count), (event.id, 1));
        let away = other.with_now(after.now);
        assert_eq!(
            scene.app.run(&away, older_than(12)).await.unwrap().items,
            []
        );
        let erase = ErasePersonalData {
            event: event.id.into(),
        };
        scene.app.run(&after, erase).await.unwrap();
        assert_eq!(
            scene.app.run(&after, older_than(12)).await.unwrap().items,
            []
        );
    }

    #[tokio::test]
    async fn refuses_times_that_cannot_be_meant() {
        let scene = Scene::new().await;
        for months in [0, -1, 241, i32::MAX] {
            assert_refused(
                scene.run(older_than(months)).await,
                "retention_out_of_range",
            );
        }
    }
}
