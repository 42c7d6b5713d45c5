//! From a stream to a complete reply.

use futures_util::StreamExt as _;

use crate::{CallCx, ChatEvent, ChatModel, ChatRequest, ModelError, Reply, Usage};

/// Asks a model and waits for all of its reply, telling of each event as it comes. Whatever ends before
/// [`ChatEvent::Stopped`] is no reply.
pub async fn complete(
    model: &dyn ChatModel,
    request: &ChatRequest,
    call: &CallCx,
    on_event: &mut (dyn FnMut(&ChatEvent) + Send),
) -> Result<Reply, ModelError> {
    let mut stream = model.stream(request, call).await?;
    let mut reply = Gathered::default();
    loop {
        let event = tokio::select! {
            biased;
            () = call.cancel.cancelled() => return Err(ModelError::Cancelled),
            event = stream.next() => event,
        };
        let event = event.ok_or(ModelError::Truncated)??;
        on_event(&event);
        if let Some(reply) = reply.take_in(event) {
            return Ok(reply);
        }
    }
}

#[derive(Default)]
struct Gathered {
    model: String,
    request_id: Option<String>,
    blocks: Vec<crate::Block>,
    usage: Usage,
}

impl Gathered {
    fn take_in(&mut self, event: ChatEvent) -> Option<Reply> {
        match event {
            ChatEvent::Started { model, request_id } => {
                (self.model, self.request_id) = (model, request_id);
            }
            ChatEvent::Block(block) => self.blocks.push(block),
            ChatEvent::Usage(usage) => self.usage = usage,
            ChatEvent::Restarted { .. } => *self = Self::default(),
            ChatEvent::Stopped(stop) => {
                let Self {
                    model,
                    request_id,
                    blocks,
                    usage,
                } = std::mem::take(self);
                return Some(Reply {
                    model,
                    request_id,
                    blocks,
                    stop,
                    usage,
                });
            }
            ChatEvent::Text(_) | ChatEvent::Thinking(_) | ChatEvent::ToolStart { .. } => {}
        }
        None
    }
}
