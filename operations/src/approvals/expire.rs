//! What nobody has decided in time, or what nobody waits for any more: it ends by itself.

use std::collections::BTreeMap;

use domain::{Actor, ApprovalId, Cx, OrganizationId, Permissions, Timestamp};
use store::StoreError;

use super::{changes::ApprovalExpired, sql};
use crate::App;

/// Ends the approvals of all organizations whose time is over, and those of runs that have ended; how many. Called by
/// workers every minute; any number of them may call it at the same time, and each approval is ended by one.
pub async fn expire_due(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let due = {
        let mut tx = app.store().system("end approvals").await?;
        sql::due(tx.conn(), now).await?
    };
    let mut by_organization: BTreeMap<OrganizationId, Vec<ApprovalId>> = BTreeMap::new();
    for (organization_id, approval_id) in due {
        let approvals = by_organization.entry(organization_id).or_default();
        approvals.push(approval_id);
    }
    let mut ended = 0;
    for (organization_id, approvals) in by_organization {
        let actor = Actor::System {
            reason: "approvals",
        };
        let mut cx = Cx::new(organization_id, actor, Permissions::NONE).with_now(now);
        cx.operation = "expire_approvals";
        let mut tx = app.store().write(&cx).await?;
        for (approval_id, title) in sql::expire(tx.conn(), &approvals).await? {
            tx.also(&ApprovalExpired { approval_id, title });
            ended += 1;
        }
        tx.unchanged(()).await?;
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        approvals::{ApprovalStatus, DecideApproval, Decision, GetApproval, RequestApproval},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn ends_once_what_is_over_and_nothing_else() {
        let scene = Scene::new().await;
        let ask = async |title: &str| {
            let asked = scene.run(RequestApproval::question(title)).await;
            asked.unwrap().approval
        };
        let decided = ask("Decided?").await;
        let decide = |approval| DecideApproval {
            approval,
            decision: Decision::Approved,
            note: None,
        };
        scene.run(decide(decided)).await.unwrap();
        let open = ask("Open?").await;
        let other = scene.other_organization().await;
        let theirs = scene.app.run(&other, RequestApproval::question("Theirs?"));
        theirs.await.unwrap();
        assert_eq!(expire_due(&scene.app, scene.cx.now).await.unwrap(), 0);
        let later = scene.at("2027-01-14T09:00:00Z");
        let both = tokio::join!(
            expire_due(&scene.app, later.now),
            expire_due(&scene.app, later.now)
        );
        assert_eq!(both.0.unwrap() + both.1.unwrap(), 2, "each of them once");
        let status = async |approval| {
            let found = scene.app.run(&later, GetApproval { approval }).await;
            found.unwrap().status
        };
        assert_eq!(status(open).await, ApprovalStatus::Expired);
        assert_eq!(status(decided).await, ApprovalStatus::Approved);
        let told = scene.changes().await;
        let told = told
            .iter()
            .filter(|change| change.kind == "approval.expired");
        assert_eq!(told.count(), 1, "their own only");
        let refused = scene.app.run(&later, decide(open)).await;
        assert_refused(refused, "approval_expired");
    }
}
