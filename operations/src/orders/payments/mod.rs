//! Orders that are paid through a processor: its pages, the money that came in, and the money given back.
//!
//! Owns `payment_attempt`, `payment`, `refund` and `processor_notice`. Operations: `start_checkout`, `check_payment`,
//! `expire_order`, `get_payment_options`, `redeem_gift_card`, `refund_order`, `reconcile_payments`, `match_bank_statement`. Changes: `payment.started`,
//! `order.expired`, `gift_card.redeemed`, `refund.requested`, `refund.done`, `refund.failed`.
//!
//! A processor is asked while no transaction is open. What is asked for is written down before, under an id of ours, and
//! what it answers is written down after; whoever finds the one without the other asks again. Whatever a webhook or a
//! browser says only leads to another look (`settle`), so it may come twice, late, in any order or never.

pub mod changes;
mod check_payment;
mod error;
mod expire_order;
mod get_payment_options;
mod give_back;
mod match_bank_statement;
mod model;
mod moving;
mod notices;
mod payable;
mod reconcile_payments;
mod record;
mod redeem_gift_card;
mod refund_order;
mod settle;
#[cfg(test)]
pub(crate) mod shop;
mod sql;
mod start_checkout;

pub use check_payment::{CheckPayment, CheckedPayment};
pub use error::{ProcessorFault, SettleError};
pub use expire_order::{ExpireOrder, ExpiredOrder, expire_due};
pub use get_payment_options::{GetPaymentOptions, PaymentOptions, PaymentOptionsError};
pub use match_bank_statement::{
    MatchBankStatement, MatchBankStatementError, MatchedOrder, MatchedStatement, MatchedTransfer,
    Proposal,
};
pub use model::{PaymentMethod, RefundStatus};
pub use notices::{receive_notice, take_notices};
pub use payable::PayableError;
pub use reconcile_payments::{ReconcilePayments, ReconcilePaymentsError, ReconciledPayments};
pub use redeem_gift_card::{RedeemGiftCard, RedeemGiftCardError, RedeemedGiftCard};
pub use refund_order::{RefundOrder, RefundOrderError, RefundedOrder};
pub use start_checkout::{StartCheckout, StartCheckoutError, StartedCheckout};

pub(super) use give_back::{GivenBack, give_back};
pub(super) use model::Received;
pub(super) use moving::move_money;
pub(super) use sql::{payments, receive, refunds};
