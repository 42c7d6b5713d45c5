//! `list_fees`: what is charged beside tickets.

use domain::{Cx, EventId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::Fee, sql};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// The fees that are charged for all events, and with an event its own.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListFees {
    /// Event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
}

/// Fees, those of all events first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fees {
    /// The fees.
    pub fees: Vec<Fee>,
}

impl Operation for ListFees {
    const NAME: &'static str = "list_fees";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = Fees;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Fees, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event_id = match &self.event {
            Some(reference) => Some(events::resolve(tx.conn(), cx, reference).await?.id),
            None => None,
        };
        let fees = sql::fees(tx.conn(), event_id).await?.into_iter();
        Ok(Fees {
            fees: fees.map(|stored| stored.fee).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused, fee};

    #[tokio::test]
    async fn an_events_own_fees_come_after_those_of_all() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene.run(fee(event.id, "Service", 150)).await.unwrap();
        let all = crate::taxes::SaveFee {
            event: None,
            ..fee(event.id, "Donation", 100)
        };
        scene.run(all).await.unwrap();
        let list = ListFees {
            event: Some(event.id.into()),
        };
        let fees = scene.run(list.clone()).await.unwrap().fees;
        let names: Vec<_> = fees.iter().map(|fee| fee.name.as_str()).collect();
        assert_eq!(names, ["Donation", "Service"]);
        assert_eq!(scene.run(ListFees::default()).await.unwrap().fees.len(), 1);
        assert_refused(scene.app.run(&other, list).await, "not_found");
    }
}
