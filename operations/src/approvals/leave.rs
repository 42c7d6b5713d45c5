//! Leaving a call to a person: the same for every surface that lets programs call operations.

use domain::{Cx, Permission, Recorded, fault::Failure};
use serde_json::Value;

use super::{RequestApproval, RequestedApproval, policy};
use crate::{App, Entry};

/// Keeps a call that would record this until a person has decided, if the policy wants one; otherwise nothing, and the
/// call may go on.
pub async fn leave_to_a_person(
    app: &App,
    cx: &Cx,
    entry: &Entry,
    input: &Value,
    recorded: &[Recorded],
) -> Result<Option<RequestedApproval>, Failure> {
    if policy::verdict(entry.name, input, recorded).is_none() {
        return Ok(None);
    }
    let mut asking = cx.clone();
    asking.idempotency = None;
    // Asking is EventOS's own doing: whoever may make the call may also be told that a person decides.
    asking.permissions = asking.permissions.with(Permission::ApprovalsRead);
    let request = RequestApproval::of(entry.name, input.clone());
    let asked = app.run(&asking, request).await;
    asked.map(Some).map_err(|error| Failure::of(&error))
}
