//! Taking money and giving it back: the [`Processor`] port, its adapter for Stripe, bank transfers that people make by
//! hand, and a simulator of Stripe for development and demonstrations.
//!
//! No SQL and no rules: what an order owes, who may refund and when, is decided in `operations`. Nothing here is called
//! while a transaction is open. An order that costs nothing needs no processor: it is paid by being placed.
#![warn(missing_docs)]

mod error;
mod key;
pub mod manual;
mod processor;
mod secret;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod stripe;

pub use error::{ProcessorError, Reason, Refusal};
pub use key::IdempotencyKey;
pub use processor::{
    Answer, Checkout, CheckoutId, CheckoutRequest, CheckoutState, Decline, Line, Payment,
    PaymentReference, PaymentState, Processor, Refund, RefundReference, RefundRequest, RefundState,
};
pub use secret::Secret;

/// Chooses the one cryptography library of the program for connections made here. Repeating it changes nothing.
fn use_ring() {
    // An error says that a provider was chosen already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}
