//! Writing down what each attempt costs: the most it may cost before it is made, what it did cost after.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use uuid::Uuid;

use crate::{
    CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelId, Prices, Usage,
};

/// Where costs are written down.
pub trait Ledger: Send + Sync + 'static {
    /// Reserves the most that an attempt may cost, in millionths of a US dollar; refused beyond a budget.
    fn reserve<'a>(
        &'a self,
        call: &'a CallCx,
        model: &'a ModelId,
        worst: i64,
    ) -> BoxFuture<'a, Result<Line, ModelError>>;

    /// Writes down how an attempt ended.
    fn settle<'a>(
        &'a self,
        call: &'a CallCx,
        line: Line,
        settled: Settled,
    ) -> BoxFuture<'a, Result<(), ModelError>>;
}

/// An attempt that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line(pub Uuid);

/// How an attempt ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settled {
    /// The model as the provider names it.
    pub served_model: Option<String>,
    /// The provider's name for the call.
    pub request_id: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// What it cost; nothing when that cannot be known, and then what was reserved counts.
    pub cost: Option<i64>,
    /// Why it stopped, or `error: ` and what went wrong.
    pub outcome: String,
    /// Milliseconds in all.
    pub took_ms: u64,
    /// Milliseconds until the first word.
    pub first_token_ms: Option<u64>,
}

/// A model whose attempts are written down. It stands below retries: each attempt is one line.
pub struct Metered<M> {
    inner: M,
    prices: Arc<Prices>,
    ledger: Arc<dyn Ledger>,
}

impl<M: ChatModel> Metered<M> {
    /// A model, what it costs, and where that is written down.
    pub fn new(inner: M, prices: Arc<Prices>, ledger: Arc<dyn Ledger>) -> Self {
        Self {
            inner,
            prices,
            ledger,
        }
    }
}

impl<M: ChatModel> ChatModel for Metered<M> {
    fn id(&self) -> &ModelId {
        self.inner.id()
    }

    fn caps(&self) -> Caps {
        self.inner.caps()
    }

    fn stream<'a>(
        &'a self,
        request: &'a ChatRequest,
        call: &'a CallCx,
    ) -> BoxFuture<'a, Result<ChatStream, ModelError>> {
        Box::pin(async move {
            let id = self.inner.id();
            let worst = self.prices.worst(id, &call.today, request);
            let worst = worst.ok_or_else(|| ModelError::PriceUnknown(id.clone()))?;
            let line = self.ledger.reserve(call, id, worst).await?;
            let meter = Meter {
                ledger: Arc::clone(&self.ledger),
                prices: Arc::clone(&self.prices),
                model: id.clone(),
                call: call.clone(),
                line,
                begun: Instant::now(),
                settled: Settled::default(),
            };
            match self.inner.stream(request, call).await {
                Ok(stream) => Ok(meter.watch(stream)),
                Err(error) => {
                    meter.end(&Err(error.clone())).await?;
                    Err(error)
                }
            }
        })
    }
}

struct Meter {
    ledger: Arc<dyn Ledger>,
    prices: Arc<Prices>,
    model: ModelId,
    call: CallCx,
    line: Line,
    begun: Instant,
    settled: Settled,
}

impl Meter {
    /// The same stream; its last event is given out once the attempt is settled.
    fn watch(self, stream: ChatStream) -> ChatStream {
        let state = Some((self, stream));
        Box::pin(stream::unfold(state, |state| async move {
            let (mut meter, mut stream) = state?;
            let event = stream.next().await.unwrap_or(Err(ModelError::Truncated));
            meter.note(&event);
            let is_last = matches!(event, Ok(ChatEvent::Stopped(_)) | Err(_));
            if !is_last {
                return Some((event, Some((meter, stream))));
            }
            let outcome = match &event {
                Ok(ChatEvent::Stopped(stop)) => Ok(format!("{:?}", stop.reason)),
                Err(error) => Err(error.clone()),
                Ok(_) => Ok(String::new()),
            };
            match meter.end(&outcome).await {
                Ok(()) => Some((event, None)),
                Err(error) => Some((Err(error), None)),
            }
        }))
    }

    fn note(&mut self, event: &Result<ChatEvent, ModelError>) {
        match event {
            Ok(ChatEvent::Started { model, request_id }) => {
                self.settled.served_model = Some(model.clone());
                self.settled.request_id.clone_from(request_id);
            }
            Ok(ChatEvent::Usage(usage)) => self.settled.usage = *usage,
            Ok(ChatEvent::Text(_) | ChatEvent::Thinking(_) | ChatEvent::ToolStart { .. })
                if self.settled.first_token_ms.is_none() =>
            {
                let elapsed = u64::try_from(self.begun.elapsed().as_millis());
                self.settled.first_token_ms = elapsed.ok();
            }
            _ => {}
        }
    }

    async fn end(self, outcome: &Result<String, ModelError>) -> Result<(), ModelError> {
        let mut settled = self.settled;
        settled.took_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let has_begun = settled.served_model.is_some();
        settled.outcome = match outcome {
            Ok(reason) => reason.clone(),
            Err(error) => format!("error: {error}"),
        };
        // What the provider refused before it began costs nothing; what broke off costs what was used until then, which
        // only the provider knows: then what was reserved counts.
        settled.cost = match (outcome, has_begun) {
            (Ok(_), _) => self
                .prices
                .cost(&self.model, &self.call.today, &settled.usage),
            (Err(_), false) => Some(0),
            (Err(_), true) => None,
        };
        self.ledger.settle(&self.call, self.line, settled).await
    }
}
