//! What an organizer says about promo codes, one or a batch: what they do, to what, and how long.

use domain::{
    EventId, LocalTime, Money, Patch, PromoCodeId, Reference, TicketTypeId, Timestamp, time::Fold,
};
use sqlx::PgConnection;

use super::{
    errors::SavePromoCodeError,
    model::{CodeRow, PromoEffect},
};
use crate::{
    events::{self, Event, EventStatus},
    ticket_types::{self, Offer, PriceEffect},
};

/// The most that a code takes off or lets somebody pay, in the smallest unit: as much as a ticket may cost.
const HIGHEST: i64 = 100_000_000_000;

/// What is said of one code or of all in a batch.
pub(super) struct Wanted<'a> {
    pub(super) percent_off: Option<i32>,
    pub(super) amount_off: Option<Money>,
    pub(super) fixed_price: Option<Money>,
    pub(super) unlocks_hidden: Option<bool>,
    pub(super) ticket_types: Option<&'a [Reference<TicketTypeId>]>,
    pub(super) valid_from: &'a Patch<LocalTime>,
    pub(super) valid_until: &'a Patch<LocalTime>,
    pub(super) fold: Option<Fold>,
}

impl Wanted<'_> {
    /// Puts what is said onto a code, and checks it.
    pub(super) fn onto(
        &self,
        row: &mut CodeRow,
        now: Timestamp,
        event: &Event,
        offers: &[Offer],
    ) -> Result<(), SavePromoCodeError> {
        if let Some(effect) = self.effect(event)? {
            row.set_effect(effect);
        }
        row.unlocks_hidden = self.unlocks_hidden.unwrap_or(row.unlocks_hidden);
        if row.effect == PromoEffect::AccessOnly && !row.unlocks_hidden {
            return Err(SavePromoCodeError::EffectMissing);
        }
        if let Some(wanted) = self.ticket_types {
            let mut found: Vec<&Offer> = Vec::new();
            for (index, reference) in wanted.iter().enumerate() {
                let offer = ticket_types::find(offers, reference)
                    .map_err(|error| SavePromoCodeError::TicketType { index, error })?;
                found.push(offer);
            }
            found.sort_by_key(|offer| offer.id);
            found.dedup_by_key(|offer| offer.id);
            row.ticket_type_ids = found.iter().map(|offer| offer.id).collect();
            row.ticket_type_names = found.iter().map(|offer| offer.name.to_string()).collect();
        }
        self.window(row, now, event)
    }

    /// What it does to prices, if that is said.
    fn effect(&self, event: &Event) -> Result<Option<PriceEffect>, SavePromoCodeError> {
        let amount = |given: Money, field: &'static str, least: i64| {
            if given.currency != event.currency {
                return Err(SavePromoCodeError::CurrencyDiffers {
                    field,
                    given: given.currency,
                    expected: event.currency,
                });
            }
            if !(least..=HIGHEST).contains(&given.amount) {
                return Err(SavePromoCodeError::AmountOutOfRange { field, given });
            }
            Ok(given.amount)
        };
        match (self.percent_off, self.amount_off, self.fixed_price) {
            (None, None, None) => Ok(None),
            (Some(percent), None, None) if (1..=100).contains(&percent) => {
                Ok(Some(PriceEffect::PercentOff(percent)))
            }
            (Some(percent), None, None) => Err(SavePromoCodeError::PercentOutOfRange(percent)),
            (None, Some(off), None) => {
                let off = amount(off, "amount_off", 1)?;
                Ok(Some(PriceEffect::AmountOff(off)))
            }
            (None, None, Some(price)) => {
                let price = amount(price, "fixed_price", 0)?;
                Ok(Some(PriceEffect::FixedPrice(price)))
            }
            _ => Err(SavePromoCodeError::EffectAmbiguous),
        }
    }

    fn window(
        &self,
        row: &mut CodeRow,
        now: Timestamp,
        event: &Event,
    ) -> Result<(), SavePromoCodeError> {
        let resolve =
            |local: &LocalTime, field| events::resolve_time(*local, &event.zone, self.fold, field);
        match self.valid_from {
            Patch::Keep => {}
            Patch::Remove => (row.valid_from_local, row.valid_from_at) = (None, None),
            Patch::Set(local) => {
                row.valid_from_at = Some(resolve(local, "valid_from")?);
                row.valid_from_local = Some(*local);
            }
        }
        match self.valid_until {
            Patch::Keep => {}
            Patch::Remove => (row.valid_until_local, row.valid_until_at) = (None, None),
            Patch::Set(local) => {
                let at = resolve(local, "valid_until")?;
                if at <= now {
                    return Err(SavePromoCodeError::ValidityOver(*local));
                }
                row.valid_until_at = Some(at);
                row.valid_until_local = Some(*local);
            }
        }
        let reversed = matches!((row.valid_from_at, row.valid_until_at), (Some(from), Some(until)) if until <= from);
        match (row.valid_from_local, row.valid_until_local) {
            (Some(from), Some(until)) if reversed => {
                Err(SavePromoCodeError::ValidityReversed { from, until })
            }
            _ => Ok(()),
        }
    }
}

/// A code of an event that nothing was said about yet.
pub(super) fn blank(id: PromoCodeId, code: String, event: &Event, now: Timestamp) -> CodeRow {
    CodeRow {
        id,
        event_id: event.id,
        code,
        effect: PromoEffect::AccessOnly,
        percent: None,
        amount: None,
        currency: event.currency,
        unlocks_hidden: false,
        max_uses: None,
        held_count: 0,
        used_count: 0,
        valid_from_local: None,
        valid_until_local: None,
        valid_from_at: None,
        valid_until_at: None,
        version: 1,
        created_at: now,
        is_archived: false,
        ticket_type_ids: Vec::new(),
        ticket_type_names: Vec::new(),
    }
}

/// Refuses unless codes of the event can still be of use.
pub(super) fn check_open(event: &Event) -> Result<(), SavePromoCodeError> {
    match event.status {
        EventStatus::Draft | EventStatus::Published => Ok(()),
        EventStatus::Ended | EventStatus::Cancelled | EventStatus::Archived => {
            Err(SavePromoCodeError::EventClosed {
                title: event.title.clone(),
                status: event.status,
            })
        }
    }
}

/// Whether a code gives away tickets that cost something otherwise, or would once something costs that little.
pub(super) fn makes_free(row: &CodeRow, offers: &[Offer]) -> bool {
    let effect = row.effect();
    if matches!(
        effect,
        PriceEffect::PercentOff(100) | PriceEffect::FixedPrice(0)
    ) {
        return true;
    }
    let terms = row.terms();
    let applies = offers.iter().filter(|offer| terms.applies_to(offer.id));
    let mut paid = applies.filter(|offer| !offer.price().is_zero());
    paid.any(|offer| terms.price(offer).is_zero())
}

/// How many codes of an event were made within the last hour: many small batches are a large one.
pub(super) async fn made_lately(
    conn: &mut PgConnection,
    event_id: EventId,
    now: Timestamp,
) -> sqlx::Result<i64> {
    super::sql::made_since(conn, event_id, now.plus_seconds(-3600)).await
}
