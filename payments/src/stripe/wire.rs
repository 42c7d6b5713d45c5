//! What we read of Stripe's objects: the few fields we need, and of those as little as possible required, so that a new
//! version of its interface does not stop us.

use domain::{Currency, Money, Timestamp};
use serde::Deserialize;

use super::amount::from_stripe;
use crate::{
    Checkout, CheckoutId, CheckoutState, Decline, Payment, PaymentReference, PaymentState,
    ProcessorError, Refund, RefundReference, RefundState,
};

/// A list of objects, a page of it.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Something that is an id, or, when expanded, the object itself.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Id(String),
    Object(T),
}

/// What we ourselves attach to Stripe's objects.
#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    order_id: Option<String>,
    refund_id: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Session {
    id: String,
    status: Option<String>,
    payment_status: Option<String>,
    url: Option<String>,
    amount_total: Option<i64>,
    currency: Option<String>,
    client_reference_id: Option<String>,
    payment_intent: Option<Expandable<WithId>>,
    expires_at: i64,
}

#[derive(Deserialize)]
pub(super) struct WithId {
    id: String,
}

#[derive(Deserialize)]
pub(super) struct Intent {
    id: String,
    status: String,
    amount: i64,
    amount_received: Option<i64>,
    currency: String,
    metadata: Option<Metadata>,
    latest_charge: Option<Expandable<Charge>>,
    last_payment_error: Option<Failure>,
}

#[derive(Deserialize)]
pub(super) struct Charge {
    #[serde(default)]
    amount_refunded: i64,
}

#[derive(Deserialize)]
struct Failure {
    code: Option<String>,
    decline_code: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct StripeRefund {
    pub(super) id: String,
    amount: i64,
    currency: String,
    status: Option<String>,
    failure_reason: Option<String>,
    payment_intent: Option<Expandable<WithId>>,
    metadata: Option<Metadata>,
}

impl Session {
    pub(super) fn read(self) -> Result<Checkout, ProcessorError> {
        let state = match (self.status.as_deref(), self.payment_status.as_deref()) {
            (Some("complete"), Some("paid" | "no_payment_required")) => CheckoutState::Paid,
            (Some("complete"), _) => CheckoutState::Processing,
            (Some("expired"), _) => CheckoutState::Expired,
            (Some("open"), _) => CheckoutState::Open,
            (other, _) => return unreadable(&format!("a checkout that is {other:?}")),
        };
        let (Some(amount), Some(currency)) = (self.amount_total, self.currency) else {
            return unreadable("a checkout without an amount");
        };
        Ok(Checkout {
            id: CheckoutId::new(self.id),
            state,
            page_url: self.url,
            order_id: ours(self.client_reference_id.as_deref()),
            amount: money(amount, &currency)?,
            payment: self.payment_intent.map(reference),
            expires_at: Timestamp::from_microseconds(self.expires_at.saturating_mul(1_000_000)),
        })
    }
}

impl Intent {
    pub(super) fn read(self) -> Result<Payment, ProcessorError> {
        let state = match self.status.as_str() {
            "succeeded" => PaymentState::Succeeded,
            "processing" | "requires_capture" => PaymentState::Processing,
            "requires_action" => PaymentState::Authenticating,
            "requires_payment_method" | "requires_confirmation" => PaymentState::Open,
            "canceled" => PaymentState::Cancelled,
            other => return unreadable(&format!("a payment that is {other:?}")),
        };
        let refunded = match self.latest_charge {
            Some(Expandable::Object(charge)) => charge.amount_refunded,
            Some(Expandable::Id(_)) => return unreadable("a payment without its charge"),
            None => 0,
        };
        // Where it is not said (Stripe says it), all was received that was asked for, or nothing.
        let whole = match state {
            PaymentState::Succeeded => self.amount,
            _ => 0,
        };
        let received = self.amount_received.unwrap_or(whole);
        let decline = self.last_payment_error.map(|failure| Decline {
            code: failure.decline_code.or(failure.code),
            message: failure.message.unwrap_or_default(),
        });
        Ok(Payment {
            state,
            amount: money(self.amount, &self.currency)?,
            received: money(received, &self.currency)?,
            refunded: money(refunded, &self.currency)?,
            order_id: ours(self.metadata.unwrap_or_default().order_id.as_deref()),
            decline: decline.filter(|_| state != PaymentState::Succeeded),
            id: PaymentReference::new(self.id),
        })
    }
}

impl StripeRefund {
    /// The text that we attached as our id.
    pub(super) fn refund_id(&self) -> Option<&str> {
        self.metadata.as_ref()?.refund_id.as_deref()
    }

