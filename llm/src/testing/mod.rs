//! Stand-ins: a model with a script, and a server that speaks a provider's wire, faults included.

pub mod fake;
pub mod script;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{future::BoxFuture, stream};

use crate::{
    Block, CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelId, Stop,
    StopReason, Usage,
};

/// What a reply consists of, or why there is none.
pub type Scripted = Result<Vec<Block>, ModelError>;

/// A model that says what it was told to, in order, and remembers what it was asked.
#[derive(Clone)]
pub struct ScriptedModel {
    id: ModelId,
    replies: Arc<Mutex<VecDeque<Scripted>>>,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

impl ScriptedModel {
    /// A model with these replies.
    pub fn new(replies: impl IntoIterator<Item = Scripted>) -> Self {
        let id = ModelId {
            provider: "scripted".to_owned(),
            model: "script".to_owned(),
        };
        Self {
            id,
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<ChatRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Words.
pub fn says(text: &str) -> Block {
    Block::Text {
        text: text.to_owned(),
    }
}

/// A call.
pub fn calls(id: &str, name: &str, args: serde_json::Value) -> Block {
    Block::ToolUse {
        id: id.to_owned(),
        name: name.to_owned(),
        args,
        raw: None,
    }
}

impl ChatModel for ScriptedModel {
    fn id(&self) -> &ModelId {
        &self.id
    }

    fn caps(&self) -> Caps {
        Caps {
            tools: true,
            json_schema: true,
            cache: false,
            context: 100_000,
            max_output: 8_000,
        }
    }

    fn stream<'a>(
        &'a self,
        request: &'a ChatRequest,
        _: &'a CallCx,
    ) -> BoxFuture<'a, Result<ChatStream, ModelError>> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(request.clone());
        let mut replies = self.replies.lock().unwrap_or_else(PoisonError::into_inner);
        let reply = replies.pop_front();
        Box::pin(async move {
            let over = || ModelError::NotConfigured("The script has ended.".to_owned());
            let blocks = reply.ok_or_else(over)??;
            Ok(Box::pin(stream::iter(events(blocks).into_iter().map(Ok))) as ChatStream)
        })
    }
}

fn events(blocks: Vec<Block>) -> Vec<ChatEvent> {
    let mut events = vec![ChatEvent::Started {
        model: "script".to_owned(),
        request_id: None,
    }];
    let mut reason = StopReason::EndTurn;
    for block in blocks {
        match &block {
            Block::Text { text } => {
                let words = text.split_inclusive(' ');
                events.extend(words.map(|word| ChatEvent::Text(word.to_owned())));
            }
            Block::ToolUse { id, name, .. } => {
                reason = StopReason::ToolUse;
                let (id, name) = (id.clone(), name.clone());
                events.push(ChatEvent::ToolStart { id, name });
            }
            Block::ToolResult { .. } | Block::Opaque { .. } => {}
        }
        events.push(ChatEvent::Block(block));
    }
    let usage = Usage {
        input: 100,
        output: 20,
        ..Usage::default()
    };
    events.push(ChatEvent::Usage(usage));
    events.push(ChatEvent::Stopped(Stop {
        reason,
        details: None,
    }));
    events
}
