//! Objects in the shapes of Stripe's own examples, with what is known put in.

use std::sync::LazyLock;

use domain::Currency;
use serde_json::{Value, json};

use super::{
    error::ApiError,
    state::{Payment, PaymentStatus, Refund, Session, SessionStatus},
    telling::Asked,
};
use crate::stripe::{API_VERSION, amount::from_stripe};

static EXAMPLES: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../fixtures/stripe.json")).expect("the fixtures are JSON")
});

/// Stripe's example of a resource with some fields replaced.
fn example(kind: &str, fields: Value) -> Value {
    let mut object = EXAMPLES["resources"][kind].clone();
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

pub(super) fn session_status(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Open => "open",
        SessionStatus::Complete => "complete",
        SessionStatus::Expired => "expired",
    }
}

pub(super) fn session(session: &Session, page_url: &str) -> Value {
    let is_paid = session.status == SessionStatus::Complete;
    let is_open = session.status == SessionStatus::Open;
    let url = format!("{page_url}/pay/{}", session.id);
    example(
        "checkout.session",
        json!({
            "id": session.id,
            "status": session_status(session.status),
            "payment_status": if is_paid { "paid" } else { "unpaid" },
            "url": is_open.then_some(url),
            "amount_subtotal": session.total,
            "amount_total": session.total,
            "currency": session.currency.code().to_lowercase(),
            "client_reference_id": session.reference,
            "customer_email": session.email,
            "customer_details": session.email.as_ref().map(|email| json!({
                "address": null, "email": email, "name": null, "phone": null, "tax_exempt": "none", "tax_ids": null,
                "business_name": null, "individual_name": null,
            })),
            "success_url": session.success_url,
            "cancel_url": session.cancel_url,
            "metadata": session.metadata,
            "payment_intent": session.payment,
            "created": session.created,
            "expires_at": session.expires_at,
            "locale": session.locale,
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            // What the examples show and a plain payment does not have.
            "after_expiration": null, "consent": null, "consent_collection": null, "shipping_address_collection": null,
            "shipping_cost": null, "currency_conversion": null, "collected_information": null, "invoice_creation": null,
            "payment_method_configuration_details": null, "saved_payment_method_options": null,
            "custom_text": {"after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null},
            "adaptive_pricing": {"enabled": false}, "managed_payments": {"enabled": false},
        }),
    )
}

pub(super) fn payment(payment: &Payment) -> Value {
    let status = match payment.status {
        PaymentStatus::RequiresPaymentMethod => "requires_payment_method",
        PaymentStatus::RequiresAction => "requires_action",
        PaymentStatus::Succeeded => "succeeded",
        PaymentStatus::Canceled => "canceled",
    };
    let is_paid = payment.status == PaymentStatus::Succeeded;
    let is_canceled = payment.status == PaymentStatus::Canceled;
    let error = payment.error.map(|(code, decline_code, message)| {
        json!({"type": "card_error", "code": code, "decline_code": decline_code, "message": message})
    });
    let action = (payment.status == PaymentStatus::RequiresAction)
        .then(|| json!({"type": "use_stripe_sdk", "use_stripe_sdk": {}}));
    example(
        "payment_intent",
        json!({
            "id": payment.id,
            "status": status,
            "amount": payment.amount,
            "amount_received": if is_paid { payment.amount } else { 0 },
            "currency": payment.currency.code().to_lowercase(),
            "client_secret": format!("{}_secret_simulator", payment.id),
            "created": payment.created,
            "description": payment.description,
            "latest_charge": payment.charge,
            "last_payment_error": error,
            "metadata": payment.metadata,
            "next_action": action,
            "canceled_at": is_canceled.then_some(payment.created),
            "cancellation_reason": is_canceled.then_some("automatic"),
            "payment_method": is_paid.then_some("pm_simulator"),
            "payment_method_configuration_details": null, "processing": null, "shipping": null, "transfer_data": null,
            "amount_details": {"tip": {}}, "managed_payments": {"enabled": false},
        }),
    )
}

pub(super) fn charge(payment: &Payment) -> Value {
    example(
        "charge",
        json!({
            "id": payment.charge,
            "status": "succeeded",
            "paid": true,
            "captured": true,
            "amount": payment.amount,
            "amount_captured": payment.amount,
            "amount_refunded": payment.refunded,
            "refunded": payment.refunded == payment.amount,
            "currency": payment.currency.code().to_lowercase(),
            "created": payment.created,
            "description": payment.description,
            "metadata": payment.metadata,
            "payment_intent": payment.id,
            "payment_method": "pm_simulator",
            "receipt_url": null, "source": null, "transfer_data": null, "balance_transaction": null,
            "refunds": {"object": "list", "data": [], "has_more": false, "url": format!("/v1/charges/{}/refunds", payment.charge.as_deref().unwrap_or_default())},
        }),
    )
}

pub(super) fn refund(refund: &Refund) -> Value {
    let status = if refund.failure.is_some() {
        "failed"
    } else {
        "succeeded"
    };
    let mut json = example(
        "refund",
        json!({
            "id": refund.id,
            "status": status,
            "amount": refund.amount,
            "currency": refund.currency.code().to_lowercase(),
            "charge": refund.charge,
            "payment_intent": refund.payment,
            "metadata": refund.metadata,
            "reason": refund.reason,
            "created": refund.created,
        }),
    );
    if let Some(failure) = refund.failure {
        json["failure_reason"] = failure.into();
    }
    json
}

/// What is told of something, as webhooks carry it and the list of events shows it.
pub(super) fn notice(
    id: &str,
    kind: &str,
    created: i64,
    object: &Value,
    asked: &Asked,
    is_told: bool,
) -> Value {
    example(
        "event",
        json!({
            "id": id,
            "type": kind,
            "api_version": API_VERSION,
            "created": created,
            "data": {"object": object},
            "pending_webhooks": i32::from(is_told),
            "request": {"id": asked.request_id, "idempotency_key": asked.key},
        }),
    )
}

/// A page of a list, newest first, as its parameters ask for it.
pub(super) fn list(
    url: &str,
    mut newest_first: Vec<Value>,
    after: Option<&str>,
    limit: usize,
) -> Value {
    if let Some(after) = after {
        let at = newest_first.iter().position(|object| object["id"] == after);
        newest_first.drain(..at.map_or(newest_first.len(), |at| at + 1));
    }
    let has_more = newest_first.len() > limit;
    newest_first.truncate(limit);
    json!({"object": "list", "url": url, "data": newest_first, "has_more": has_more})
}

/// Refuses amounts that Stripe does not take in a currency.
pub(super) fn check_amount(amount: i64, currency: Currency) -> Result<(), ApiError> {
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(ApiError::invalid(
            "parameter_invalid_integer",
            "amount",
            message,
        ));
    }
    if amount > 99_999_999 {
        let message = "Amount must be no more than 999,999.99";
        return Err(ApiError::invalid("amount_too_large", "amount", message));
    }
    let is_whole = from_stripe(amount, currency).is_some();
    if !is_whole || currency.decimals() == 3 && amount % 10 != 0 {
        let message = format!("Invalid amount. Amounts in {currency} must be evenly divisible.");
        return Err(ApiError::invalid(
            "invalid_charge_amount_no_decimal_compatible",
            "amount",
            message,
        ));
    }
    Ok(())
}

/// An amount for people.
pub(super) fn readable(amount: i64, currency: Currency) -> String {
    from_stripe(amount, currency)
        .map(|money| money.to_string())
        .unwrap_or_default()
}
