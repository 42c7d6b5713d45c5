//! Stripe: hosted Checkout pages, payments and refunds over its HTTP interface, and its webhooks.
//!
//! Requests are made with the program's own HTTP client and read into a few small structs (`docs/decisions/0013`).

pub(crate) mod amount;
mod client;
mod notice;
mod signature;
mod wire;

use domain::{Language, RefundId, Timestamp};

use self::{
    amount::to_stripe,
    client::{Form, StripeClient},
    wire::{Intent, List, Session, StripeRefund},
};
use crate::{
    Answer, Checkout, CheckoutId, CheckoutRequest, CheckoutState, Payment, PaymentReference,
    Processor, ProcessorError, Reason, Refund, RefundReference, RefundRequest,
};

pub use client::{API_VERSION, StripeOptions};
pub use notice::{About, Notice, Topic};
pub use signature::{SIGNATURE_HEADER, SignatureError, TOLERANCE_SECONDS, sign, verify};

/// A page of Stripe's is open for at least half an hour. Five minutes more leave time to ask again under the same key.
const SHORTEST_SECONDS: i64 = 35 * 60;
/// … and at most a day, less what our clocks may differ.
const LONGEST_SECONDS: i64 = 24 * 60 * 60 - 60;
/// So many of Stripe's objects are asked for at once.
const PAGE: &str = "100";
/// So many pages are read at most, so that a list that never ends does not keep us for ever.
const MOST_PAGES: usize = 50;

/// Payments through Stripe.
#[derive(Clone)]
pub struct Stripe {
    client: StripeClient,
}

impl Stripe {
    /// Prepares connections; the first question connects.
    pub fn new(options: StripeOptions) -> Result<Self, ProcessorError> {
        let client = StripeClient::new(options)?;
        Ok(Self { client })
    }

    /// Webhooks that never arrived. Stripe keeps them for thirty days.
    async fn undelivered(&self, since: Timestamp) -> Result<Vec<Notice>, ProcessorError> {
        let since = seconds(since).to_string();
        let mut found: Vec<Notice> = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![
                ("created[gte]", since.as_str()),
                ("delivery_success", "false"),
                ("limit", PAGE),
            ];
            if let Some(after) = &after {
                query.push(("starting_after", after));
            }
            let list: List<serde_json::Value> = self.client.get(&["events"], &query).await?;
            found.extend(list.data.into_iter().map(Notice::from_json));
            after = found.last().and_then(|last| last.id.clone());
            if !list.has_more || after.is_none() {
                break;
            }
        }
        found.reverse();
        Ok(found)
    }

    async fn opened(&self, request: &CheckoutRequest) -> Result<Checkout, ProcessorError> {
        let form = checkout_form(request)?;
        let key = request.key();
        let path = ["checkout", "sessions"];
        let session = self.client.post::<Session>(&path, &form, Some(&key));
        let checkout = session.await?.read()?;
        // Stripe can be told, in its own settings, to add taxes: then the buyer would pay what we did not say.
        if request.total() != Ok(Some(checkout.amount)) {
            return Err(ProcessorError::Misconfigured {
                said: format!(
                    "Stripe would charge {} for this order, which is not what it costs",
                    checkout.amount
                ),
            });
        }
        Ok(checkout)
    }

    async fn checkout(&self, id: &CheckoutId) -> Result<Checkout, ProcessorError> {
        let path = ["checkout", "sessions", id.as_str()];
        self.client.get::<Session>(&path, &[]).await?.read()
    }

    async fn expired(&self, id: &CheckoutId) -> Result<Checkout, ProcessorError> {
        let path = ["checkout", "sessions", id.as_str(), "expire"];
        let refused = match self.client.post::<Session>(&path, &Form::new(), None).await {
            Ok(session) => return session.read(),
            Err(ProcessorError::Refused(refusal)) if refusal.reason != Reason::NotFound => refusal,
            Err(error) => return Err(error),
        };
        // Only open ones can be expired. One that was paid or closed meanwhile is what the caller needs to know.
        let checkout = self.checkout(id).await?;
        if checkout.state == CheckoutState::Open {
            return Err(ProcessorError::Refused(refused));
        }
        Ok(checkout)
    }

    async fn payment(&self, payment: &PaymentReference) -> Result<Payment, ProcessorError> {
        let path = ["payment_intents", payment.as_str()];
        // What was refunded stands in the charge.
        let query = [("expand[]", "latest_charge")];
        self.client.get::<Intent>(&path, &query).await?.read()
    }

    async fn refunded(&self, request: &RefundRequest) -> Result<Refund, ProcessorError> {
        let form = refund_form(request)?;
        let key = request.key();
        let refund = self
            .client
            .post::<StripeRefund>(&["refunds"], &form, Some(&key));
        let refund = refund.await?.read()?;
        if refund.amount != request.amount {
            return Err(ProcessorError::Unknown {
                said: format!(
                    "Stripe refunded {} where {} was asked for",
                    refund.amount, request.amount
                ),
            });
        }
        Ok(refund)
    }

    async fn refund_of(
        &self,
        payment: &PaymentReference,
        refund_id: RefundId,
    ) -> Result<Option<Refund>, ProcessorError> {
        let wanted = refund_id.to_string();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![("payment_intent", payment.as_str()), ("limit", PAGE)];
            if let Some(after) = &after {
                query.push(("starting_after", after));
            }
            let page: List<StripeRefund> = self.client.get(&["refunds"], &query).await?;
            let more = page.has_more;
            let mut last = None;
            for refund in page.data {
                if refund.refund_id() == Some(&wanted) {
                    return refund.read().map(Some);
                }
                last = Some(refund.id);
            }
            after = last;
            if !more || after.is_none() {
                return Ok(None);
            }
        }
        Err(ProcessorError::Unknown {
            said: "the payment has more refunds than were looked through".to_owned(),
        })
    }
}

