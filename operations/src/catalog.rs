//! Every operation, once. Surfaces iterate over this list; adding a line is what makes an operation exist for them.

use std::{collections::HashMap, sync::LazyLock};

use serde_json::Value;

use crate::{
    approvals::{DecideApproval, GetApproval, ListApprovals, RequestApproval},
    audit::ListChanges,
    check_ins::{CheckIn, GetDoorStatus, ListAttendees, UndoCheckIn},
    events::{CreateEvent, ListEvents},
    holds::{ExtendHold, GetHold, HoldTickets, ReleaseHold},
    lifecycle::{
        ArchiveEvent, CancelEvent, CreateSeries, DuplicateEvent, GetEvent, PublishEvent,
        UnpublishEvent, UpdateEvent,
    },
    messages::{
        CancelMessage, GetMessage, ListMessageTemplates, ListMessages, ListSuppressions,
        PreviewMessage, QueueMessage, RemoveSuppression, RetryMessage, SaveMessageTemplate,
        SaveSuppression, SendMessage, SendTestMessage,
        webhooks::{
            ListWebhookDeliveries, ListWebhookEndpoints, ReplayWebhookDelivery, SaveWebhookEndpoint,
        },
    },
    operation::{
        Entry,
        Shelf::{Operators, Searchable, Shown},
        Toolset::{Attendees, Events, Messages, Orders, Organization, Reports, Workflows},
        entry,
    },
    orders::{
        CancelOrder, ConfirmPayment, GetOrder, IssueTickets, ListOrders, PlaceOrder,
        payments::{
            CheckPayment, ExpireOrder, MatchBankStatement, ReconcilePayments, RefundOrder,
            StartCheckout,
        },
    },
    organizations::{GetContext, ListMembers, RemoveMember, SaveMember, UpdateOrganization},
    privacy::{ErasePersonalData, ListEventsToErase},
    promo_codes::{ArchivePromoCode, CreatePromoCodes, ListPromoCodes, SavePromoCode},
    reports::{GetSalesReport, GetSettlement, GetSurveyResults},
    ticket_types::{
        ArchiveTicketType, CheckInventory, ListTicketTypes, ResumeSales, SaveTicketType,
    },
    tickets::{FindTicket, VoidTicket},
    tokens::{CreateToken, ListTokens, RevokeToken},
    venues::{ArchiveVenue, GetVenue, ListVenues, SaveVenue},
    workflow_runs::{
        CancelWorkflowRun, GetWorkflowRun, ListWorkflowRuns, MoveWorkflowRun, PauseWorkflowRun,
        ResumeWorkflowRun, RetryWorkflowRun, SetRunVariables, SkipWorkflowStep, StartWorkflow,
        webhooks::{CreateWorkflowWebhook, RevokeWorkflowWebhook},
    },
    workflows::{
        DisableWorkflow, DryRunWorkflow, EnableWorkflow, GetWorkflow, ListWorkflows, SaveWorkflow,
        SyncLibrary,
    },
};