    pub(super) fn read(self) -> Result<Refund, ProcessorError> {
        let state = match self.status.as_deref() {
            Some("succeeded") => RefundState::Succeeded,
            Some("pending" | "requires_action") => RefundState::Pending,
            Some("failed") => RefundState::Failed {
                why: self.failure_reason.clone(),
            },
            Some("canceled") => RefundState::Cancelled,
            other => return unreadable(&format!("a refund that is {other:?}")),
        };
        Ok(Refund {
            refund_id: ours(self.refund_id()),
            amount: money(self.amount, &self.currency)?,
            payment: self.payment_intent.map(reference),
            id: RefundReference::new(self.id),
            state,
        })
    }
}

fn reference(payment: Expandable<WithId>) -> PaymentReference {
    let (Expandable::Id(id) | Expandable::Object(WithId { id })) = payment;
    PaymentReference::new(id)
}

/// An id of ours that Stripe gives back; nothing if somebody else put something else there.
fn ours<T: std::str::FromStr>(text: Option<&str>) -> Option<T> {
    text?.parse().ok()
}

fn money(amount: i64, currency: &str) -> Result<Money, ProcessorError> {
    let known: Option<Currency> = currency.parse().ok();
    match known.and_then(|currency| from_stripe(amount, currency)) {
        Some(money) => Ok(money),
        None => unreadable(&format!("the amount {amount} {currency}")),
    }
}

/// Stripe says something that this program does not understand: whatever was done is done, so it is no refusal.
fn unreadable<T>(what: &str) -> Result<T, ProcessorError> {
    Err(ProcessorError::Unknown {
        said: format!("Stripe answered with {what}, which this version of EventOS cannot read"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Stripe's own example of a resource, with some fields set.
    fn example(kind: &str, fields: &[(&str, Value)]) -> Value {
        let all: Value = serde_json::from_str(include_str!("../../fixtures/stripe.json")).unwrap();
        let mut object = all["resources"][kind].clone();
        for (name, value) in fields {
            object[*name] = value.clone();
        }
        object
    }

    fn session(fields: &[(&str, Value)]) -> Result<Checkout, ProcessorError> {
        let priced = [
            ("amount_total", json!(2_500)),
            ("currency", json!("eur")),
            ("url", json!(null)),
        ];
        let object = example("checkout.session", &[&priced[..], fields].concat());
        serde_json::from_value::<Session>(object).unwrap().read()
    }

    #[test]
    fn reads_checkouts_in_every_state() {
        for (status, paid, expected) in [
            ("open", "unpaid", CheckoutState::Open),
            ("complete", "paid", CheckoutState::Paid),
            ("complete", "unpaid", CheckoutState::Processing),
            ("expired", "unpaid", CheckoutState::Expired),
        ] {
            let fields = [("status", json!(status)), ("payment_status", json!(paid))];
            let checkout = session(&fields).unwrap();
            assert_eq!(checkout.state, expected);
            assert_eq!(checkout.amount.to_string(), "25.00 EUR");
            assert_eq!(checkout.order_id, None);
        }
        let odd = session(&[("status", json!("resting"))]).unwrap_err();
        assert!(matches!(odd, ProcessorError::Unknown { .. }), "{odd}");
    }

    #[test]
    fn reads_stripes_own_examples() {
        let fields = [("latest_charge", example("charge", &[]))];
        let intent: Intent = serde_json::from_value(example("payment_intent", &fields)).unwrap();
        let payment = intent.read().unwrap();
        assert_eq!(payment.state, PaymentState::Open);
        assert_eq!(payment.amount.to_string(), "10.99 USD");
        assert!(payment.received.is_zero() && payment.refunded.is_zero());
        let refund: StripeRefund = serde_json::from_value(example("refund", &[])).unwrap();
        let refund = refund.read().unwrap();
        assert_eq!(
            (refund.state, refund.refund_id),
            (RefundState::Succeeded, None)
        );
    }

    #[test]
    fn reads_failed_refunds() {
        let fields = [
            ("status", json!("failed")),
            ("failure_reason", json!("lost_or_stolen_card")),
            ("payment_intent", json!("pi_1")),
            (
                "metadata",
                json!({"refund_id": "ref_00000000000000000000000000000007"}),
            ),
        ];
        let refund: StripeRefund = serde_json::from_value(example("refund", &fields)).unwrap();
        let refund = refund.read().unwrap();
        let why = Some("lost_or_stolen_card".to_owned());
        assert_eq!(refund.state, RefundState::Failed { why });
        assert_eq!(refund.payment, Some(PaymentReference::new("pi_1")));
        assert!(refund.refund_id.is_some());
    }
}
