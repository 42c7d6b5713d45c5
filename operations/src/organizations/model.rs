//! The organization as callers see it.

use domain::{Currency, OrganizationId, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An organization and the defaults new events take from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Organization {
    /// Its id.
    pub id: OrganizationId,
    /// What it is called.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// The currency new events take.
    pub currency: Currency,
    /// The zone new venues take.
    pub zone: Zone,
}
