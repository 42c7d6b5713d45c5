//! The adapter for Stripe against the simulator, over HTTP, from a checkout to its refund.
#![expect(
    clippy::unwrap_used,
    reason = "tests stop at once when something is wrong"
)]

mod failures;
mod orders;
mod paying;
mod racing;
mod scene;
mod webhooks;
