//! What an organizer should know about promo codes, though it is allowed.

use super::{model::CodeRow, terms};
use crate::{
    events::Event,
    ticket_types::{Offer, Visibility, costs},
};

/// Everything worth saying about a promo code that is saved, or about all of a batch.
pub(super) fn all(event: &Event, offers: &[Offer], row: &CodeRow) -> Vec<String> {
    let mut warnings = Vec::new();
    // Those of a batch have no text of their own here, and no look-alikes.
    if row.code.contains(['0', 'O', '1', 'I']) {
        warnings.push(format!(
            "People mistake 0 for O and 1 for I: read {:?} to them letter by letter, or choose another.",
            row.code
        ));
    }
    if terms::makes_free(row, offers) {
        warnings.push("Tickets cost nothing with it.".to_owned());
    }
    let terms = row.terms();
    for offer in offers.iter().filter(|offer| terms.applies_to(offer.id)) {
        let name = offer.name.as_str();
        let is_unchanged = terms.price(offer) == offer.price() && row.amount.is_some();
        if is_unchanged && !offer.price().is_zero() {
            let costs = costs(offer.price());
            warnings.push(format!("{name:?} costs {costs} with it as without it."));
        }
        let is_named = row.ticket_type_ids.contains(&offer.id);
        if is_named && offer.visibility == Visibility::Hidden && !row.unlocks_hidden {
            warnings.push(format!(
                "{name:?} is hidden, and buyers cannot have it with this code: set `unlocks_hidden`."
            ));
        }
    }
    if let (Some(until), Some(at)) = (row.valid_until_local, row.valid_until_at)
        && at > event.ends_at
    {
        warnings.push(format!(
            "It ends on {}, but nothing is sold once the event is over, on {}.",
            until.readable(),
            event.ends.readable()
        ));
    }
    warnings
}
