//! The one door: every surface runs operations through [`App::run`].

use std::{num::NonZeroU32, sync::Arc, time::Instant};

use domain::{Actor, Cx, Facts, Fault, FaultKind, FaultSpec, Permission, context::Mode};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use payments::Processor;
use sha2::{Digest, Sha256};
use store::{Remembered, Sessions, Store, StoreError};
use tracing::Instrument as _;

use crate::{
    buyers::OrderPages,
    holds::HoldTickets,
    operation::{Effect, Operation},
    orders::PlaceOrder,
    together::Counters,
};

/// Limits on what one actor may ask for, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Operations per minute and actor; 0 for no limit.
    pub operations_per_minute: u32,
    /// How many of them may come at once.
    pub burst: u32,
    /// How many minutes places are kept for somebody who buys.
    pub hold_minutes: u32,
    /// The most holds, or orders, of one event that share a transaction; 1 for a transaction each.
    pub most_together: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            operations_per_minute: 1_200,
            burst: 300,
            hold_minutes: 15,
            // Enough to make the commit cheap for each, few enough to be over soon.
            most_together: 64,
        }
    }
}

impl Options {
    /// For callers of our own: as many operations as they like.
    pub fn unlimited() -> Self {
        Self {
            operations_per_minute: 0,
            ..Self::default()
        }
    }
}

/// How orders are paid without the organizer: a processor, and where it sends buyers back to.
#[derive(Clone)]
pub struct Payments {
    /// Who is asked for pages and refunds.
    pub processor: Arc<dyn Processor>,
    /// The pages of orders.
    pub return_to: OrderPages,
}

/// EventOS: a store and the rules.
#[derive(Clone)]
pub struct App {
    store: Store,
    limiter: Option<Arc<DefaultKeyedRateLimiter<String>>>,
    hold_minutes: u32,
    most_together: u16,
    holds: Counters<HoldTickets>,
    orders: Counters<PlaceOrder>,
    payments: Option<Payments>,
    key: Option<[u8; 32]>,
}

impl App {
    /// EventOS on a store.
    pub fn new(store: Store, options: Options) -> Self {
        let limiter = NonZeroU32::new(options.operations_per_minute).map(|per_minute| {
            let burst = NonZeroU32::new(options.burst).unwrap_or(NonZeroU32::MIN);
            Arc::new(RateLimiter::keyed(
                Quota::per_minute(per_minute).allow_burst(burst),
            ))
        });
        Self {
            store,
            limiter,
            hold_minutes: options.hold_minutes,
            most_together: options.most_together.max(1),
            holds: Counters::default(),
            orders: Counters::default(),
            payments: None,
            key: None,
        }
    }

    /// The same with the server's own key, which codes worth money are made with.
    #[must_use]
    pub fn with_key(mut self, key: [u8; 32]) -> Self {
        self.key = Some(key);
        self
    }

    /// The server's own key, if this program has it.
    pub(crate) fn key(&self) -> Option<&[u8; 32]> {
        self.key.as_ref()
    }

    /// The same with a processor that orders are paid through.
    #[must_use]
    pub fn with_payments(mut self, payments: Option<Payments>) -> Self {
        self.payments = payments;
        self
    }

    /// How orders are paid without the organizer; none if that is not set up.
    pub(crate) fn payments(&self) -> Option<&Payments> {
        self.payments.as_ref()
    }

    /// The same with other limits.
    #[cfg(test)]
    pub(crate) fn limited(&self, options: Options) -> Self {
        Self::new(self.store.clone(), options)
    }

    /// The same on another store: that of a transaction which several operations share.
    pub(crate) fn on(&self, store: Store) -> Self {
        Self {
            store,
            ..self.clone()
        }
    }

    /// Where operations open their transactions.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Where people queue up for places.
    pub(crate) fn holds(&self) -> &Counters<HoldTickets> {
        &self.holds
    }

