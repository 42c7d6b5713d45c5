//! The venue as callers see it.

use domain::{VenueId, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Venue {
    /// Its id.
    pub id: VenueId,
    /// What it is called.
    pub name: String,
    /// Street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// City.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// ISO 3166 country code, such as DE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The zone its clock shows.
    pub zone: Zone,
    /// How many people fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<i32>,
    /// Notes for the organizer's own use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-detail" = true))]
    pub notes: Option<String>,
    /// Rises with every change.
    pub version: i32,
    /// Whether it was put away: it is no longer offered for new events.
    #[serde(default)]
    pub is_archived: bool,
}
