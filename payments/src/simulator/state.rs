//! What the simulated Stripe knows and its rules: checkouts, payments, refunds, and what it tells of them.
//!
//! Nothing here waits: every request changes the state in one piece, under one lock.

use std::collections::{BTreeMap, HashMap, VecDeque};

use axum::http::StatusCode;
use domain::{Currency, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{
    error::ApiError,
    options::{Fault, Webhooks},
    shapes,
    telling::{Asked, Delivery, Notice, Told},
};

/// A checkout's page is open for at least half an hour and at most a day.
const SHORTEST_SECONDS: i64 = 30 * 60;
const LONGEST_SECONDS: i64 = 24 * 60 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionStatus {
    Open,
    Complete,
    Expired,
}

#[derive(Debug, Clone)]
pub(super) struct LineItem {
    pub(super) name: String,
    pub(super) unit_amount: i64,
    pub(super) quantity: i64,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) status: SessionStatus,
    pub(super) currency: Currency,
    pub(super) lines: Vec<LineItem>,
    pub(super) total: i64,
    pub(super) reference: Option<String>,
    pub(super) email: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) success_url: String,
    pub(super) cancel_url: String,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) payment_metadata: BTreeMap<String, String>,
    pub(super) description: Option<String>,
    pub(super) created: i64,
    pub(super) expires_at: i64,
    pub(super) payment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PaymentStatus {
    RequiresPaymentMethod,
    RequiresAction,
    Succeeded,
    Canceled,
}

/// Why a card said no: code, decline code and words.
pub(super) type CardError = (&'static str, &'static str, &'static str);

/// What a card without money answers.
pub(super) const DECLINED: CardError = (
    "card_declined",
    "generic_decline",
    "Your card was declined.",
);
/// What a payment ends with whose buyer failed the bank's question.
pub(super) const NOT_AUTHENTICATED: CardError = (
    "payment_intent_authentication_failure",
    "authentication_required",
    "The provided payment method has failed authentication. You can provide payment_method_data or a new payment method to attempt to fulfill this payment again.",
);

#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) status: PaymentStatus,
    pub(super) amount: i64,
    pub(super) refunded: i64,
    pub(super) currency: Currency,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) description: Option<String>,
    pub(super) created: i64,
    pub(super) charge: Option<String>,
    pub(super) error: Option<CardError>,
}

#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) payment: String,
    pub(super) charge: String,
    pub(super) amount: i64,
    pub(super) currency: Currency,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) reason: Option<String>,
    pub(super) created: i64,
    pub(super) failure: Option<&'static str>,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) fingerprint: String,
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

#[derive(Default)]
pub(super) struct State {
    seed: i64,
    counter: u64,
    pub(super) page_url: String,
    pub(super) refuses_over_refunds: bool,
    pub(super) webhooks: Webhooks,
    pub(super) faults: VecDeque<Fault>,
    pub(super) kept: HashMap<String, Kept>,
    pub(super) sessions: HashMap<String, Session>,
    pub(super) payments: HashMap<String, Payment>,
    pub(super) refunds: Vec<Refund>,
    pub(super) notices: Vec<Notice>,
    pub(super) queue: Vec<Delivery>,
}

impl State {
    /// Nothing yet. The seed makes ids differ from those of an earlier run.
    pub(super) fn new(seed: Timestamp) -> Self {
        Self {
            seed: seed.as_microseconds(),
            refuses_over_refunds: true,
            ..Self::default()
        }
    }

    pub(super) fn new_id(&mut self, prefix: &str, length: usize) -> String {
        const ALPHABET: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.counter += 1;
        let digest = Sha256::digest(format!("{}:{}", self.seed, self.counter));
        let tail: String = digest
            .iter()
            .cycle()
            .take(length)
            .enumerate()
            // The second time round, neighbours are swapped into other letters, so that long ids do not repeat.
            .map(|(at, byte)| char::from(ALPHABET[(usize::from(*byte) + at / 32 * 31) % 62]))
            .collect();
        format!("{prefix}{tail}")
    }

