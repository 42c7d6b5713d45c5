//! Roles of members and what each may do.

use domain::{
    Permission::{
        self, AttendeesPersonal, AttendeesRead, CheckInsWrite, EventsRead, MessagesRead,
        OrdersRead, OrdersWrite, OrganizationRead, PaymentsConfirm, ReportsRead, VenuesRead,
    },
    Permissions,
};

use crate::{Toolset, catalog};

domain::text_enum! {
    /// What a member is in an organization.
    pub enum Role {
        /// Everything, including members and tokens.
        Owner = "owner",
        /// Everything but members and tokens.
        Manager = "manager",
        /// Sells: orders, payments, attendees with their names.
        BoxOffice = "box_office",
        /// Checks in: attendees' names, no addresses beyond what a search needs, no money.
        Door = "door",
        /// Looks, with personal data masked.
        Viewer = "viewer",
    }
}

domain::sqlx_as_text!(Role);

/// What a run of a workflow needs for a step that calls an operation: its permission, and what its answer holds more
/// with. Names and addresses come with what is about people; never anything that no token may hold.
pub fn needed_by_step(operation: &str) -> Permissions {
    let Some(entry) = catalog::find(operation) else {
        return Permissions::NONE;
    };
    let needed = Permissions::NONE.with(entry.needs);
    let needed = match (entry.name, entry.toolset) {
        ("get_event", _) => needed.with(OrdersRead),
        ("list_members", _) | (_, Toolset::Orders | Toolset::Attendees | Toolset::Messages) => {
            needed.with(AttendeesPersonal)
        }
        _ => needed,
    };
    needed.intersect(Permissions::all_for_tokens())
}

const VIEWER: &[Permission] = &[
    OrganizationRead,
    VenuesRead,
    EventsRead,
    OrdersRead,
    AttendeesRead,
    ReportsRead,
];
const DOOR: &[Permission] = &[
    OrganizationRead,
    EventsRead,
    AttendeesRead,
    AttendeesPersonal,
    CheckInsWrite,
];
const BOX_OFFICE: &[Permission] = &[
    OrganizationRead,
    VenuesRead,
    EventsRead,
    OrdersRead,
    OrdersWrite,
    PaymentsConfirm,
    AttendeesRead,
    AttendeesPersonal,
    CheckInsWrite,
    MessagesRead,
    ReportsRead,
];

impl Role {
    /// What the role may do.
    pub fn permissions(self) -> Permissions {
        match self {
            Self::Owner => Permissions::all(),
            Self::Manager => Permissions::all_for_tokens().with(Permission::ApprovalsDecide),
            Self::BoxOffice => BOX_OFFICE.iter().copied().collect(),
            Self::Door => DOOR.iter().copied().collect(),
            Self::Viewer => VIEWER.iter().copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_gets_names_only_where_people_are_in_it_and_never_rights_over_rights() {
        let needs = |operation: &str| needed_by_step(operation).iter().collect::<Vec<_>>();
        assert_eq!(needs("get_sales_report"), [ReportsRead]);
        assert_eq!(needs("get_event"), [EventsRead, OrdersRead]);
        assert_eq!(needs("list_attendees"), [AttendeesRead, AttendeesPersonal]);
        assert_eq!(
            needs("queue_message"),
            [AttendeesPersonal, Permission::MessagesSend]
        );
        for operation in ["create_token", "decide_approval", "drop_everything"] {
            assert_eq!(needs(operation), [], "{operation}");
        }
    }
}
