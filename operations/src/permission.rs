//! Roles of members and what each may do.

use domain::{
    Permission::{
        self, AttendeesPersonal, AttendeesRead, CheckInsWrite, EventsRead, MessagesRead,
        OrdersRead, OrdersWrite, OrganizationRead, PaymentsConfirm, ReportsRead, VenuesRead,
    },
    Permissions,
};

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
