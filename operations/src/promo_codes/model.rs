//! The promo code as callers see it, and the form of its text.

use domain::{Currency, Cx, EventId, LocalTime, Money, PromoCodeId, TicketTypeId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusal::PromoCodeError;
use crate::ticket_types::{AppliedCode, PriceEffect, Terms};

domain::text_enum! {
    /// What a promo code does to prices, as it is kept.
    pub enum PromoEffect {
        /// So many percent less.
        PercentOff = "percent_off",
        /// So much less.
        AmountOff = "amount_off",
        /// One price for all.
        FixedPrice = "fixed_price",
        /// Nothing: it unlocks hidden ticket types.
        AccessOnly = "access_only",
    }
}

domain::sqlx_as_text!(PromoEffect);

domain::text_enum! {
    /// Whether a promo code can be used now, and if not, why.
    pub enum PromoCodeState {
        /// It can be used.
        Active = "active",
        /// Its time has not begun.
        NotYet = "not_yet",
        /// Its time is over.
        Over = "over",
        /// Nobody can use it once more.
        UsedUp = "used_up",
        /// It was withdrawn.
        Archived = "archived",
    }
}

/// A code that makes tickets cheaper or unlocks hidden ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromoCode {
    /// Its id.
    pub id: PromoCodeId,
    /// Its event.
    pub event_id: EventId,
    /// What buyers type; upper and lower case are the same.
    pub code: String,
    /// What it does, as people say it: `20 % off Regular`.
    pub says: String,
    /// Percent off each ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent_off: Option<i32>,
    /// Money off each ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_off: Option<Money>,
    /// The price of each ticket, where it costs more otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_price: Option<Money>,
    /// Whether buyers who have it can buy hidden ticket types.
    pub unlocks_hidden: bool,
    /// The names of the ticket types it applies to; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticket_types: Vec<String>,
    /// Whether it can be used now.
    pub state: PromoCodeState,
    /// How often it can be used; absent when nothing limits it. One use is one hold or order, whatever its quantity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<i32>,
    /// Uses by people who are buying at this moment.
    pub held_uses: i32,
    /// Uses by orders that are not cancelled.
    pub used: i32,
    /// How often it can still be used; absent when nothing limits it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<i32>,
    /// From when, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<LocalTime>,
    /// Until when, on the clock at the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<LocalTime>,
    /// Rises with every change.
    #[schemars(extend("x-detail" = true))]
    pub version: i32,
}

/// A row of `promo_code`, with its event's currency and the ticket types it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CodeRow {
    pub(super) id: PromoCodeId,
    pub(super) event_id: EventId,
    pub(super) code: String,
    pub(super) effect: PromoEffect,
    pub(super) percent: Option<i32>,
    pub(super) amount: Option<i64>,
    pub(super) currency: Currency,
    pub(super) unlocks_hidden: bool,
    pub(super) max_uses: Option<i32>,
    pub(super) held_count: i32,
    pub(super) used_count: i32,
    pub(super) valid_from_local: Option<LocalTime>,
    pub(super) valid_until_local: Option<LocalTime>,
    pub(super) valid_from_at: Option<Timestamp>,
    pub(super) valid_until_at: Option<Timestamp>,
    pub(super) version: i32,
    pub(super) created_at: Timestamp,
    pub(super) is_archived: bool,
    pub(super) ticket_type_ids: Vec<TicketTypeId>,
    /// Their names, in the same order.
    pub(super) ticket_type_names: Vec<String>,
}

impl CodeRow {
    /// What it does to prices.
    pub(super) fn effect(&self) -> PriceEffect {
        let amount = self.amount.unwrap_or_default();
        match self.effect {
            PromoEffect::PercentOff => PriceEffect::PercentOff(self.percent.unwrap_or_default()),
            PromoEffect::AmountOff => PriceEffect::AmountOff(amount),
            PromoEffect::FixedPrice => PriceEffect::FixedPrice(amount),
            PromoEffect::AccessOnly => PriceEffect::AccessOnly,
        }
    }

    /// Makes it do something else to prices.
    pub(super) fn set_effect(&mut self, effect: PriceEffect) {
        (self.effect, self.percent, self.amount) = match effect {
            PriceEffect::PercentOff(percent) => (PromoEffect::PercentOff, Some(percent), None),
            PriceEffect::AmountOff(off) => (PromoEffect::AmountOff, None, Some(off)),
            PriceEffect::FixedPrice(price) => (PromoEffect::FixedPrice, None, Some(price)),
            PriceEffect::AccessOnly => (PromoEffect::AccessOnly, None, None),
        };
    }

