//! What is asked of a model, and what comes back, in the words of no provider.

use std::{fmt, str::FromStr, time::Duration};

use futures_util::{future::BoxFuture, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ModelError;

/// A provider and one of its models, written `anthropic/claude-sonnet-5-5`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelId {
    /// Who runs it.
    pub provider: String,
    /// The provider's name for it.
    pub model: String,
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl FromStr for ModelId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((provider, model)) if !provider.is_empty() && !model.is_empty() => Ok(Self {
                provider: provider.to_owned(),
                model: model.to_owned(),
            }),
            _ => Err(format!(
                "{text:?} is no model; write provider/model, such as anthropic/claude-sonnet-5-5"
            )),
        }
    }
}

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Calls tools.
    pub tools: bool,
    /// Keeps to an output schema.
    pub json_schema: bool,
    /// Remembers a prefix at a lower price.
    pub cache: bool,
    /// The window, in tokens.
    pub context: u64,
    /// The most it writes at once, in tokens.
    pub max_output: u32,
}

/// A language model.
pub trait ChatModel: Send + Sync + 'static {
    /// Which one.
    fn id(&self) -> &ModelId;
    /// What it can do.
    fn caps(&self) -> Caps;
    /// Asks it. The stream ends with [`ChatEvent::Stopped`], or is no reply.
    fn stream<'a>(
        &'a self,
        request: &'a ChatRequest,
        call: &'a CallCx,
    ) -> BoxFuture<'a, Result<ChatStream, ModelError>>;
}

/// A reply as it comes.
pub type ChatStream = BoxStream<'static, Result<ChatEvent, ModelError>>;

/// What is asked. There is no temperature: newer models refuse it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// Who the model is and what it keeps to.
    pub system: Vec<SystemBlock>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// What was said, oldest first.
    pub messages: Vec<Message>,
    /// Whether it must call something.
    pub tool_choice: ToolChoice,
    /// The JSON Schema its answer must fit.
    pub output: Option<Value>,
    /// How much it thinks.
    pub effort: Option<Effort>,
    /// The most it writes, in tokens.
    pub max_tokens: u32,
}

/// A part of the system prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemBlock {
    /// The words.
    pub text: String,
    /// Whether everything up to here stays the same from call to call.
    pub cache: bool,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub schema: Value,
}

/// Whether a tool is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As the model sees fit.
    #[default]
    Auto,
    /// One of them.
    Any,
    /// None.
    None,
    /// This one.
    Tool(String),
}

/// How much a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// For what is simple.
    Low,
    /// The usual.
    Medium,
    /// For what is hard.
    High,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The person, or the program that answers the model's calls.
    User,
    /// The model.
    Assistant,
}

/// One turn of what was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who.
    pub role: Role,
    /// What.
    pub blocks: Vec<Block>,
}

impl Message {
    /// What a person said.
    pub fn user(text: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            blocks: vec![Block::Text { text: text.into() }],
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block {
    /// Words.
    Text {
        /// The words.
        text: String,
    },
    /// The model calls a tool.
    ToolUse {
        /// Which call; its result names it.
        id: String,
        /// Which tool.
        name: String,
        /// Its arguments; null when they were no JSON.
        args: Value,
        /// What it wrote instead of JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<String>,
    },
    /// What a call came to.
    ToolResult {
        /// Which call.
        id: String,
        /// What it answered.
        content: String,
        /// Whether it failed.
        is_error: bool,
    },
    /// What only the provider understands, such as signed thinking: sent back as it came.
    Opaque {
        /// Whose.
        provider: String,
        /// What.
        json: Value,
    },
}

/// What comes of a reply, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// It has begun.
    Started {
        /// The model as the provider names it.
        model: String,
        /// The provider's name for the call.
        request_id: Option<String>,
    },
    /// Words.
    Text(String),
    /// Words the model thinks with.
    Thinking(String),
    /// A tool is being called.
    ToolStart {
        /// Which call.
        id: String,
        /// Which tool.
        name: String,
    },
    /// A block is complete.
    Block(Block),
    /// What it has used so far.
    Usage(Usage),
    /// It is complete.
    Stopped(Stop),
    /// What came so far is void: it is tried again.
    Restarted {
        /// Which attempt begins, from 2.
        attempt: u32,
        /// Why.
        reason: String,
    },
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Why.
    pub reason: StopReason,
    /// What the provider says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// It has said what it had to say.
    EndTurn,
    /// It waits for what its calls come to.
    ToolUse,
    /// It had no more room to write.
    MaxTokens,
    /// It wants to be asked to go on.
    PauseTurn,
    /// It will not.
    Refusal,
    /// The window is full.
    ContextFull,
    /// Something newer.
    Other(String),
}

/// Tokens. The cached ones are not part of `input`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Read.
    pub input: u64,
    /// Written, thinking included.
    pub output: u64,
    /// Read from the provider's cache.
    pub cache_read: u64,
    /// Written to it for five minutes.
    pub cache_write_5m: u64,
    /// Written to it for an hour.
    pub cache_write_1h: u64,
}

/// A complete reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// The model as the provider names it.
    pub model: String,
    /// The provider's name for the call.
    pub request_id: Option<String>,
    /// What it said, to be sent back as it is.
    pub blocks: Vec<Block>,
    /// Why it stopped.
    pub stop: Stop,
    /// What it used.
    pub usage: Usage,
}

impl Reply {
    /// Its words.
    pub fn text(&self) -> String {
        let words = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text } => Some(text.as_str()),
            _ => None,
        });
        words.collect::<Vec<_>>().join("\n\n")
    }
}

/// How long a call may take, and how often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the first byte.
    pub first_byte: Duration,
    /// Between two events; signs of life count.
    pub idle: Duration,
    /// For all of one attempt.
    pub total: Duration,
    /// How often it is tried.
    pub tries: u32,
    /// The longest pause between two tries.
    pub longest_pause: Duration,
}

impl Patience {
    /// A person waits.
    pub fn chat() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(1),
            idle: Duration::from_secs(30),
            total: Duration::from_mins(2),
            tries: 3,
            longest_pause: Duration::from_secs(8),
        }
    }

    /// Nobody waits.
    pub fn background() -> Self {
        Self {
            first_byte: Duration::from_mins(2),
            idle: Duration::from_mins(1),
            total: Duration::from_mins(10),
            tries: 5,
            longest_pause: Duration::from_mins(1),
            ..Self::chat()
        }
    }
}

/// What a call is for, and how far it may go.
#[derive(Debug, Clone)]
pub struct CallCx {
    /// Whose budget it counts against.
    pub organization: Uuid,
    /// The agent's run.
    pub run: Option<Uuid>,
    /// Which agent.
    pub agent: String,
    /// Which step of it.
    pub step: String,
    /// When it is made, in microseconds since 1970 of the product's clock.
    pub at: i64,
    /// The same day as `2026-11-23`, for the prices.
    pub today: String,
    /// A number for the pauses between tries, so that not everybody comes back at once.
    pub jitter: u64,
    /// How long it may take.
    pub patience: Patience,
    /// What the whole run may cost, in millionths of a US dollar.
    pub run_limit: Option<i64>,
    /// Ends the call; the connection is dropped.
    pub cancel: CancellationToken,
}
