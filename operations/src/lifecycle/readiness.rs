//! What an event still needs before it can be published.

use domain::Cx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::{
    events::Event,
    ticket_types::{self, Offer},
};

/// Whether an event can be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Whether nothing is missing.
    pub is_ready: bool,
    /// What must be there first.
    pub missing: Vec<String>,
    /// What should be looked at, but does not stand in the way.
    pub warnings: Vec<String>,
}

impl Readiness {
    /// Checks an event with its ticket types.
    pub(super) async fn of(
        conn: &mut PgConnection,
        cx: &Cx,
        event: &Event,
        offers: &[Offer],
    ) -> sqlx::Result<Self> {
        let missing = missing(cx, event, offers);
        let mut warnings = Vec::new();
        if event.starts_at <= cx.now && event.ends_at > cx.now {
            warnings.push(format!(
                "It has begun already, {}.",
                event.starts.readable()
            ));
        }
        if event.description.is_none() && event.summary.is_none() {
            warnings.push("It has no description.".to_owned());
        }
        for offer in offers {
            warnings.extend(window(cx, offer));
        }
        warnings.extend(ticket_types::over_venue(conn, event).await?);
        Ok(Self {
            is_ready: missing.is_empty(),
            missing,
            warnings,
        })
    }
}

fn missing(cx: &Cx, event: &Event, offers: &[Offer]) -> Vec<String> {
    let mut missing = Vec::new();
    if event.ends_at <= cx.now {
        missing.push(format!(
            "a date to come: it ended on {}",
            event.ends.readable()
        ));
    }
    if event.format.needs_venue() && event.venue.is_none() {
        missing.push(format!("a venue, because it is {}", event.format));
    }
    if event.format.needs_link() && event.online_url.is_none() {
        missing.push(format!("an online_url, because it is {}", event.format));
    }
    let sellable = |offer: &Offer| !is_over(cx, offer) && offer.left() != Some(0);
    if offers.is_empty() {
        missing.push("a ticket type (save_ticket_type)".to_owned());
    } else if !offers.iter().any(sellable) {
        missing.push(
            "a ticket type that can be bought: all are sold out or their sale is over".to_owned(),
        );
    }
    missing
}

fn is_over(cx: &Cx, offer: &Offer) -> bool {
    offer.sales_end_at.is_some_and(|end| end <= cx.now)
}

fn window(cx: &Cx, offer: &Offer) -> Option<String> {
    let name = offer.name.as_str();
    if is_over(cx, offer) {
        let end = offer.sales_end_local?;
        return Some(format!("The sale of {name:?} ended on {}.", end.readable()));
    }
    let start = offer.sales_start_local?;
    let later = offer.sales_start_at.is_some_and(|at| at > cx.now);
    later.then(|| format!("The sale of {name:?} begins only on {}.", start.readable()))
}