    /// What it means for a basket.
    pub(super) fn terms(&self) -> Terms {
        Terms {
            applied: AppliedCode {
                id: self.id,
                code: self.code.clone(),
            },
            effect: self.effect(),
            ticket_type_ids: self.ticket_type_ids.clone(),
            unlocks_hidden: self.unlocks_hidden,
        }
    }

    /// How often it can still be used; none when nothing limits it.
    pub(super) fn left(&self) -> Option<i32> {
        let taken = self.held_count.saturating_add(self.used_count);
        Some(self.max_uses?.saturating_sub(taken).max(0))
    }

    fn state(&self, now: Timestamp) -> PromoCodeState {
        if self.is_archived {
            PromoCodeState::Archived
        } else if self.valid_until_at.is_some_and(|until| until <= now) {
            PromoCodeState::Over
        } else if self.valid_from_at.is_some_and(|from| from > now) {
            PromoCodeState::NotYet
        } else if self.left() == Some(0) {
            PromoCodeState::UsedUp
        } else {
            PromoCodeState::Active
        }
    }

    /// Refuses unless it can be used now.
    pub(super) fn check_usable(&self, now: Timestamp) -> Result<(), PromoCodeError> {
        let code = || self.code.clone();
        match (
            self.state(now),
            self.valid_from_local,
            self.valid_until_local,
        ) {
            (PromoCodeState::Active, ..) => Ok(()),
            (PromoCodeState::NotYet, Some(from), _) => {
                Err(PromoCodeError::NotYet { code: code(), from })
            }
            (PromoCodeState::Over, _, Some(until)) => Err(PromoCodeError::Over {
                code: code(),
                until,
            }),
            (PromoCodeState::UsedUp, ..) => Err(PromoCodeError::UsedUp(code())),
            // Somebody who tries codes learns nothing of those that were withdrawn.
            _ => Err(PromoCodeError::Unknown(code())),
        }
    }

    /// What it does, as people say it.
    pub(super) fn says(&self) -> String {
        let money = |amount| Money::new(amount, self.currency);
        let on = if self.ticket_type_names.is_empty() {
            String::new()
        } else {
            format!(" {}", self.ticket_type_names.join(", "))
        };
        let price = match self.effect() {
            PriceEffect::PercentOff(percent) => Some(format!("{percent} % off{on}")),
            PriceEffect::AmountOff(off) => Some(format!("{} off each ticket{on}", money(off))),
            PriceEffect::FixedPrice(0) => Some(format!("free tickets{on}")),
            PriceEffect::FixedPrice(price) => Some(format!("tickets{on} for {}", money(price))),
            PriceEffect::AccessOnly => None,
        };
        let unlocks = self.unlocks_hidden.then(|| match price {
            Some(_) => "unlocks hidden ticket types".to_owned(),
            None => format!("unlocks hidden ticket types{on}"),
        });
        let says: Vec<String> = price.into_iter().chain(unlocks).collect();
        says.join("; ")
    }

    /// As organizers see it.
    pub(super) fn seen(&self, cx: &Cx) -> PromoCode {
        let money = |effect| {
            let amount = self.amount.filter(|_| self.effect == effect)?;
            Some(Money::new(amount, self.currency))
        };
        PromoCode {
            id: self.id,
            event_id: self.event_id,
            code: self.code.clone(),
            says: self.says(),
            percent_off: self.percent,
            amount_off: money(PromoEffect::AmountOff),
            fixed_price: money(PromoEffect::FixedPrice),
            unlocks_hidden: self.unlocks_hidden,
            ticket_types: self.ticket_type_names.clone(),
            state: self.state(cx.now),
            max_uses: self.max_uses,
            held_uses: self.held_count,
            used: self.used_count,
            left: self.left(),
            valid_from: self.valid_from_local,
            valid_until: self.valid_until_local,
            version: self.version,
        }
    }
}

/// The fewest and the most characters of a code.
pub(super) const LENGTH: std::ops::RangeInclusive<usize> = 4..=32;

/// A code as it is kept: without spaces around it, in upper case, its dashes as hyphens. It may still have the wrong form.
pub(super) fn normal(given: &str) -> String {
    let hyphens = |c: char| {
        if matches!(c, '\u{2010}'..='\u{2015}') {
            '-'
        } else {
            c.to_ascii_uppercase()
        }
    };
    given.trim().chars().map(hyphens).collect()
}

/// Whether text in its normal form has only characters that codes have.
pub(super) fn has_form(code: &str) -> bool {
    code.bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_type_them() {
        assert_eq!(normal("  spring–20 "), "SPRING-20");
        assert!(has_form(&normal("spring—20")));
        for wrong in ["spring 20", "früh-20", "50%", "A_B"] {
            assert!(!has_form(&normal(wrong)), "{wrong}");
        }
    }
}
