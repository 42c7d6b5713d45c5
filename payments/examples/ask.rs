//! Lets `checks/payments.py` use the adapter: one question as JSON on each line of standard input, one answer on each
//! line of standard output. For that check only; it takes the address and the key from the environment.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a check: it reads its environment and stops at once when something is wrong"
)]

use std::io::stdin;

use domain::{Money, OrderId, RefundId, Timestamp};
use payments::{
    PaymentReference, Processor as _, RefundReference, RefundRequest, Secret,
    stripe::{Notice, Stripe, StripeOptions, verify},
};
use serde_json::{Value, json};
use uuid::Uuid;

#[tokio::main]
async fn main() {
    let mut options = StripeOptions::new(Secret::new(&std::env::var("CHECK_STRIPE_KEY").unwrap()));
    options.url = std::env::var("CHECK_STRIPE_URL").unwrap();
    let stripe = Stripe::new(options).unwrap();
    for line in stdin().lines() {
        let question: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = answer(&stripe, &question).await;
        println!(
            "{}",
            match answer {
                Ok(said) => json!({"ok": true, "said": said}),
                Err(said) => json!({"ok": false, "said": said}),
            }
        );
    }
}

async fn answer(stripe: &Stripe, question: &Value) -> Result<String, String> {
    let text = |name: &str| question[name].as_str().unwrap_or_default();
    match text("ask") {
        "verify" => {
            let secrets = question["secrets"].as_array().unwrap();
            let secrets: Vec<Secret> = secrets
                .iter()
                .map(|secret| Secret::new(secret.as_str().unwrap()))
                .collect();
            let body = text("body").as_bytes();
            let verified = verify(text("header"), body, &secrets, Timestamp::now());
            verified.map_err(|error| format!("{error:?}"))?;
            let notice = Notice::read(body);
            Ok(format!("{} {:?}", notice.once_key(), notice.topic))
        }
        "payment" => shown(stripe.get_payment(&payment(question)).await),
        "refund" => {
            let request = RefundRequest {
                refund_id: refund_id(question),
                order_id: OrderId::from(Uuid::from_u128(1)),
                payment: payment(question),
                amount: Money::new(
                    question["amount"].as_i64().unwrap(),
                    text("currency").parse().unwrap(),
                ),
            };
            shown(stripe.refund(&request).await)
        }
        "get_refund" => shown(stripe.get_refund(&RefundReference::new(text("id"))).await),
        "find_refund" => {
            let payment = payment(question);
            shown(stripe.find_refund(&payment, refund_id(question)).await)
        }
        other => panic!("nobody knows what {other:?} asks"),
    }
}

fn payment(question: &Value) -> PaymentReference {
    PaymentReference::new(question["payment"].as_str().unwrap())
}

fn refund_id(question: &Value) -> RefundId {
    RefundId::from(Uuid::from_u128(question["number"].as_u64().unwrap().into()))
}

fn shown<T: std::fmt::Debug, E: std::fmt::Debug>(outcome: Result<T, E>) -> Result<String, String> {
    match outcome {
        Ok(value) => Ok(format!("{value:?}")),
        Err(error) => Err(format!("{error:?}")),
    }
}
