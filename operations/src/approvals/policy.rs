//! What needs a person: code over what a dry run would record, not over what a caller says about itself.

use domain::Recorded;
use serde_json::Value;

use crate::permission::Role;

/// More recipients than this need a person.
pub const RECIPIENTS: u64 = 50;

/// More promo codes of an event than this within an hour need a person.
pub const PROMO_CODES: i64 = 100;

/// Why a person must decide, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// A stable word for it.
    pub code: &'static str,
    /// A sentence for the person.
    pub text: String,
    /// The least role that decides.
    pub decides: Role,
}

/// Those that can need a person. Not `queue_message`, the step of a workflow that mails: whoever enables the workflow
/// agrees to whom it writes.
const ASKING: [&str; 16] = [
    "apply_changes",
    "cancel_event",
    "cancel_order",
    "cancel_tickets",
    "create_promo_codes",
    "enable_workflow",
    "erase_personal_data",
    "issue_gift_cards",
    "refund_event",
    "refund_order",
    "save_promo_code",
    "save_ticket_type",
    "send_message",
    "set_price_tiers",
    "swap_tickets",
    "update_event",
];

/// Whether an operation can ever need a person: only these are run dry first.
pub fn may_ask(operation: &str) -> bool {
    ASKING.contains(&operation)
}

/// Why a person must decide about a call, by what its dry run recorded. Without changes there is nothing to decide.
pub fn verdict(operation: &str, input: &Value, recorded: &[Recorded]) -> Option<Reason> {
    let _ = (operation, input);
    recorded.iter().find_map(of_change)
}

fn of_change(change: &Recorded) -> Option<Reason> {
    let reason = |code, decides, text: String| {
        Some(Reason {
            code,
            text,
            decides,
        })
    };
    let payload = &change.payload;
    let has_money = |field: &str| {
        payload[field]["amount"]
            .as_i64()
            .is_some_and(|amount| amount != 0)
    };
    match change.kind {
        "change_set.applied" => reason(
            "changes_together",
            Role::Manager,
            "It makes several changes at once.".to_owned(),
        ),
        "event.cancelled" => reason(
            "cancels_event",
            Role::Manager,
            "It cancels an event.".to_owned(),
        ),
        "event.updated" if payload["tickets"].as_i64() > Some(0) => {
            let holders = &payload["tickets"];
            let text = format!("It moves an event that {holders} valid tickets were sold for.");
            reason("moves_event", Role::Manager, text)
        }
        "order.cancelled" | "order.tickets_cancelled" | "order.tickets_swapped"
            if has_money("refunded") =>
        {
            reason(
                "moves_money",
                Role::Manager,
                "It gives money back.".to_owned(),
            )
        }
        "order.cancelled" | "order.tickets_cancelled" if has_money("paid") => reason(
            "cancels_paid_order",
            Role::Manager,
            "It cancels what is paid.".to_owned(),
        ),
        "ticket_type.updated"
            if changes(payload, "price") && payload["sold_count"].as_i64() > Some(0) =>
        {
            let sold = &payload["sold_count"];
            let text = format!("It changes a price, and {sold} tickets were sold at the old one.");
            reason("changes_price", Role::Manager, text)
        }
        "ticket_type.tiers_set" if payload["sold_count"].as_i64() > Some(0) => {
            let sold = &payload["sold_count"];
            let text = format!("It changes which price is asked, and {sold} tickets were sold.");
            reason("changes_price", Role::Manager, text)
        }
        "promo_code.saved" | "promo_codes.created" => of_codes(payload),
        "gift_cards.issued" => {
            let text = "It makes money that orders are paid with.".to_owned();
            reason("moves_money", Role::Manager, text)
        }
        "workflow.enabled" => {
            let text = "A workflow would act by itself from then on.".to_owned();
            reason("enables_workflow", Role::Manager, text)
        }
        // Who enabled a workflow that erases has agreed to it, as to the mail of one that mails.
        "personal_data.erased" if payload["by_workflow"] != true => reason(
            "erases_people",
            Role::Owner,
            "It erases who bought and attended, for good.".to_owned(),
        ),
        "event_refund.started" => {
            let text = "It gives the money of a whole event back.".to_owned();
            reason("moves_money", Role::Owner, text)
        }
        kind if kind.starts_with("refund.") || kind.starts_with("payout.") => {
            reason("moves_money", Role::Owner, "It moves money.".to_owned())
        }
        kind if kind.starts_with("message") => {
            let counts = ["recipient_count", "recipients"].map(|field| match &payload[field] {
                Value::Array(all) => Some(all.len() as u64),
                count => count.as_u64(),
            });
            let count = counts
                .into_iter()
                .flatten()
                .max()
                .filter(|count| *count > RECIPIENTS)?;
            let text = format!(
                "It writes to {count} people; more than {RECIPIENTS} need a person's word."
            );
            reason("writes_to_many", Role::Manager, text)
        }
        _ => None,
    }
}

