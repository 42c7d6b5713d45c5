//! A running simulator, an adapter for it, a buyer's browser, and whoever takes the webhooks.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use domain::{Money, OrderId, RefundId, Timestamp};
use payments::{
    Checkout, CheckoutRequest, Line, PaymentReference, Processor as _, RefundRequest, Secret,
    simulator::{Simulator, SimulatorOptions},
    stripe::{Notice, Stripe, StripeOptions, verify},
};
use tokio::net::TcpListener;
use uuid::Uuid;

/// What a test sees.
pub(crate) struct Scene {
    pub(crate) simulator: Simulator,
    pub(crate) stripe: Stripe,
    pub(crate) url: String,
    pub(crate) inbox: Inbox,
    browser: reqwest::Client,
}

/// Webhooks as they came, after their signature was checked.
#[derive(Clone, Default)]
pub(crate) struct Inbox {
    notices: Arc<Mutex<Vec<Notice>>>,
    /// How many are not to be taken.
    refusals: Arc<Mutex<u32>>,
}

impl Inbox {
    pub(crate) fn refuse(&self, count: u32) {
        *self.refusals.lock().unwrap() = count;
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap().clone()
    }

    /// The kinds, as Stripe names them, in the order in which they came.
    pub(crate) fn kinds(&self) -> Vec<String> {
        let kind = |notice: &Notice| notice.raw["type"].as_str().unwrap().to_owned();
        self.notices().iter().map(kind).collect()
    }

    /// Waits until so many have come, and a little longer.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Notice> {
        for _ in 0..500 {
            if self.notices().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let notices = self.notices();
        assert_eq!(notices.len(), count, "{:?}", self.kinds());
        notices
    }
}

async fn take(State(inbox): State<Inbox>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = headers["Stripe-Signature"].to_str().unwrap();
    let secrets = [
        Secret::new("whsec_next"),
        Secret::new(SimulatorOptions::WEBHOOK_SECRET),
    ];
    verify(header, &body, &secrets, Timestamp::now()).unwrap();
    let mut refusals = inbox.refusals.lock().unwrap();
    if *refusals > 0 {
        *refusals -= 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    inbox.notices.lock().unwrap().push(Notice::read(&body));
    StatusCode::OK
}

#[expect(clippy::disallowed_methods, reason = "the runtime of the test ends it")]
fn serve(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut SimulatorOptions)) -> Self {
        let inbox = Inbox::default();
        let hooks = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook_url = format!("http://{}/hook", hooks.local_addr().unwrap());
        let app = Router::new()
            .route("/hook", post(take))
            .with_state(inbox.clone());
        serve(async move { axum::serve(hooks, app).await.unwrap() });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut options = SimulatorOptions::new(&url, Timestamp::now());
        options.webhooks.url = Some(hook_url);
        options.webhooks.backoff_ms = 20;
        change(&mut options);
        let simulator = Simulator::new(options).unwrap();
        let served = simulator.clone();
        serve(async move { served.serve(listener).await.unwrap() });
        Self {
            stripe: adapter(&url, SimulatorOptions::API_KEY),
            browser: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build()
                .unwrap(),
            simulator,
            url,
            inbox,
        }
    }

    /// A checkout of an order.
    pub(crate) async fn checkout(&self, order: u128, amount: Money) -> Checkout {
        let request = request(order, amount);
        self.stripe.create_checkout(&request).await.unwrap()
    }

    /// A payment that was made.
    pub(crate) async fn paid(&self, order: u128, amount: Money) -> PaymentReference {
        let checkout = self.checkout(order, amount).await;
        self.choose(&checkout, "pay").await;
        let paid = self.stripe.get_checkout(&checkout.id).await.unwrap();
        paid.payment.unwrap()
    }

    /// What the buyer sees.
    pub(crate) async fn page(&self, url: &str) -> String {
        let answer = self.browser.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    /// What the buyer presses; where that leads.
    pub(crate) async fn choose(&self, checkout: &Checkout, action: &str) -> String {
        let url = format!("{}/pay/{}/{action}", self.url, checkout.id);
        let answer = self.browser.post(url).send().await.unwrap();
        assert_eq!(answer.status(), 303);
        answer.headers()["Location"].to_str().unwrap().to_owned()
    }
}

pub(crate) fn adapter(url: &str, key: &str) -> Stripe {
    let mut options = StripeOptions::new(Secret::new(key));
    url.clone_into(&mut options.url);
    options.timeout = Duration::from_secs(20);
    Stripe::new(options).unwrap()
}

pub(crate) fn euros(cents: i64) -> Money {
    money(cents, "EUR")
}

pub(crate) fn money(amount: i64, currency: &str) -> Money {
    Money::new(amount, currency.parse().unwrap())
}

pub(crate) fn request(order: u128, amount: Money) -> CheckoutRequest {
    let started_at = Timestamp::now();
    CheckoutRequest {
        order_id: OrderId::from(Uuid::from_u128(order)),
        order_number: "K7M2XQP".to_owned(),
        attempt: 1,
        lines: vec![Line {
            name: "Spring <concert> & more".to_owned(),
            unit_amount: amount,
            quantity: 1,
        }],
        buyer_email: Some("ada@example.org".parse().unwrap()),
        language: None,
        paid_url: "https://tickets.example.org/paid?checkout={CHECKOUT_ID}".to_owned(),
        cancelled_url: "https://tickets.example.org/back?a=1&b=2".to_owned(),
        started_at,
        expires_at: started_at.plus_seconds(15 * 60),
    }
}

pub(crate) fn refund(id: u128, payment: &PaymentReference, amount: Money) -> RefundRequest {
    RefundRequest {
        refund_id: RefundId::from(Uuid::from_u128(id)),
        order_id: OrderId::from(Uuid::from_u128(1)),
        payment: payment.clone(),
        amount,
    }
}
