//! Organizations: the tenant, its defaults and its members.
//!
//! Owns `organization`, `users`, `member`. Operations: `get_context`, `update_organization`, `list_members`,
//! `save_member`, `remove_member`.
//! Changes: `organization.created`, `organization.updated`, `member.saved`, `member.removed`.

pub mod changes;
mod found;
mod get_context;
mod list_members;
mod model;
mod remove_member;
mod save_member;
mod sql;
mod update_organization;

pub use found::{FoundOrganization, find_organization, found_organization, organizations_behind};
pub use get_context::{Context, GetContext};
pub use list_members::{ListMembers, Member, MemberList};
pub use model::Organization;
pub use remove_member::{RemoveMember, RemovedMember};
pub use save_member::{SaveMember, SaveMemberError};
pub use update_organization::{UpdateOrganization, UpdateOrganizationError};

pub(crate) use sql::{Face, current, face, member, members, slug_form};
