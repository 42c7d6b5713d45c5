//! Every operation, once. Surfaces iterate over this list; adding a line is what makes an operation exist for them.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::Value;

use crate::{
    audit::ListChanges,
    check_ins::{CheckIn, GetDoorStatus, ListAttendees, UndoCheckIn},
    events::{CreateEvent, ListEvents},
    lifecycle::{
        ArchiveEvent, CancelEvent, CreateSeries, DuplicateEvent, GetEvent, PublishEvent,
        UnpublishEvent, UpdateEvent,
    },
    operation::{
        Entry,
        Shelf::{Operators, Searchable, Shown},
        Toolset::{Attendees, Events, Orders, Organization, Reports},
        entry,
    },
    orders::{CancelOrder, ConfirmPayment, GetOrder, IssueTickets, ListOrders, PlaceOrder},
    organizations::{GetContext, ListMembers, UpdateOrganization},
    reports::GetSalesReport,
    ticket_types::{ArchiveTicketType, ListTicketTypes, SaveTicketType},
    tickets::{FindTicket, VoidTicket},
    tokens::{CreateToken, ListTokens, RevokeToken},
    venues::{ArchiveVenue, GetVenue, ListVenues, SaveVenue},
};

/// All operations, by toolset, in the order in which models read them.
pub const CATALOG: &[Entry] = &[
    entry::<GetContext>(Organization, Shown),
    entry::<UpdateOrganization>(Organization, Searchable),
    entry::<ListMembers>(Organization, Searchable),
    entry::<ListChanges>(Organization, Searchable),
    entry::<CreateToken>(Organization, Operators),
    entry::<ListTokens>(Organization, Operators),
    entry::<RevokeToken>(Organization, Operators),
    entry::<ListVenues>(Events, Shown),
    entry::<GetVenue>(Events, Searchable),
    entry::<SaveVenue>(Events, Shown),
    entry::<ArchiveVenue>(Events, Searchable),
    entry::<ListEvents>(Events, Shown),
    entry::<GetEvent>(Events, Shown),
    entry::<CreateEvent>(Events, Shown),
    entry::<UpdateEvent>(Events, Shown),
    entry::<PublishEvent>(Events, Shown),
    entry::<UnpublishEvent>(Events, Searchable),
    entry::<CancelEvent>(Events, Shown),
    entry::<DuplicateEvent>(Events, Shown),
    entry::<CreateSeries>(Events, Searchable),
    entry::<ArchiveEvent>(Events, Searchable),
    entry::<ListTicketTypes>(Events, Shown),
    entry::<SaveTicketType>(Events, Shown),
    entry::<ArchiveTicketType>(Events, Searchable),
    entry::<ListOrders>(Orders, Shown),
    entry::<GetOrder>(Orders, Shown),
    entry::<PlaceOrder>(Orders, Shown),
    entry::<ConfirmPayment>(Orders, Shown),
    entry::<CancelOrder>(Orders, Shown),
    entry::<IssueTickets>(Attendees, Searchable),
    entry::<FindTicket>(Attendees, Searchable),
    entry::<VoidTicket>(Attendees, Searchable),
    entry::<ListAttendees>(Attendees, Shown),
    entry::<CheckIn>(Attendees, Shown),
    entry::<UndoCheckIn>(Attendees, Searchable),
    entry::<GetDoorStatus>(Attendees, Searchable),
    entry::<GetSalesReport>(Reports, Shown),
];

/// The entry of an operation's name.
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOG.iter().find(|entry| entry.name == name)
}

/// The input schema of an operation's name, made once.
pub fn input_schema(name: &str) -> &'static Value {
    static SCHEMAS: LazyLock<HashMap<&'static str, Value>> = LazyLock::new(|| {
        CATALOG
            .iter()
            .map(|entry| (entry.name, entry.input_schema()))
            .collect()
    });
    SCHEMAS.get(name).unwrap_or(&Value::Null)
}
