//! Trying again. Only what has not been answered to the end is tried again, so nothing happens twice.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream};

use crate::{CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelId};

/// The pause before the second try.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// A model that is asked again when another try may help, after a pause that doubles, or as long as the provider says.
pub struct Retrying<M> {
    inner: Arc<M>,
}

impl<M: ChatModel> Retrying<M> {
    /// A model that is tried again as often as the call's patience says.
    pub fn new(inner: M) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl<M: ChatModel> ChatModel for Retrying<M> {
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
            let mut trying = Trying {
                inner: Arc::clone(&self.inner),
                request: request.clone(),
                call: call.clone(),
                attempt: 1,
                stream: None,
            };
            trying.open().await?;
            Ok(trying.events())
        })
    }
}

struct Trying<M> {
    inner: Arc<M>,
    request: ChatRequest,
    call: CallCx,
    attempt: u32,
    stream: Option<ChatStream>,
}

impl<M: ChatModel> Trying<M> {
    /// Begins an attempt, and others as long as they cannot be begun.
    async fn open(&mut self) -> Result<(), ModelError> {
        loop {
            match self.inner.stream(&self.request, &self.call).await {
                Ok(stream) => {
                    self.stream = Some(stream);
                    return Ok(());
                }
                Err(error) => self.pause_after(error).await?,
            }
        }
    }

    /// Waits for the next try; hands the error back when there is none.
    async fn pause_after(&mut self, error: ModelError) -> Result<(), ModelError> {
        if !error.is_retryable() || self.attempt >= self.call.patience.tries {
            return Err(error);
        }
        let pause = pause(&error, self.attempt, &self.call);
        wait(pause, &self.call).await?;
        self.attempt += 1;
        Ok(())
    }

    fn events(self) -> ChatStream {
        Box::pin(stream::unfold(Some(self), |state| async move {
            let mut trying = state?;
            let next = match &mut trying.stream {
                Some(stream) => stream.next().await.unwrap_or(Err(ModelError::Truncated)),
                None => Err(ModelError::Truncated),
            };
            let error = match next {
                Ok(stopped @ ChatEvent::Stopped(_)) => return Some((Ok(stopped), None)),
                Ok(event) => return Some((Ok(event), Some(trying))),
                Err(error) => error,
            };
            let reason = error.to_string();
            trying.stream = None;
            let again = async {
                trying.pause_after(error).await?;
                trying.open().await
            };
            match again.await {
                Ok(()) => {
                    let attempt = trying.attempt;
                    Some((Ok(ChatEvent::Restarted { attempt, reason }), Some(trying)))
                }
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

async fn wait(pause: Duration, call: &CallCx) -> Result<(), ModelError> {
    tokio::select! {
        () = call.cancel.cancelled() => Err(ModelError::Cancelled),
        () = tokio::time::sleep(pause) => Ok(()),
    }
}

/// What the provider says, and a little more so that not everybody comes back at once; else half a second, doubling, of which
/// the last quarter is left to chance.
fn pause(error: &ModelError, attempt: u32, call: &CallCx) -> Duration {
    let longest = call.patience.longest_pause;
    let chance = (call.jitter ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15)) % 1_000;
    if let Some(said) = error.retry_after() {
        return said + Duration::from_millis(20 + chance / 10);
    }
    let doubled = FIRST_PAUSE
        .saturating_mul(1 << (attempt - 1).min(16))
        .min(longest);
    let permille = u32::try_from(750 + chance / 4).unwrap_or(1_000);
    doubled * permille / 1_000
}
