//! Asking language models: the [`ChatModel`] port, an adapter for Anthropic's Messages API, retries, and what calls cost.
//!
//! No SQL and no rules. Every adapter and every decorator (a model around a model) is a [`ChatModel`], so agents, evals and
//! tests know nothing of providers. A reply counts only once it is complete, so whatever breaks before that may be tried
//! again: nothing has been done with it yet.
#![warn(missing_docs)]

pub mod anthropic;
mod chat;
mod complete;
mod error;
mod metered;
mod prices;
mod retrying;
mod sse;
#[cfg(feature = "testing")]
pub mod testing;

pub use chat::{
    Block, CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, Effort, Message, ModelId,
    Patience, Reply, Role, Stop, StopReason, SystemBlock, ToolChoice, ToolSpec, Usage,
};
pub use complete::complete;
pub use error::ModelError;
pub use metered::{Ledger, Line, Metered, Settled};
pub use prices::{Prices, PricesError};
pub use retrying::Retrying;

/// Chooses the one cryptography library of the program for connections made here. Repeating it changes nothing.
fn use_ring() {
    // An error says that a provider was chosen already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}