/// Codes that give tickets away on an event that sells, and many of them: in one call, or in several within an hour.
fn of_codes(payload: &Value) -> Option<Reason> {
    let reason = |code, text| {
        Some(Reason {
            code,
            text,
            decides: Role::Manager,
        })
    };
    if payload["makes_free"] == true && payload["is_published"] == true {
        let text = "Its code gives away tickets that cost something otherwise.".to_owned();
        return reason("gives_tickets_away", text);
    }
    let new = match (payload["count"].as_i64(), payload["is_new"].as_bool()) {
        (Some(count), _) => count,
        (None, Some(true)) => 1,
        _ => return None,
    };
    let lately = payload["made_lately"].as_i64().unwrap_or_default();
    let count = new.saturating_add(lately);
    if count <= PROMO_CODES {
        return None;
    }
    let text = format!(
        "It makes {new} promo codes, {count} within an hour; more than {PROMO_CODES} need a person's word."
    );
    reason("makes_many_codes", text)
}

fn changes(payload: &Value, field: &str) -> bool {
    let changed = payload["changed"].as_array().into_iter().flatten();
    changed.into_iter().any(|change| change["field"] == field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{EventId, Subject};
    use serde_json::json;

    fn asks(kind: &'static str, payload: Value) -> Option<&'static str> {
        let subject = Subject::from(EventId::from(uuid::Uuid::nil()));
        let change = Recorded {
            kind,
            subject,
            summary: String::new(),
            payload,
            binds: None,
        };
        verdict("x", &json!({}), &[change]).map(|reason| reason.code)
    }

    #[test]
    fn every_operation_that_may_ask_exists() {
        let asking = |entry: &&crate::Entry| may_ask(entry.name);
        assert_eq!(crate::CATALOG.iter().filter(asking).count(), ASKING.len());
    }

    #[test]
    fn asks_for_what_cannot_be_taken_back() {
        let money = |amount: i64| json!({"amount": amount, "currency": "EUR"});
        assert_eq!(asks("event.cancelled", json!({})), Some("cancels_event"));
        assert_eq!(asks("event.updated", json!({"tickets": 0})), None);
        assert_eq!(
            asks("event.updated", json!({"tickets": 1})),
            Some("moves_event")
        );
        assert_eq!(
            asks(
                "order.cancelled",
                json!({"paid": money(0), "refunded": money(0)})
            ),
            None
        );
        assert_eq!(
            asks(
                "order.cancelled",
                json!({"paid": money(1), "refunded": money(0)})
            ),
            Some("cancels_paid_order")
        );
        assert_eq!(
            asks(
                "order.cancelled",
                json!({"paid": money(1), "refunded": money(1)})
            ),
            Some("moves_money")
        );
        let tiers = |sold: i64| asks("ticket_type.tiers_set", json!({"sold_count": sold}));
        assert_eq!((tiers(0), tiers(1)), (None, Some("changes_price")));
        let price = |sold: i64| json!({"changed": [{"field": "price"}], "sold_count": sold});
        assert_eq!(asks("ticket_type.updated", price(3)), Some("changes_price"));
        assert_eq!(asks("ticket_type.updated", price(0)), None);
        assert_eq!(
            asks(
                "ticket_type.updated",
                json!({"changed": [{"field": "name"}], "sold_count": 9})
            ),
            None
        );
        assert_eq!(asks("message.queued", json!({"recipient_count": 50})), None);
        assert_eq!(
            asks("message.queued", json!({"recipient_count": 51})),
            Some("writes_to_many")
        );
        assert_eq!(
            asks("workflow.enabled", json!({})),
            Some("enables_workflow")
        );
        assert_eq!(
            asks("personal_data.erased", json!({"by_workflow": false})),
            Some("erases_people")
        );
        assert_eq!(
            asks("personal_data.erased", json!({"by_workflow": true})),
            None
        );
        assert_eq!(asks("order.placed", json!({})), None);
    }

    #[test]
    fn asks_for_codes_that_give_tickets_away_and_for_many() {
        let saved = |free: bool, published: bool| {
            let payload = json!({"makes_free": free, "is_published": published, "is_new": true, "made_lately": 0});
            asks("promo_code.saved", payload)
        };
        assert_eq!(saved(true, true), Some("gives_tickets_away"));
        assert_eq!((saved(true, false), saved(false, true)), (None, None));
        let batch = |count: i64, lately: i64| {
            let payload = json!({"makes_free": false, "is_published": true, "count": count, "made_lately": lately});
            asks("promo_codes.created", payload)
        };
        assert_eq!((batch(100, 0), batch(40, 60)), (None, None));
        assert_eq!(batch(101, 0), Some("makes_many_codes"));
        assert_eq!(batch(41, 60), Some("makes_many_codes"));
        let again = json!({"makes_free": false, "is_new": false, "made_lately": 500});
        assert_eq!(asks("promo_code.saved", again), None);
    }
}
