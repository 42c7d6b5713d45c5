//! Leaving the decision to a person: what the policy asks for is not run, but kept until somebody has decided through
//! a channel that no model holds. The answer never has a link or a code in it.

use domain::{Cx, Recorded, change::sentences, context::Mode};
use operations::{
    Effect,
    approvals::{self, policy},
};
use rmcp::model::CallToolResult;
use serde_json::{Value, json};

use super::{Call, answer, boundary, offer::Offer};

/// Whether calls of a tool may end in a question to a person outside the conversation.
pub(super) fn may_ask(offer: &Offer) -> bool {
    policy::may_ask(offer.entry.name)
}

/// Tries a call that only writes, and leaves it to a person if the policy wants one; otherwise nothing, and the call
/// goes on. What takes something away is tried, and shown to a person, anyway: see [`super::confirm`].
pub(super) async fn run(
    call: &Call<'_>,
    offer: &Offer,
    cx: &Cx,
    input: &Value,
) -> Option<CallToolResult> {
    if cx.mode != Mode::Live || offer.entry.effect != Effect::Write || !may_ask(offer) {
        return None;
    }
    let trial = cx.in_mode(Mode::DryRun);
    let outcome = call
        .execute(offer, &trial, input.clone(), &boundary(&trial))
        .await;
    // A call that is refused is refused again below, with its own words.
    outcome.ok()?;
    leave_to_a_person(call, offer, cx, input, &trial.recorded()).await
}

/// Keeps a call that would record this until a person has decided, if the policy wants one.
pub(super) async fn leave_to_a_person(
    call: &Call<'_>,
    offer: &Offer,
    cx: &Cx,
    input: &Value,
    recorded: &[Recorded],
) -> Option<CallToolResult> {
    let asked = approvals::leave_to_a_person(&call.shared.app, cx, offer.entry, input, recorded);
    let asked = match asked.await {
        Ok(asked) => asked?,
        Err(failure) => return Some(answer::refused(&failure)),
    };
    let id = asked.approval;
    let text = format!(
        "Not done: a person must decide. {}\nIt would do this:\n{}\nTell your person that {id} waits for them until {}: \
         they approve or reject it with `eventos approvals approve {id}` on the server, or through the link that owners \
         get by mail. You cannot decide it, and calling {} again does not help. Once approved it runs by itself, \
         exactly as shown. When they say they have decided, look with get_approval {{\"approval\": \"{id}\"}}.",
        asked.reason,
        answer::bullets(&sentences(recorded)),
        asked.expires_at,
        offer.entry.name,
    );
    let value = json!({"approval": {
        "id": id,
        "status": asked.status,
        "reason": asked.reason,
        "preview": asked.preview,
        "expires_at": asked.expires_at,
    }});
    Some(answer::structured(value, &boundary(cx), Some(text)))
}
