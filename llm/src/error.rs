//! What can go wrong between a question and a complete reply.

use std::time::Duration;

use crate::ModelId;

/// Why there is no reply. Never names a key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The provider refused.
    #[error("the model's provider answered {status} ({kind}): {message}")]
    Status {
        /// HTTP.
        status: u16,
        /// The provider's word for it.
        kind: String,
        /// The provider's sentence.
        message: String,
        /// Whether another try may help.
        retryable: bool,
        /// When to try again, if it was said.
        retry_after: Option<Duration>,
    },
    /// No connection, or it was lost before the first byte.
    #[error("the model's provider cannot be reached: {0}")]
    Connect(String),
    /// The reply broke off.
    #[error("the model's reply broke off")]
    Truncated,
    /// The reply is not what the provider's interface says.
    #[error("the model's reply cannot be read: {0}")]
    Malformed(String),
    /// Nothing came for too long.
    #[error("the model fell silent for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// It took too long as a whole.
    #[error("the model took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// The provider failed in the middle of a reply.
    #[error("the model's provider failed in the middle of a reply ({kind}): {message}")]
    InStream {
        /// The provider's word for it.
        kind: String,
        /// The provider's sentence.
        message: String,
    },
    /// It might cost more than is allowed.
    #[error("{0}")]
    Budget(String),
    /// Nobody knows what it costs.
    #[error(
        "the price of {0} is not known, so no budget could hold; add it to the prices, or call it unmetered in the settings"
    )]
    PriceUnknown(ModelId),
    /// What a ledger or another helper failed with.
    #[error("{0}")]
    Bookkeeping(String),
    /// The caller has gone away.
    #[error("the call was cancelled")]
    Cancelled,
    /// There is no model.
    #[error("{0}")]
    NotConfigured(String),
}

impl ModelError {
    /// Whether another try may help: nothing was done with what came so far.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Status { retryable, .. } => *retryable,
            Self::Connect(_)
            | Self::Truncated
            | Self::Malformed(_)
            | Self::Silent(_)
            | Self::TooSlow(_)
            | Self::InStream { .. } => true,
            Self::Budget(_)
            | Self::PriceUnknown(_)
            | Self::Bookkeeping(_)
            | Self::Cancelled
            | Self::NotConfigured(_) => false,
        }
    }

    /// When to try again, if the provider said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
