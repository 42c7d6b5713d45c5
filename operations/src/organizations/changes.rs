//! What can happen to an organization.

use domain::{Change, OrganizationId, Subject, UserId};
use serde::Serialize;

use crate::{
    field_change::{FieldChange, describe},
    permission::Role,
};

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

/// A person joined the team, or their details changed. Neither name nor address is kept here.
#[derive(Debug, Serialize)]
pub struct MemberSaved {
    pub(super) user_id: UserId,
    pub(super) role: Role,
    pub(super) is_new: bool,
    /// What changed: `name`, `email` or `role`.
    pub(super) changed: Vec<&'static str>,
}

impl Change for MemberSaved {
    const KIND: &'static str = "member.saved";
    fn subject(&self) -> Subject {
        self.user_id.into()
    }
    fn summary(&self) -> String {
        if self.is_new {
            return format!("Adds a member as {}", self.role);
        }
        format!(
            "Changes a member, who is {}: {}",
            self.role,
            self.changed.join(", ")
        )
    }
}

/// A person left the team.
#[derive(Debug, Serialize)]
pub struct MemberRemoved {
    pub(super) user_id: UserId,
    pub(super) role: Role,
}

impl Change for MemberRemoved {
    const KIND: &'static str = "member.removed";
    fn subject(&self) -> Subject {
        self.user_id.into()
    }
    fn summary(&self) -> String {
        format!("Removes a member, who was {}", self.role)
    }
}