/// All operations, by toolset, in the order in which models read them.
pub const CATALOG: &[Entry] = &[
    entry::<GetContext>(Organization, Shown),
    entry::<UpdateOrganization>(Organization, Searchable),
    entry::<ListMembers>(Organization, Searchable),
    entry::<SaveMember>(Organization, Operators),
    entry::<RemoveMember>(Organization, Operators),
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
    entry::<CheckInventory>(Events, Searchable),
    entry::<ResumeSales>(Events, Searchable),
    entry::<ListPromoCodes>(Events, Searchable),
    entry::<SavePromoCode>(Events, Searchable),
    entry::<CreatePromoCodes>(Events, Searchable),
    entry::<ArchivePromoCode>(Events, Searchable),
    entry::<ListOrders>(Orders, Shown),
    entry::<GetOrder>(Orders, Shown),
    entry::<PlaceOrder>(Orders, Shown),
    entry::<HoldTickets>(Orders, Searchable),
    entry::<GetHold>(Orders, Searchable),
    entry::<ExtendHold>(Orders, Searchable),
    entry::<ReleaseHold>(Orders, Searchable),
    entry::<ConfirmPayment>(Orders, Shown),
    entry::<CancelOrder>(Orders, Shown),
    entry::<StartCheckout>(Orders, Searchable),
    entry::<CheckPayment>(Orders, Searchable),
    entry::<RefundOrder>(Orders, Searchable),
    entry::<MatchBankStatement>(Orders, Searchable),
    entry::<ExpireOrder>(Orders, Operators),
    entry::<ReconcilePayments>(Orders, Operators),
    entry::<IssueTickets>(Attendees, Searchable),
    entry::<FindTicket>(Attendees, Searchable),
    entry::<VoidTicket>(Attendees, Searchable),
    entry::<ListAttendees>(Attendees, Shown),
    entry::<CheckIn>(Attendees, Shown),
    entry::<UndoCheckIn>(Attendees, Searchable),
    entry::<GetDoorStatus>(Attendees, Searchable),
    entry::<ListEventsToErase>(Attendees, Searchable),
    entry::<ErasePersonalData>(Attendees, Searchable),
    entry::<SendMessage>(Messages, Searchable),
    entry::<PreviewMessage>(Messages, Searchable),
    entry::<SendTestMessage>(Messages, Searchable),
    entry::<QueueMessage>(Messages, Operators),
    entry::<ListMessageTemplates>(Messages, Searchable),
    entry::<SaveMessageTemplate>(Messages, Searchable),
    entry::<ListMessages>(Messages, Searchable),
    entry::<GetMessage>(Messages, Searchable),
    entry::<RetryMessage>(Messages, Searchable),
    entry::<CancelMessage>(Messages, Searchable),
    entry::<ListSuppressions>(Messages, Searchable),
    entry::<SaveSuppression>(Messages, Searchable),
    entry::<RemoveSuppression>(Messages, Searchable),
    entry::<SaveWebhookEndpoint>(Messages, Operators),
    entry::<ListWebhookEndpoints>(Messages, Searchable),
    entry::<ListWebhookDeliveries>(Messages, Searchable),
    entry::<ReplayWebhookDelivery>(Messages, Searchable),
    entry::<GetSalesReport>(Reports, Shown),
    entry::<GetSettlement>(Reports, Searchable),
    entry::<GetSurveyResults>(Reports, Searchable),
    entry::<ListWorkflows>(Workflows, Searchable),
    entry::<GetWorkflow>(Workflows, Searchable),
    entry::<SaveWorkflow>(Workflows, Searchable),
    entry::<DryRunWorkflow>(Workflows, Searchable),
    entry::<EnableWorkflow>(Workflows, Searchable),
    entry::<DisableWorkflow>(Workflows, Searchable),
    entry::<StartWorkflow>(Workflows, Searchable),
    entry::<ListWorkflowRuns>(Workflows, Searchable),
    entry::<GetWorkflowRun>(Workflows, Searchable),
    entry::<CancelWorkflowRun>(Workflows, Searchable),
    entry::<PauseWorkflowRun>(Workflows, Searchable),
    entry::<ResumeWorkflowRun>(Workflows, Searchable),
    entry::<RetryWorkflowRun>(Workflows, Searchable),
    entry::<SkipWorkflowStep>(Workflows, Searchable),
    entry::<SetRunVariables>(Workflows, Searchable),
    entry::<MoveWorkflowRun>(Workflows, Searchable),
    entry::<CreateWorkflowWebhook>(Workflows, Operators),
    entry::<RevokeWorkflowWebhook>(Workflows, Operators),
    entry::<SyncLibrary>(Workflows, Operators),
    entry::<ListApprovals>(Workflows, Searchable),
    entry::<GetApproval>(Workflows, Searchable),
    entry::<RequestApproval>(Workflows, Operators),
    entry::<DecideApproval>(Workflows, Operators),
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