impl Processor for Stripe {
    fn create_checkout<'a>(&'a self, request: &'a CheckoutRequest) -> Answer<'a, Checkout> {
        Box::pin(self.opened(request))
    }

    fn get_checkout<'a>(&'a self, id: &'a CheckoutId) -> Answer<'a, Checkout> {
        Box::pin(self.checkout(id))
    }

    fn expire_checkout<'a>(&'a self, id: &'a CheckoutId) -> Answer<'a, Checkout> {
        Box::pin(self.expired(id))
    }

    fn get_payment<'a>(&'a self, payment: &'a PaymentReference) -> Answer<'a, Payment> {
        Box::pin(self.payment(payment))
    }

    fn refund<'a>(&'a self, request: &'a RefundRequest) -> Answer<'a, Refund> {
        Box::pin(self.refunded(request))
    }

    fn get_refund<'a>(&'a self, refund: &'a RefundReference) -> Answer<'a, Refund> {
        Box::pin(async move {
            let path = ["refunds", refund.as_str()];
            self.client.get::<StripeRefund>(&path, &[]).await?.read()
        })
    }

    fn find_refund<'a>(
        &'a self,
        payment: &'a PaymentReference,
        refund_id: RefundId,
    ) -> Answer<'a, Option<Refund>> {
        Box::pin(self.refund_of(payment, refund_id))
    }

    fn list_undelivered(&self, since: Timestamp) -> Answer<'_, Vec<Notice>> {
        Box::pin(self.undelivered(since))
    }
}

/// A checkout's parameters: made of the request alone, so that a repeat says the very same.
fn checkout_form(request: &CheckoutRequest) -> Result<Form, ProcessorError> {
    let refuse = |message: &str| ProcessorError::refused(Reason::AmountNotPossible, message);
    let total = request.total();
    let total = total.map_err(|error| refuse(&error.to_string()))?;
    to_stripe(total.ok_or_else(|| refuse("There is nothing to pay."))?)?;
    let order = request.order_id.to_string();
    let mut form = Form::new();
    let mut put = |name: &str, value: &str| form.push((name.to_owned(), value.to_owned()));
    put("mode", "payment");
    put("client_reference_id", &order);
    put(
        "success_url",
        &request
            .paid_url
            .replace("{CHECKOUT_ID}", "{CHECKOUT_SESSION_ID}"),
    );
    put("cancel_url", &request.cancelled_url);
    put("expires_at", &closing(request).to_string());
    // On the payment too, so that it leads to the order without its checkout.
    for about in ["metadata", "payment_intent_data[metadata]"] {
        put(&format!("{about}[order_id]"), &order);
        put(&format!("{about}[attempt]"), &request.attempt.to_string());
    }
    put("payment_intent_data[description]", &request.order_number);
    if let Some(email) = &request.buyer_email {
        put("customer_email", email.as_str());
    }
    if let Some(language) = request.language {
        put("locale", locale(language));
    }
    for (number, line) in request.lines.iter().enumerate() {
        // What is free beside what is not is listed, too.
        let amount = match line.unit_amount {
            free if free.is_zero() => 0,
            amount => to_stripe(amount)?,
        };
        let currency = line.unit_amount.currency.code().to_lowercase();
        let mut put = |name: &str, value: &str| put(&format!("line_items[{number}]{name}"), value);
        put("[quantity]", &line.quantity.to_string());
        put("[price_data][currency]", &currency);
        put("[price_data][unit_amount]", &amount.to_string());
        put("[price_data][product_data][name]", &line.name);
    }
    Ok(form)
}