    /// Where they queue up to order.
    pub(crate) fn orders(&self) -> &Counters<PlaceOrder> {
        &self.orders
    }

    /// The most holds, or orders, of one event that share a transaction.
    pub(crate) fn most_together(&self) -> usize {
        usize::from(self.most_together)
    }

    /// How many minutes places are kept for somebody who buys.
    pub(crate) fn hold_minutes(&self) -> u32 {
        self.hold_minutes
    }

    /// Where surfaces keep their clients' sessions.
    pub fn sessions(&self) -> Sessions {
        self.store.sessions()
    }

    /// Whether the database answers: its version.
    pub async fn ping(&self) -> Result<String, StoreError> {
        self.store.ping().await
    }

    /// The end of the change feed; see [`Store::feed_position`].
    pub async fn feed_position(&self) -> Result<i64, StoreError> {
        self.store.feed_position().await
    }

    /// What changed behind a position of the feed; see [`Store::changes_after`].
    pub async fn changes_after(
        &self,
        position: i64,
    ) -> Result<(Vec<store::Seen>, i64), StoreError> {
        self.store.changes_after(position).await
    }

    /// Runs an operation: permission, rate limit, idempotency, the operation itself, one line in the log.
    pub async fn run<O: Operation>(
        &self,
        cx: &Cx,
        input: O,
    ) -> Result<O::Output, RunError<O::Error>> {
        let span = tracing::info_span!(
            "operation",
            operation.name = O::NAME,
            organization.id = %cx.organization_id,
            request.id = %cx.request_id.simple(),
        );
        let started = Instant::now();
        let outcome = self.run_checked(cx, input).instrument(span.clone()).await;
        let _entered = span.enter();
        let duration_ms = started.elapsed().as_secs_f64() * 1_000.0;
        match &outcome {
            Ok(_) if duration_ms > SLOW => tracing::warn!(duration_ms, "Operation done, slowly"),
            Ok(_) => tracing::debug!(duration_ms, "Operation done"),
            Err(error) => log_refusal(error, duration_ms),
        }
        outcome
    }

    /// Counts a request of a caller; whether it is one too many.
    pub(crate) fn is_over_limit(&self, caller: &str) -> bool {
        let limiter = self.limiter.as_ref();
        limiter.is_some_and(|limiter| limiter.check_key(&caller.to_owned()).is_err())
    }

    async fn run_checked<O: Operation>(
        &self,
        cx: &Cx,
        input: O,
    ) -> Result<O::Output, RunError<O::Error>> {
        if !cx.may(O::NEEDS) {
            return Err(RunError::Forbidden {
                operation: O::NAME,
                needs: O::NEEDS,
            });
        }
        // Nothing tells one buyer from another here: where they come in, they are limited by their address.
        if cx.actor != Actor::Buyer && self.is_over_limit(&cx.actor.key()) {
            return Err(RunError::Limited);
        }
        let mut cx = cx.clone();
        cx.operation = O::NAME;
        if O::EFFECT == Effect::Read {
            cx.mode = Mode::ReadOnly;
        }
        if cx.mode != Mode::Live {
            cx.idempotency = None;
        }
        if let Some(idempotency) = &mut cx.idempotency {
            let key = &idempotency.key;
            if !(1..=200).contains(&key.chars().count()) || key.contains(char::is_control) {
                return Err(RunError::KeyMalformed);
            }
            let canonical = serde_json::to_vec(&input).expect("a command is plain data");
            idempotency.input = Sha256::digest(canonical).into();
        }
        if let Some(answer) = self.remembered::<O>(&cx).await? {
            return Ok(answer);
        }
        let error = match input.run(self, &cx).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        // Another attempt under the same key may have been faster, and taken what this one is refused. Then it is
        // the answer, whatever this one ran into.
        match self.remembered::<O>(&cx).await {
            Ok(Some(answer)) => Ok(answer),
            Err(bound @ (RunError::KeyReused | RunError::AnswerHidden)) => Err(bound),
            Ok(None) | Err(_) => Err(RunError::Operation(error)),
        }
    }

