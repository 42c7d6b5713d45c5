//! What a stand-in says: turns in order, or rules by what it is asked.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the stand-in does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Done in order, each once, before any rule is looked at.
    #[serde(default)]
    pub turns: Vec<Turn>,
    /// The first that fits is done, as often as it fits.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// What is done when something is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The newest message of a person contains this, whatever the case.
    #[serde(default)]
    pub said: Option<String>,
    /// So many of the model's own messages came after it.
    #[serde(default)]
    pub step: Option<usize>,
    /// The newest result of a tool contains this.
    #[serde(default)]
    pub result: Option<String>,
    /// What is done.
    pub then: Turn,
}

/// One reply, or what goes wrong instead.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What it thinks first.
    #[serde(default)]
    pub thinking: Option<String>,
    /// What it says.
    #[serde(default)]
    pub text: Option<String>,
    /// What it calls.
    #[serde(default)]
    pub calls: Vec<Called>,
    /// What goes wrong.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// Milliseconds between two pieces.
    #[serde(default)]
    pub piece_ms: u64,
}

/// A call of a tool.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Called {
    /// Which.
    pub name: String,
    /// With what.
    #[serde(default)]
    pub args: Value,
    /// Instead of `args`, text that is no JSON.
    #[serde(default)]
    pub raw: Option<String>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// HTTP 429 with `retry-after-ms: 20`.
    RateLimited,
    /// HTTP 429 of a month's limit that is reached.
    SpendLimit,
    /// HTTP 529.
    Overloaded,
    /// HTTP 500.
    Broken,
    /// HTTP 400.
    Invalid,
    /// HTTP 401.
    Unauthorized,
    /// The body ends in the middle, in good order.
    Truncated,
    /// The connection is cut in the middle.
    Disconnected,
    /// An event in the middle is no JSON.
    Malformed,
    /// Nothing comes any more.
    Stalled,
    /// An `error` event in the middle.
    ErrorEvent,
}
