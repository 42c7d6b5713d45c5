//! How `place_order` refuses.

use domain::{Facts, Fault, FaultKind, FaultSpec};
use store::StoreError;

use crate::{
    holds::{HOLD_ENDED, HoldStatus},
    lookup::LookupError,
    promo_codes::PromoCodeError,
    seats::SeatError,
    ticket_types::BasketError,
    waiting_room::TurnError,
};

/// How `place_order` refuses.
#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    /// Something cannot be bought.
    #[error(transparent)]
    Basket(#[from] BasketError),
    /// The promo code cannot be used.
    #[error(transparent)]
    PromoCode(#[from] PromoCodeError),
    /// The seats cannot be had.
    #[error(transparent)]
    Seats(#[from] SeatError),
    /// It is not the buyer's turn.
    #[error(transparent)]
    Turn(#[from] TurnError),
    /// The buyer would have too many, with what they ordered before. How many they have is not said: whoever asks may be
    /// somebody else.
    #[error(
        "one buyer may have {most} {name:?} tickets of this event at most, over all their orders"
    )]
    BuyerLimit {
        /// The ticket type.
        name: String,
        /// The most.
        most: i32,
    },
    /// The hold has another promo code, or none.
    #[error("the hold was made without the promo code {0:?}")]
    HoldHasOtherCode(String),
    /// More names than tickets.
    #[error("{named} attendees are named for {quantity} tickets")]
    TooManyAttendees {
        /// Which item.
        index: usize,
        /// How many were named.
        named: usize,
        /// How many tickets there would be.
        quantity: i32,
    },
    /// The places of the hold are not set aside any more.
    #[error("the hold is {0}")]
    HoldEnded(HoldStatus),
    /// The hold is one of another event.
    #[error("the hold is for another event than {0:?}")]
    HoldElsewhere(String),
    /// Other things are ordered than are held.
    #[error("what is ordered is not what is held")]
    HoldDiffers,
    /// The event or the hold was not found.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TOO_MANY_ATTENDEES: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "too_many_attendees",
    "Name at most one attendee per ticket, or raise the quantity.",
);
const HOLD_ELSEWHERE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "hold_elsewhere",
    "Give the event that the hold is for; get_hold says which.",
);
const HOLD_DIFFERS: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "hold_differs",
    "Leave `items` out, or repeat those of the hold in their order to name attendees; for anything else make a new hold.",
);

const HOLD_PROMO_CODE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "hold_promo_code",
    "Leave `promo_code` out to order at the hold's price; to use a code, release the hold and make a new one with it.",
);

const BUYER_LIMIT: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "buyer_limit",
    "Order fewer; an organizer can change the limit with set_buyer_limit.",
);

impl Fault for PlaceOrderError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![
            TOO_MANY_ATTENDEES,
            HOLD_ENDED,
            HOLD_ELSEWHERE,
            HOLD_DIFFERS,
            HOLD_PROMO_CODE,
            BUYER_LIMIT,
        ];
        specs.extend(BasketError::specs());
        specs.extend(PromoCodeError::specs());
        specs.extend(SeatError::specs());
        specs.extend(TurnError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Basket(error) => error.facts(),
            Self::PromoCode(error) => error.facts(),
            Self::Seats(error) => error.facts(),
            Self::Turn(error) => error.facts(),
            Self::BuyerLimit { .. } => BUYER_LIMIT.at("items"),
            Self::HoldHasOtherCode(_) => HOLD_PROMO_CODE.at("promo_code"),
            Self::TooManyAttendees { index, .. } => {
                TOO_MANY_ATTENDEES.at(format!("items[{index}].attendees"))
            }
            Self::HoldEnded(_) => HOLD_ENDED.at("hold"),
            Self::HoldElsewhere(_) => HOLD_ELSEWHERE.at("hold"),
            Self::HoldDiffers => HOLD_DIFFERS.at("items"),
            Self::Lookup(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for PlaceOrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
