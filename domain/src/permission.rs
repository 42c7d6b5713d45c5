//! Permissions: the locks on operations, and sets of them.

use std::fmt;

use serde::{Deserialize, Serialize};

text_enum! {
    /// One right. A token's scopes and a member's role are sets of these; its spelling is the scope's name.
    pub enum Permission {
        /// See the organization, its members' roles and what the caller may do.
        OrganizationRead = "organization:read",
        /// Rename the organization and change its defaults.
        OrganizationWrite = "organization:write",
        /// See venues.
        VenuesRead = "venues:read",
        /// Create, change and archive venues.
        VenuesWrite = "venues:write",
        /// See events, series, ticket types and availability.
        EventsRead = "events:read",
        /// Create and change events, series and ticket types; publish.
        EventsWrite = "events:write",
        /// Cancel a whole event.
        EventsCancel = "events:cancel",
        /// See orders, with buyers' personal data masked.
        OrdersRead = "orders:read",
        /// Place orders for buyers, issue and void tickets.
        OrdersWrite = "orders:write",
        /// Cancel orders and record refunds.
        OrdersCancel = "orders:cancel",
        /// Record money received outside EventOS.
        PaymentsConfirm = "payments:confirm",
        /// See attendees, with personal data masked.
        AttendeesRead = "attendees:read",
        /// See names and addresses unmasked, wherever they appear.
        AttendeesPersonal = "attendees:personal",
        /// Erase who bought and attended events that are long over.
        AttendeesErase = "attendees:erase",
        /// Check attendees in and undo it.
        CheckInsWrite = "check_ins:write",
        /// See messages, templates and who does not want any, with personal data masked.
        MessagesRead = "messages:read",
        /// Word templates; keep the lists of suppressed addresses and of webhooks.
        MessagesWrite = "messages:write",
        /// Send messages to attendees and buyers.
        MessagesSend = "messages:send",
        /// See reports.
        ReportsRead = "reports:read",
        /// See the audit trail.
        AuditRead = "audit:read",
        /// See workflows and their runs.
        WorkflowsRead = "workflows:read",
        /// Store, enable, start and steer workflows.
        WorkflowsWrite = "workflows:write",
        /// Talk to agents, which then do what one may oneself.
        AgentsUse = "agents:use",
        /// See what waits for a decision.
        ApprovalsRead = "approvals:read",
        /// Decide what waits for a person. Never held by a token or a workflow.
        ApprovalsDecide = "approvals:decide",
        /// Invite and remove members. Never part of `all` for a token.
        MembersManage = "members:manage",
        /// Make and revoke tokens. Never part of `all` for a token.
        TokensManage = "tokens:manage",
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// No right at all.
    pub const NONE: Self = Self(0);

    /// Whether the set has a permission.
    pub fn allows(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    /// The set with one more permission.
    #[must_use]
    pub fn with(self, permission: Permission) -> Self {
        Self(self.0 | Self::bit(permission))
    }

    /// What both sets have.
    #[must_use]
    pub fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Every permission.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Every permission a token may hold: all but managing members and tokens, with which an agent
    /// could raise its own rights, and deciding what it asked a person for.
    pub fn all_for_tokens() -> Self {
        let raises_rights = |p: &Permission| {
            matches!(
                p,
                Permission::MembersManage | Permission::TokensManage | Permission::ApprovalsDecide
            )
        };
        Permission::ALL
            .iter()
            .copied()
            .filter(|p| !raises_rights(p))
            .collect()
    }

    /// The permissions in the set, in order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .iter()
            .copied()
            .filter(move |p| self.allows(*p))
    }

    fn bit(permission: Permission) -> u32 {
        1 << (permission as u32)
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<T: IntoIterator<Item = Permission>>(permissions: T) -> Self {
        permissions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.iter().map(Permission::as_str))
            .finish()
    }
}

impl Serialize for Permissions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Permission>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
