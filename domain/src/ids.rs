//! Typed ids: UUIDv7 inside, a prefix and 32 hex digits outside (`ord_0190…`).
//!
//! An id of the wrong kind is refused with the kind that was expected, which is what a model needs to
//! correct itself. Order numbers and ticket codes are not ids: people read them aloud.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

/// What every id type has: its prefix, and a way in and out of the bare UUID.
pub trait Id: Copy + fmt::Display + FromStr<Err = IdError> + From<Uuid> + Into<Uuid> {
    /// The letters before the underscore, for example `ord`.
    const PREFIX: &'static str;
    /// What the id names, in words, for example `order`.
    const NOUN: &'static str;
}

/// Text that is not the id that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The prefix belongs to another kind of thing.
    #[error("{given:?} is not the id of {noun}; such an id starts with {prefix}_")]
    WrongPrefix {
        /// What was given.
        given: String,
        /// The noun of the expected id.
        noun: &'static str,
        /// The prefix of the expected id.
        prefix: &'static str,
    },
    /// The part behind the prefix is not 32 hex digits.
    #[error("{given:?} is not a whole id; {prefix}_ must be followed by 32 hex digits")]
    Malformed {
        /// What was given.
        given: String,
        /// The prefix of the expected id.
        prefix: &'static str,
    },
}

fn parse(given: &str, noun: &'static str, prefix: &'static str) -> Result<Uuid, IdError> {
    let rest = given
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or_else(|| IdError::WrongPrefix {
            given: given.to_owned(),
            noun,
            prefix,
        })?;
    let hex = rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit());
    Uuid::try_parse(rest)
        .ok()
        .filter(|_| hex)
        .ok_or_else(|| IdError::Malformed {
            given: given.to_owned(),
            prefix,
        })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal $noun:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
        pub struct $name(Uuid);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            const NOUN: &'static str = $noun;
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}_{}", $prefix, self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(given: &str) -> Result<Self, IdError> {
                parse(given, $noun, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": concat!("^", $prefix, "_[0-9a-f]{32}$")})
            }
        }
    )+};
}

// Alphabetical, append-only: a prefix that has been handed out is never given to another kind.
ids! {
    /// Names a bearer token.
    ApiTokenId "tok" "an API token";
    /// Names a question to a person.
    ApprovalId "apr" "an approval";
    /// Names a capacity pool.
    CapacityPoolId "pool" "a capacity pool";
    /// Names a row of the audit trail.
    ChangeId "chg" "a change";
    /// Names changes that were made together.
    ChangeSetId "set" "a change set";
    /// Names one scan at the door.
    CheckInId "chk" "a check-in";
    /// Names what a person and an agent say to each other.
    ConversationId "cnv" "a conversation";
    /// Names a show.
    EventId "evt" "an event";
    /// Names a fee that is charged beside tickets.
    FeeId "fee" "a fee";
    /// Names money paid in advance.
    GiftCardId "gft" "a gift card";
    /// Names places set aside while somebody buys.
    HoldId "hld" "a hold";
    /// Names one line of a hold.
    HoldItemId "hit" "a line of a hold";
    /// Names an invoice or a credit note.
    InvoiceId "inv" "an invoice";
    /// Names one message to one person.
    MessageId "msg" "a message";
    /// Names an organization's own template of a message.
    MessageTemplateId "tpl" "a message template";
    /// Names one attempt at asking a language model.
    ModelCallId "mcl" "a call of a model";
    /// Names a line of an order.
    OrderItemId "item" "an order item";
    /// Names one buyer's purchase.
    OrderId "ord" "an order";
    /// Names the tenant.
    OrganizationId "org" "an organization";
    /// Names one try to have an order paid through a processor.
    PaymentAttemptId "att" "a payment attempt";
    /// Names money received.
    PaymentId "pay" "a payment";
    /// Names a code that makes tickets cheaper.
    PromoCodeId "prm" "a promo code";
    /// Names money given back.
    RefundId "ref" "a refund";
    /// Names who has a seat.
    SeatClaimId "scl" "a seat claim";
    /// Names a seat.
    SeatId "sea" "a seat";
    /// Names a map of a venue's seats.
    SeatMapId "smp" "a seat map";
    /// Names a part of a seat map.
    SeatSectionId "sec" "a section of a seat map";
    /// Names a repeating event.
    SeriesId "ser" "a series";
    /// Names an address that gets no mail.
    SuppressionId "sup" "a suppression";
    /// Names what somebody answered after an event.
    SurveyResponseId "srv" "a survey response";
    /// Names a rate of tax.
    TaxRuleId "tax" "a tax rule";
    /// Names one right of admission.
    TicketId "tkt" "a ticket";
    /// Names what is on sale.
    TicketTypeId "typ" "a ticket type";
    /// Names somebody's turn in a waiting room.
    TurnId "trn" "a turn";
    /// Names a person with a login.
    UserId "usr" "a user";
    /// Names a place.
    VenueId "ven" "a venue";
    /// Names somebody's place on a waiting list.
    WaitlistEntryId "wte" "an entry of a waiting list";
    /// Names one change told to one endpoint.
    WebhookDeliveryId "whd" "a webhook delivery";
    /// Names a program outside that is told of changes.
    WebhookEndpointId "whe" "a webhook endpoint";
    /// Names a workflow.
    WorkflowId "wfl" "a workflow";
    /// Names one run of a workflow.
    WorkflowRunId "run" "a workflow run";
    /// Names an address under which a workflow is started.
    WorkflowWebhookId "wwh" "a workflow's webhook";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_as_text() {
        let id = OrderId::from(Uuid::from_u128(0x0190_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0001));
        assert_eq!(id.to_string(), "ord_0190aaaabbbb7ccc8dddeeeeffff0001");
        assert_eq!(id.to_string().parse::<OrderId>(), Ok(id));
    }

    #[test]
    fn says_which_id_was_expected() {
        let error = "evt_0190aaaabbbb7ccc8dddeeeeffff0001"
            .parse::<OrderId>()
            .unwrap_err();
        assert!(error.to_string().contains("starts with ord_"), "{error}");
        let error = "ord_0190-not-hex".parse::<OrderId>().unwrap_err();
        assert!(error.to_string().contains("32 hex digits"), "{error}");
    }
}
