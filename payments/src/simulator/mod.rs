//! A stand-in for Stripe on this machine: the parts of its interface that the adapter uses, a page on which a buyer pays
//! (or is declined, must prove who they are, or goes away), and signed webhooks that arrive twice, late, in any order or
//! never, as they are told to.
//!
//! For development, demonstrations and tests. All it knows is in memory; no money moves.

mod admin;
mod api;
mod deliver;
mod error;
mod form;
mod options;
mod page;
mod shapes;
mod state;
mod telling;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    http::{HeaderMap, header},
    routing::{any, get, post},
};
use domain::Timestamp;
use reqwest::{Client, redirect::Policy};
use tokio::{net::TcpListener, sync::Notify};

use self::{error::ApiError, state::State};
use crate::{Secret, use_ring};

pub use options::{Fault, SimulatorOptions, Webhooks};

/// How long whoever takes a webhook may think about it.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);

/// A stand-in for Stripe. Clones are the same one.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    api_key: Secret,
    webhook_secret: Secret,
    clock: fn() -> Timestamp,
    state: Mutex<State>,
    bell: Notify,
    client: Client,
}

impl Simulator {
    /// Prepares it; nothing listens and nothing is sent yet.
    pub fn new(options: SimulatorOptions) -> Result<Self, reqwest::Error> {
        use_ring();
        let client = Client::builder()
            .timeout(WEBHOOK_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy()
            .user_agent("EventOS simulator of Stripe")
            .build()?;
        let mut state = State::new(options.started_at);
        state.page_url = options.url;
        state.webhooks = options.webhooks.bounded();
        state.refuses_over_refunds = options.refuses_over_refunds;
        Ok(Self(Arc::new(Inner {
            api_key: options.api_key,
            webhook_secret: options.webhook_secret,
            clock: options.clock,
            state: Mutex::new(state),
            bell: Notify::new(),
            client,
        })))
    }

    /// Its routes: `/v1/…`, `/pay/…` and `/_simulator/…`. Webhooks are sent while [`Self::deliver`] runs.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v1/{*path}", any(api::answer))
            .route("/pay/{session}", get(page::checkout))
            .route("/pay/{session}/challenge", get(page::challenge))
            .route("/pay/{session}/{action}", post(page::act))
            .route(
                "/_simulator/webhooks",
                get(admin::get_webhooks).post(admin::set_webhooks),
            )
            .route("/_simulator/faults", post(admin::add_faults))
            .route(
                "/_simulator/refunds/{refund}/fail",
                post(admin::fail_refund),
            )
            .with_state(self.clone())
    }

    /// Sends webhooks, for ever.
    pub async fn deliver(&self) {
        deliver::run(self).await;
    }

    /// Serves on this machine, and sends webhooks, for ever. Refuses to listen to others: whoever reaches it can pay
    /// without money.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        if !listener.local_addr()?.ip().is_loopback() {
            return Err(io::Error::other(
                "the simulator listens on this machine only (127.0.0.1 or ::1)",
            ));
        }
        tokio::select! {
            served = async { axum::serve(listener, self.router()).await } => served,
            () = self.deliver() => Ok(()),
        }
    }

    /// Changes where webhooks go, and how.
    pub fn set_webhooks(&self, webhooks: Webhooks) {
        self.state().webhooks = webhooks.bounded();
    }

    /// Lets the next requests to the interface go wrong, one after the other.
    pub fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug of the simulator; what it knew is still the best there is.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time it is here.
    fn now(&self) -> Timestamp {
        (self.0.clock)()
    }

    /// Lets deliveries be looked at.
    fn ring(&self) {
        self.0.bell.notify_one();
    }

    async fn rung(&self) {
        self.0.bell.notified().await;
    }

    fn client(&self) -> &Client {
        &self.0.client
    }

    fn webhook_secret(&self) -> &Secret {
        &self.0.webhook_secret
    }

    /// Whether a request shows the key.
    fn authorized(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        let shown = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        match shown.and_then(|shown| shown.strip_prefix("Bearer ")) {
            None => Err(ApiError::unauthorized("You did not provide an API key.")),
            Some(key) if key == self.0.api_key.reveal() => Ok(()),
            Some(_) => Err(ApiError::unauthorized("Invalid API Key provided.")),
        }
    }
}
