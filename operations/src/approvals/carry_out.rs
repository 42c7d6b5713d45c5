//! What follows a person's word: the operation runs as whoever asked, exactly as it was shown, once.

use domain::{Cx, Permissions, context::Mode, fault::Failure};
use serde_json::{Value, json};
use store::StoreError;

use super::{
    model::{ApprovalStatus, Requester, Stored},
    request_approval::{RequestApproval, RequestApprovalError, Trial},
    sql,
};
use crate::{App, catalog};

/// What came of it.
pub(super) enum CarriedOut {
    /// It is done.
    Done(Value),
    /// The world had changed; the operation as it would run now.
    Stale(Box<(Cx, Trial)>),
    /// It refused; approving once more tries again.
    Failed(Failure),
}

/// Runs an approved operation. Under its own idempotency key, so that a crash in between does not run it twice.
pub(super) async fn carry_out(
    app: &App,
    cx: &Cx,
    stored: &Stored,
) -> Result<CarriedOut, StoreError> {
    let Some(requester) = as_requester(app, cx, stored).await? else {
        return Ok(CarriedOut::Failed(gone()));
    };
    let name = stored.operation.as_deref().unwrap_or_default();
    let Some(entry) = catalog::find(name) else {
        return Ok(CarriedOut::Failed(gone()));
    };
    let digest = stored
        .changes_digest
        .as_deref()
        .and_then(|digest| digest.try_into().ok());
    let acting = requester
        .clone()
        .with_confirmed(digest.unwrap_or_default())
        .with_key(format!("approval:{}", stored.id));
    match entry.run(app, &acting, stored.input.clone(), None).await {
        Ok(answer) => Ok(CarriedOut::Done(answer)),
        Err(failure) if failure.code == "preview_changed" => {
            match Trial::of(app, &requester, name, &stored.input).await {
                Ok(trial) => Ok(CarriedOut::Stale(Box::new((requester, trial)))),
                Err(RequestApprovalError::WouldFail(failure)) => Ok(CarriedOut::Failed(failure)),
                Err(RequestApprovalError::Store(error)) => Err(error),
                // There is nothing left to do.
                Err(_) => Ok(CarriedOut::Done(json!({"note": "Nothing is left to do."}))),
            }
        }
        Err(failure) => Ok(CarriedOut::Failed(failure)),
    }
}

/// The same question with the preview of now.
pub(super) fn again(stored: &Stored) -> RequestApproval {
    let mut again = RequestApproval::of(
        stored.operation.as_deref().unwrap_or_default(),
        stored.input.clone(),
    );
    again.reason = Some(stored.reason.clone());
    again.decides = Some(stored.decides);
    again
}

/// Whoever asked, with what they may still do; nobody if their token was revoked or they have left.
async fn as_requester(app: &App, cx: &Cx, stored: &Stored) -> Result<Option<Cx>, StoreError> {
    let requester = stored.requester();
    let mut tx = app.store().read(cx).await?;
    let user_id = match &requester {
        Requester::Member(user_id) => *user_id,
        Requester::Token(token_id, user_id) => {
            if sql::token(tx.conn(), cx, *token_id).await?.is_none() {
                return Ok(None);
            }
            *user_id
        }
        Requester::Nobody(_) => return Ok(None),
    };
    let Some(role) = sql::role(tx.conn(), user_id).await? else {
        return Ok(None);
    };
    let permissions = stored
        .permissions()
        .intersect(role.permissions())
        .intersect(Permissions::all_for_tokens());
    Ok(requester.actor().map(|actor| {
        let mut cx = cx
            .in_mode(Mode::Live)
            .with_actor(actor)
            .with_permissions(permissions);
        (cx.idempotency, cx.confirmed) = (None, None);
        cx
    }))
}

fn gone() -> Failure {
    Failure {
        kind: domain::FaultKind::Forbidden,
        code: "requester_gone",
        message: "Whoever asked for it may not do it any more.".to_owned(),
        next: "Do it yourself if it is still wanted.",
        field: None,
        candidates: Vec::new(),
    }
}

/// A failure as it is kept beside the approval.
pub(super) fn told(failure: &Failure) -> Value {
    json!({"error": {"code": failure.code, "message": failure.message, "next": failure.next}})
}

/// The state of an approval that could not be carried out: still approved, so that it can be tried again.
pub(super) const TO_BE_TRIED_AGAIN: ApprovalStatus = ApprovalStatus::Approved;