fn refund_form(request: &RefundRequest) -> Result<Form, ProcessorError> {
    let fields = [
        ("payment_intent", request.payment.to_string()),
        ("amount", to_stripe(request.amount)?.to_string()),
        ("metadata[refund_id]", request.refund_id.to_string()),
        ("metadata[order_id]", request.order_id.to_string()),
    ];
    Ok(fields.map(|(name, value)| (name.to_owned(), value)).into())
}

/// When the page closes, within Stripe's bounds, in seconds since 1970.
fn closing(request: &CheckoutRequest) -> i64 {
    let started = seconds(request.started_at);
    seconds(request.expires_at).clamp(started + SHORTEST_SECONDS, started + LONGEST_SECONDS)
}

fn seconds(instant: Timestamp) -> i64 {
    instant.as_microseconds().div_euclid(1_000_000)
}

fn locale(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::De => "de",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Line;
    use domain::{Money, OrderId};
    use uuid::Uuid;

    fn request() -> CheckoutRequest {
        CheckoutRequest {
            order_id: OrderId::from(Uuid::from_u128(7)),
            order_number: "K7M2XQP".to_owned(),
            attempt: 2,
            lines: vec![Line {
                name: "Spring concert & reception".to_owned(),
                unit_amount: Money::new(1_800, "EUR".parse().unwrap()),
                quantity: 3,
            }],
            buyer_email: Some("ada@example.org".parse().unwrap()),
            language: Some(Language::De),
            paid_url: "https://tickets.example.org/paid?checkout={CHECKOUT_ID}".to_owned(),
            cancelled_url: "https://tickets.example.org/back".to_owned(),
            started_at: "2027-01-11T09:00:00Z".parse().unwrap(),
            expires_at: "2027-01-11T09:15:00Z".parse().unwrap(),
        }
    }

    fn value<'a>(form: &'a Form, name: &str) -> &'a str {
        let found = form.iter().find(|(found, _)| found == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    }

    #[test]
    fn a_checkout_names_the_order_everywhere() {
        let form = checkout_form(&request()).unwrap();
        let order = "ord_00000000000000000000000000000007";
        for name in [
            "client_reference_id",
            "metadata[order_id]",
            "payment_intent_data[metadata][order_id]",
        ] {
            assert_eq!(value(&form, name), order);
        }
        assert_eq!(
            value(&form, "line_items[0][price_data][unit_amount]"),
            "1800"
        );
        assert_eq!(value(&form, "line_items[0][price_data][currency]"), "eur");
        assert!(value(&form, "success_url").ends_with("{CHECKOUT_SESSION_ID}"));
        assert_eq!(form, checkout_form(&request()).unwrap());
    }

    #[test]
    fn a_page_closes_within_stripes_bounds() {
        let mut request = request();
        let started = seconds(request.started_at);
        assert_eq!(closing(&request), started + 35 * 60);
        request.expires_at = request.started_at.plus_seconds(3 * 60 * 60);
        assert_eq!(closing(&request), started + 3 * 60 * 60);
        request.expires_at = request.started_at.plus_seconds(7 * 24 * 60 * 60);
        assert_eq!(closing(&request), started + LONGEST_SECONDS);
    }

    #[test]
    fn nothing_and_negative_lines_are_refused_before_anybody_is_asked() {
        let mut request = request();
        let line = request.lines[0].clone();
        request.lines.clear();
        assert!(checkout_form(&request).unwrap_err().refusal().is_some());
        let off = Money::new(-500, "EUR".parse().unwrap());
        let off = Line {
            unit_amount: off,
            ..line.clone()
        };
        request.lines = vec![line, off];
        let error = checkout_form(&request).unwrap_err();
        let reason = error.refusal().unwrap().reason;
        assert_eq!(reason, Reason::AmountNotPossible);
    }
}
