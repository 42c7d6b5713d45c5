//! What can happen to promo codes. The codes of a batch are not named: who has one can use it.

use domain::{Change, EventId, PromoCodeId, Subject};
use serde::Serialize;

use crate::field_change::{FieldChange, describe};

/// A promo code was added to an event, or changed.
#[derive(Debug, Serialize)]
pub struct PromoCodeSaved {
    pub(super) promo_code_id: PromoCodeId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) code: String,
    /// What it does now, in words.
    pub(super) says: String,
    pub(super) is_new: bool,
    /// What changed, if it is not new.
    pub(super) changed: Vec<FieldChange>,
    /// Whether it gives away tickets that cost something otherwise.
    pub(super) makes_free: bool,
    /// Whether it can be used at once.
    pub(super) is_published: bool,
    /// How many codes of the event were made within the hour before.
    pub(super) made_lately: i64,
}

impl Change for PromoCodeSaved {
    const KIND: &'static str = "promo_code.saved";
    fn subject(&self) -> Subject {
        self.promo_code_id.into()
    }
    fn summary(&self) -> String {
        if self.is_new {
            return format!(
                "Adds the promo code {:?} to {:?}: {}",
                self.code, self.event_title, self.says
            );
        }
        format!(
            "Changes the promo code {:?} of {:?}: {}",
            self.code,
            self.event_title,
            describe(&self.changed)
        )
    }
}

/// Promo codes for one use each were made.
#[derive(Debug, Serialize)]
pub struct PromoCodesCreated {
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) count: i64,
    pub(super) prefix: String,
    /// What each does, in words.
    pub(super) says: String,
    /// Whether they give away tickets that cost something otherwise.
    pub(super) makes_free: bool,
    /// Whether they can be used at once.
    pub(super) is_published: bool,
    /// How many codes of the event were made within the hour before.
    pub(super) made_lately: i64,
}

impl Change for PromoCodesCreated {
    const KIND: &'static str = "promo_codes.created";
    fn subject(&self) -> Subject {
        self.event_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Makes {} promo codes \"{}-…\" for {:?}: {}",
            self.count, self.prefix, self.event_title, self.says
        )
    }
}

/// A promo code was withdrawn.
#[derive(Debug, Serialize)]
pub struct PromoCodeArchived {
    pub(super) promo_code_id: PromoCodeId,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) code: String,
}

impl Change for PromoCodeArchived {
    const KIND: &'static str = "promo_code.archived";
    fn subject(&self) -> Subject {
        self.promo_code_id.into()
    }
    fn summary(&self) -> String {
        format!(
            "Withdraws the promo code {:?} of {:?}; what has it keeps its price",
            self.code, self.event_title
        )
    }
}
