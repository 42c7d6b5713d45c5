//! Gift cards: money paid in advance that pays for orders of any event of the organization.
//!
//! Owns `gift_card`. States: `active`, `blocked`, `expired`, `used_up`. Operations: `issue_gift_cards`, `get_gift_card`,
//! `list_gift_cards`, `update_gift_card`. Changes: `gift_cards.issued`, `gift_card.updated`. Orders are paid with them by
//! `redeem_gift_card` of [`crate::orders`].
//!
//! What is left on a card is a counter, and whoever takes from it has the card locked, so that two orders never spend the same
//! money. It is always what was issued, less what orders were paid with, plus what came back from them.
//!
//! The code is worth as much as the card. It is made from the card's id with the server's key and kept nowhere; the
//! database has its hash, to find the card by it.
//!
//! Locks: cards by id, after orders and before promo codes and pools.

pub mod changes;
mod error;
mod get_gift_card;
mod issue_gift_cards;
mod list_gift_cards;
mod model;
mod sql;
mod update_gift_card;
mod using;

pub use error::{FindGiftCardError, GiftCardError, UseGiftCardError};
pub use get_gift_card::GetGiftCard;
pub use issue_gift_cards::{IssueGiftCards, IssuedGiftCards};
pub use list_gift_cards::ListGiftCards;
pub use model::{GiftCard, GiftCardState};
pub use update_gift_card::UpdateGiftCard;
#[cfg(test)]
pub(crate) use using::ONE_AT_A_TIME;
pub(crate) use using::{find_usable, is_any_active, put_back, take};
