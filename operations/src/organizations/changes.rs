//! What can happen to an organization.

use domain::{Change, OrganizationId, Subject};
use serde::Serialize;

use crate::field_change::{FieldChange, describe};

/// The organization was founded.
#[derive(Debug, Serialize)]
pub struct OrganizationCreated {
    pub(super) organization_id: OrganizationId,
    pub(super) name: String,
}

impl Change for OrganizationCreated {
    const KIND: &'static str = "organization.created";
    fn subject(&self) -> Subject {
        self.organization_id.into()
    }
    fn summary(&self) -> String {
        format!("Founds the organization {:?}", self.name)
    }
}

/// Its name or defaults changed.
#[derive(Debug, Serialize)]
pub struct OrganizationUpdated {
    pub(super) organization_id: OrganizationId,
    /// Each field that changed, with its value before and after.
    pub(super) changed: Vec<FieldChange>,
}

impl Change for OrganizationUpdated {
    const KIND: &'static str = "organization.updated";
    fn subject(&self) -> Subject {
        self.organization_id.into()
    }
    fn summary(&self) -> String {
        format!("Changes the organization: {}", describe(&self.changed))
    }
}