    async fn remembered<O: Operation>(
        &self,
        cx: &Cx,
    ) -> Result<Option<O::Output>, RunError<O::Error>> {
        let Some(idempotency) = &cx.idempotency else {
            return Ok(None);
        };
        match self.store.read(cx).await?.remembered(idempotency).await? {
            Remembered::Nothing => Ok(None),
            Remembered::Answer(answer) => Ok(Some(answer)),
            Remembered::OtherRequest => Err(RunError::KeyReused),
            Remembered::Hidden => Err(RunError::AnswerHidden),
        }
    }
}

/// Milliseconds beyond which an operation is worth a line in the log.
const SLOW: f64 = 1_000.0;

/// Logs a refusal once: defects with their whole chain, the caller's own mistakes in one word.
fn log_refusal<E: Fault>(error: &RunError<E>, duration_ms: f64) {
    let spec = error.spec();
    if matches!(spec.kind, FaultKind::Internal | FaultKind::Unavailable) {
        let mut chain = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            chain = format!("{chain}: {cause}");
            source = cause.source();
        }
        tracing::error!(
            duration_ms,
            code = spec.code,
            error = chain,
            "Operation failed"
        );
    } else if spec.kind == FaultKind::Forbidden {
        tracing::warn!(duration_ms, code = spec.code, "Operation refused");
    } else {
        tracing::debug!(duration_ms, code = spec.code, "Operation refused");
    }
}

/// Why an operation did not run, or how it refused.
#[derive(Debug, thiserror::Error)]
pub enum RunError<E: Fault> {
    /// The caller lacks the permission.
    #[error("{operation} needs the permission {needs}, which this connection does not have")]
    Forbidden {
        /// What was asked for.
        operation: &'static str,
        /// What it needs.
        needs: Permission,
    },
    /// Too many operations in a short time.
    #[error("too many requests in a short time")]
    Limited,
    /// The idempotency key was used for something else.
    #[error("this idempotency key was used before, for a different request")]
    KeyReused,
    /// The request was answered before, to a caller who could see personal data then.
    #[error(
        "this was done before under the same idempotency key, and its answer has personal data that this connection \
         may not see"
    )]
    AnswerHidden,
    /// The idempotency key is empty, too long or not readable.
    #[error("an idempotency key has 1 to 200 characters, none of them a control character")]
    KeyMalformed,
    /// The store failed before the operation began.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operation's own refusal.
    #[error(transparent)]
    Operation(E),
}

const FORBIDDEN: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "forbidden",
    "Ask an owner of the organization for a token with this scope, or for the thing to be done.",
);
const LIMITED: FaultSpec = FaultSpec::new(
    FaultKind::Limited,
    "rate_limited",
    "Wait a few seconds, then go on more slowly.",
);
const KEY_REUSED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "idempotency_key_reused",
    "Use a new key for a new request.",
);
const ANSWER_HIDDEN: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "answer_hidden",
    "Do not repeat it under another key; look at what was done with a get or list tool.",
);
const KEY_MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "idempotency_key_malformed",
    "Use a short random key, such as a UUID.",
);

/// Every refusal that all operations share.
pub fn shared_specs() -> Vec<FaultSpec> {
    RunError::<StoreError>::specs()
}

impl<E: Fault> Fault for RunError<E> {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![FORBIDDEN, LIMITED, KEY_REUSED, ANSWER_HIDDEN, KEY_MALFORMED];
        specs.extend(StoreError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Forbidden { .. } => FORBIDDEN.into(),
            Self::Limited => LIMITED.into(),
            Self::KeyReused => KEY_REUSED.into(),
            Self::AnswerHidden => ANSWER_HIDDEN.into(),
            Self::KeyMalformed => KEY_MALFORMED.into(),
            Self::Store(error) => error.facts(),
            Self::Operation(error) => error.facts(),
        }
    }
}