    pub(super) fn session(&self, id: &str) -> Result<&Session, ApiError> {
        let found = self.sessions.get(id);
        found.ok_or_else(|| ApiError::not_found("checkout.session", id, "session"))
    }

    pub(super) fn payment(&self, id: &str) -> Result<&Payment, ApiError> {
        let found = self.payments.get(id);
        found.ok_or_else(|| ApiError::not_found("payment_intent", id, "payment_intent"))
    }

    pub(super) fn refund(&self, id: &str) -> Result<&Refund, ApiError> {
        let found = self.refunds.iter().find(|refund| refund.id == id);
        found.ok_or_else(|| ApiError::not_found("refund", id, "refund"))
    }

    /// Opens a checkout whose lines and addresses were read already.
    pub(super) fn open(
        &mut self,
        mut session: Session,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let now = seconds(now);
        let life = session.expires_at - now;
        if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&life) {
            let message = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.";
            return Err(ApiError::refused(message).at("expires_at"));
        }
        session.created = now;
        session.id = self.new_id("cs_test_a1", 56);
        let id = session.id.clone();
        self.sessions.insert(id.clone(), session);
        Ok(id)
    }

    /// The buyer paid.
    pub(super) fn pay(&mut self, session: &str, now: Timestamp) -> Result<(), ApiError> {
        let (payment, mut told) = self.attempt(session, now)?;
        let charge = self.new_id("ch_3", 23);
        let paid = self.payment_mut(&payment);
        paid.status = PaymentStatus::Succeeded;
        paid.charge = Some(charge);
        paid.error = None;
        if let Some(session) = self.sessions.get_mut(session) {
            session.status = SessionStatus::Complete;
        }
        told.push(("charge.succeeded", self.charge_json(&payment)));
        told.push((
            "payment_intent.succeeded",
            self.payment_json(&payment, false),
        ));
        told.push(("checkout.session.completed", self.session_json(session)));
        self.tell(told, &Asked::default(), now);
        Ok(())
    }

    /// The card, or the bank behind it, said no; the buyer may try again.
    pub(super) fn decline(
        &mut self,
        session: &str,
        error: CardError,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let (payment, mut told) = self.attempt(session, now)?;
        let failed = self.payment_mut(&payment);
        failed.status = PaymentStatus::RequiresPaymentMethod;
        failed.error = Some(error);
        told.push((
            "payment_intent.payment_failed",
            self.payment_json(&payment, false),
        ));
        self.tell(told, &Asked::default(), now);
        Ok(())
    }

    /// The bank wants to know who is paying.
    pub(super) fn challenge(&mut self, session: &str, now: Timestamp) -> Result<(), ApiError> {
        let (payment, mut told) = self.attempt(session, now)?;
        self.payment_mut(&payment).status = PaymentStatus::RequiresAction;
        told.push((
            "payment_intent.requires_action",
            self.payment_json(&payment, false),
        ));
        self.tell(told, &Asked::default(), now);
        Ok(())
    }

    /// The payment of an open checkout, made at the first try; and what to tell of that.
    fn attempt(&mut self, session: &str, now: Timestamp) -> Result<(String, Told), ApiError> {
        self.sweep(now);
        let session = self.session(session)?.clone();
        if session.status != SessionStatus::Open {
            return Err(ApiError::refused("This checkout is no longer open."));
        }
        if let Some(payment) = session.payment {
            return Ok((payment, Vec::new()));
        }
        let payment = Payment {
            id: self.new_id("pi_3", 23),
            status: PaymentStatus::RequiresPaymentMethod,
            amount: session.total,
            refunded: 0,
            currency: session.currency,
            metadata: session.payment_metadata,
            description: session.description,
            created: seconds(now),
            charge: None,
            error: None,
        };
        let id = payment.id.clone();
        self.payments.insert(id.clone(), payment);
        if let Some(session) = self.sessions.get_mut(&session.id) {
            session.payment = Some(id.clone());
        }
        let told = vec![("payment_intent.created", self.payment_json(&id, false))];
        Ok((id, told))
    }

    /// Closes an open checkout before its time.
    pub(super) fn expire(
        &mut self,
        id: &str,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        self.sweep(now);
        let status = self.session(id)?.status;
        if status != SessionStatus::Open {
            let status = shapes::session_status(status);
            return Err(ApiError::refused(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{status}`."
            )));
        }
        self.close(id, asked, now);
        Ok(())
    }

    /// Closes the checkouts whose time is over.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        let over = |session: &&Session| {
            session.status == SessionStatus::Open && session.expires_at <= seconds(now)
        };
        let mut over: Vec<String> = self
            .sessions
            .values()
            .filter(over)
            .map(|session| session.id.clone())
            .collect();
        over.sort();
        for id in over {
            self.close(&id, &Asked::default(), now);
        }
    }

    fn close(&mut self, id: &str, asked: &Asked, now: Timestamp) {
        let mut payment = None;
        if let Some(session) = self.sessions.get_mut(id) {
            session.status = SessionStatus::Expired;
            payment.clone_from(&session.payment);
        }
        let mut told = Vec::new();
        if let Some(payment) = payment {
            self.payment_mut(&payment).status = PaymentStatus::Canceled;
            told.push((
                "payment_intent.canceled",
                self.payment_json(&payment, false),
            ));
        }
        told.push(("checkout.session.expired", self.session_json(id)));
        self.tell(told, asked, now);
    }

    /// Gives money back, but never more than is left.
    pub(super) fn give_back(
        &mut self,
        mut refund: Refund,
        amount: Option<i64>,
        asked: &Asked,
        now: Timestamp,
    ) -> Result<String, ApiError> {
        let payment = self.payment(&refund.payment)?.clone();
        let (PaymentStatus::Succeeded, Some(charge)) = (payment.status, payment.charge.clone())
        else {
            return Err(ApiError::refused(format!(
                "This PaymentIntent ({}) does not have a successful charge to refund.",
                payment.id
            )));
        };
        let left = payment.amount - payment.refunded;
        if left == 0 && self.refuses_over_refunds {
            let message = format!("Charge {charge} has already been refunded.");
            return Err(ApiError::refused(message).with_code("charge_already_refunded"));
        }
        let amount = amount.unwrap_or(left);
        shapes::check_amount(amount, payment.currency)?;
        if amount > left && self.refuses_over_refunds {
            // Stripe gives this one no code.
            let message = format!(
                "Refund amount ({}) is greater than unrefunded amount on charge ({})",
                shapes::readable(amount, payment.currency),
                shapes::readable(left, payment.currency)
            );
            return Err(ApiError::refused(message).at("amount"));
        }
        refund.id = self.new_id("re_3", 23);
        refund.amount = amount;
        refund.charge = charge;
        refund.currency = payment.currency;
        refund.created = seconds(now);
        let id = refund.id.clone();
        self.refunds.push(refund);
        self.payment_mut(&payment.id).refunded += amount;
        let told = vec![
            ("refund.created", self.refund_json(&id)),
            ("charge.refunded", self.charge_json(&payment.id)),
        ];
        self.tell(told, asked, now);
        Ok(id)
    }

    /// The buyer's bank sends a refund back.
    pub(super) fn fail_refund(&mut self, id: &str, now: Timestamp) -> Result<(), ApiError> {
        self.refund(id)?;
        let found = self
            .refunds
            .iter_mut()
            .find(|refund| refund.id == id && refund.failure.is_none());
        let Some(refund) = found else {
            return Err(ApiError::refused("This refund has failed already."));
        };
        refund.failure = Some("lost_or_stolen_card");
        let (payment, amount) = (refund.payment.clone(), refund.amount);
        self.payment_mut(&payment).refunded -= amount;
        let json = self.refund_json(id);
        let told = vec![("refund.updated", json.clone()), ("refund.failed", json)];
        self.tell(told, &Asked::default(), now);
        Ok(())
    }

    fn payment_mut(&mut self, id: &str) -> &mut Payment {
        self.payments
            .get_mut(id)
            .expect("payments are never taken out")
    }

    pub(super) fn session_json(&self, id: &str) -> Value {
        shapes::session(&self.sessions[id], &self.page_url)
    }

    pub(super) fn payment_json(&self, id: &str, expand_charge: bool) -> Value {
        let payment = &self.payments[id];
        let mut json = shapes::payment(payment);
        if expand_charge && payment.charge.is_some() {
            json["latest_charge"] = self.charge_json(id);
        }
        json
    }

    fn charge_json(&self, payment: &str) -> Value {
        shapes::charge(&self.payments[payment])
    }

    pub(super) fn refund_json(&self, id: &str) -> Value {
        let refund = self.refunds.iter().find(|refund| refund.id == id);
        refund.map(shapes::refund).unwrap_or_default()
    }
}

pub(super) fn seconds(now: Timestamp) -> i64 {
    now.as_microseconds().div_euclid(1_000_000)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn now() -> Timestamp {
        "2027-01-11T09:00:00Z".parse().unwrap()
    }

    pub(crate) fn opened(state: &mut State) -> String {
        let session = Session {
            id: String::new(),
            status: SessionStatus::Open,
            currency: "EUR".parse().unwrap(),
            lines: Vec::new(),
            total: 3_600,
            reference: None,
            email: None,
            locale: None,
            success_url: "https://example.org".to_owned(),
            cancel_url: "https://example.org".to_owned(),
            metadata: BTreeMap::new(),
            payment_metadata: BTreeMap::new(),
            description: None,
            created: 0,
            expires_at: seconds(now()) + SHORTEST_SECONDS,
            payment: None,
        };
        state.open(session, now()).unwrap()
    }

    fn kinds(state: &State) -> Vec<&str> {
        state
            .notices
            .iter()
            .map(|notice| notice.kind.as_str())
            .collect()
    }

    #[test]
    fn a_page_closes_when_its_time_is_over() {
        let mut state = State::new(now());
        let id = opened(&mut state);
        state.sweep(now().plus_seconds(SHORTEST_SECONDS - 1));
        assert_eq!(state.sessions[&id].status, SessionStatus::Open);
        let late = now().plus_seconds(SHORTEST_SECONDS);
        assert!(state.pay(&id, late).is_err());
        assert_eq!(state.sessions[&id].status, SessionStatus::Expired);
        assert_eq!(kinds(&state), ["checkout.session.expired"]);
    }

    #[test]
    fn a_buyer_may_try_again_on_the_same_payment() {
        let mut state = State::new(now());
        let id = opened(&mut state);
        state.decline(&id, DECLINED, now()).unwrap();
        let payment = state.sessions[&id].payment.clone().unwrap();
        assert!(state.payments[&payment].error.is_some());
        state.challenge(&id, now()).unwrap();
        state.pay(&id, now()).unwrap();
        assert_eq!(state.sessions[&id].payment, Some(payment));
        assert_eq!(state.payments.len(), 1);
        assert!(state.pay(&id, now()).is_err());
        assert_eq!(
            kinds(&state),
            [
                "payment_intent.created",
                "payment_intent.payment_failed",
                "payment_intent.requires_action",
                "charge.succeeded",
                "payment_intent.succeeded",
                "checkout.session.completed",
            ]
        );
    }

    #[test]
    fn ids_differ() {
        let mut state = State::new(now());
        let ids: std::collections::HashSet<String> =
            (0..1_000).map(|_| state.new_id("cs_test_a1", 56)).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 66));
        assert_ne!(
            State::new(now()).new_id("x", 9),
            State::new(now().plus_seconds(1)).new_id("x", 9)
        );
    }
}
