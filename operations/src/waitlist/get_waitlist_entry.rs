//! `get_waitlist_entry`: how far somebody on the waiting list has come.

use domain::{Cx, Permission, WaitlistEntryId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::WaitlistEntry, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// One entry of a waiting list: whether places were offered, until when, and the order that came of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetWaitlistEntry {
    /// The entry.
    pub entry: WaitlistEntryId,
}

impl Operation for GetWaitlistEntry {
    const NAME: &'static str = "get_waitlist_entry";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = WaitlistEntry;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<WaitlistEntry, LookupError> {
        let mut tx = app.store().read(cx).await?;
        Ok(sql::get(tx.conn(), self.entry).await?.seen(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        permission::Role,
        testing::{Scene, assert_refused, joining},
        waitlist::WaitlistStatus,
    };

    #[tokio::test]
    async fn shows_an_entry_masked_and_to_its_organization_only() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.sold_out(1).await;
        let ada = scene.run(joining(event, "Ada", 1)).await.unwrap().entry;
        let get = GetWaitlistEntry { entry: ada.id };
        assert_eq!(scene.run(get.clone()).await.unwrap(), ada);
        let viewer = scene.as_role(Role::Viewer);
        let seen = scene.app.run(&viewer, get.clone()).await.unwrap();
        assert_eq!(
            (seen.name.as_str(), seen.email.as_str(), seen.status),
            ("A…", "a…@e….org", WaitlistStatus::Waiting)
        );
        assert_refused(scene.app.run(&other, get).await, "not_found");
    }
}
