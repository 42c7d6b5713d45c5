//! Every kind of change there is, in one place: what workflows start from and wait for, and what subscribers hear of.
//! A test compares it with the `KIND`s in the code; `docs/changes.md` lists the kinds with their fields.

/// Kinds with a sentence on when they happen, by subject.
pub const KINDS: &[(&str, &str)] = &[
    (
        "approval.decided",
        "A person approved or rejected what was asked.",
    ),
    (
        "approval.expired",
        "Nobody decided in time what was asked; nothing is done.",
    ),
    (
        "approval.requested",
        "Something waits for a person's decision.",
    ),
    (
        "change_set.applied",
        "Several changes that a person agreed to as one were made together; each of them is a change of its own, too.",
    ),
    ("check_in.admitted", "A ticket's holder was let in."),
    ("check_in.refused", "A scan at the door was refused."),
    ("check_in.undone", "A check-in was taken back."),
    (
        "conversation.answered",
        "An agent's turn in a conversation is over.",
    ),
    ("conversation.asked", "A person said something to an agent."),
    ("conversation.stopped", "A person stopped an agent."),
    (
        "credit_note.issued",
        "An invoice was taken back, or a part of it.",
    ),
    ("event.archived", "An event was put away."),
    ("event.cancelled", "An event will not take place."),
    (
        "event.created",
        "An event was created, from nothing or as a copy.",
    ),
    ("event.published", "An event went on sale."),
    (
        "event.seating_set",
        "An event got a seat map, or sells other sections of it, or has no reserved seats any more.",
    ),
    ("event.unpublished", "An event became a draft again."),
    (
        "event.updated",
        "An event's details changed, such as its time or venue.",
    ),
    (
        "event_refund.finished",
        "All orders of a cancelled event are called off.",
    ),
    (
        "event_refund.started",
        "All orders of a cancelled event are to be called off and refunded.",
    ),
    ("fee.saved", "A fee was added, changed or put away."),
    (
        "gift_card.redeemed",
        "An order was paid with a gift card, or a part of it.",
    ),
    (
        "gift_card.updated",
        "A gift card was blocked or freed, or can be used for longer or shorter.",
    ),
    (
        "gift_cards.issued",
        "Gift cards were issued: money that orders can be paid with.",
    ),
    (
        "hold.expired",
        "Places that were held were not ordered in time, and are free again.",
    ),
    ("hold.extended", "Somebody who buys got more time."),
    (
        "hold.placed",
        "Places were set aside for somebody who buys.",
    ),
    ("hold.released", "Places that were held were given back."),
    (
        "invoice.issued",
        "An invoice was issued for an order that was paid.",
    ),
    (
        "invoice_address.saved",
        "Whom an order's invoice is made out to was said.",
    ),
    (
        "invoicing.updated",
        "How the organization issues invoices changed.",
    ),
    ("member.removed", "A person left the team."),
    (
        "member.saved",
        "A person joined the team, or their details changed.",
    ),
    ("message.moved", "A message was called off or queued again."),
    ("message.queued", "Messages were queued."),
    ("message_template.saved", "A template got new words."),
    (
        "model_budget.set",
        "Somebody said what language models may cost.",
    ),
    ("order.cancelled", "An order was called off."),
    (
        "order.expired",
        "An order was not paid in time, and its places are free again.",
    ),
    (
        "order.paid",
        "An order was paid, or needed no payment, and its tickets were issued.",
    ),
    ("order.placed", "An order was placed."),
    (
        "order.reactivated",
        "An order that was cancelled, or ran out, counts again.",
    ),
    (
        "order.split",
        "Some tickets of an order became an order of their own.",
    ),
    (
        "order.tickets_cancelled",
        "Some tickets of an order were called off.",
    ),
    (
        "order.tickets_swapped",
        "Tickets of an order became tickets of another type.",
    ),
    ("organization.created", "The organization was founded."),
    (
        "organization.updated",
        "The organization's name or defaults changed.",
    ),
    (
        "payment.started",
        "A buyer was given a page of the payment provider to pay an order.",
    ),
    (
        "personal_data.erased",
        "The personal data of an event that is long over was erased.",
    ),
    ("pool.resized", "A capacity pool got another size."),
    (
        "pool.resumed",
        "A capacity pool that was stopped was counted anew, and sells again.",
    ),
    (
        "pool.stopped",
        "The counters of a capacity pool did not add up, so it sells nothing.",
    ),
    ("promo_code.archived", "A promo code was withdrawn."),
    (
        "promo_code.recounted",
        "The uses of a promo code did not add up, and were corrected.",
    ),
    (
        "promo_code.saved",
        "A promo code was added to an event, or changed.",
    ),
    (
        "promo_codes.created",
        "Promo codes for one use each were made.",
    ),
    (
        "refund.done",
        "Money was given back through the payment provider, or in its own pages.",
    ),
    (
        "refund.failed",
        "Money could not be given back; it is with the organizer.",
    ),
    (
        "refund.requested",
        "Money of an order is given back, by the payment provider or by the organizer.",
    ),
    ("seat_map.saved", "A seat map was drawn or renamed."),
    (
        "seats.blocked",
        "Seats of an event were kept out of the sale, or let into it again.",
    ),
    ("series.created", "An event became a series of dates."),
    ("suppression.removed", "An address gets mail again."),
    ("suppression.saved", "An address gets no more mail."),
    (
        "survey.answered",
        "Somebody said how an event was, or changed what they had said.",
    ),
    (
        "tax_rule.saved",
        "A tax rule was added, changed or put away.",
    ),
    ("tax_settings.saved", "Tax is charged in another way."),
    ("ticket.voided", "A ticket no longer admits anybody."),
    (
        "ticket_type.add_on_set",
        "A ticket type is only sold together with others from now on, or by itself.",
    ),
    ("ticket_type.archived", "A ticket type is no longer sold."),
    (
        "ticket_type.created",
        "A ticket type was added to an event.",
    ),
    (
        "ticket_type.tiers_set",
        "Ticket types are sold one after the other from now on.",
    ),
    (
        "ticket_type.updated",
        "A ticket type's details changed, such as its price.",
    ),
    ("token.created", "A bearer token was made."),
    ("token.revoked", "A bearer token stopped working."),
    ("venue.archived", "A venue was put away."),
    ("venue.created", "A venue was added."),
    ("venue.updated", "A venue's details changed."),
    (
        "waiting_room.joined",
        "Somebody takes a turn in the waiting room of an event.",
    ),
    (
        "waiting_room.let_in",
        "The turns of some who waited have come.",
    ),
    (
        "waiting_room.set",
        "An event is sold through a waiting room from now on, or without one.",
    ),
    (
        "waitlist.joined",
        "Somebody waits for a ticket type that is sold out.",
    ),
    (
        "waitlist.lapsed",
        "Somebody who waited did not take what was offered in time.",
    ),
    (
        "waitlist.left",
        "Somebody does not wait any more; what was offered to them is free.",
    ),
    (
        "waitlist.moved",
        "An organizer gave somebody who waits another priority.",
    ),
    (
        "waitlist.offered",
        "Places are held for somebody who waited.",
    ),
    (
        "webhook_delivery.replayed",
        "A delivery is to be made again.",
    ),
    (
        "webhook_endpoint.saved",
        "A program outside is told of changes, or of others.",
    ),
    ("workflow.disabled", "A workflow no longer starts."),
    (
        "workflow.emitted",
        "A workflow said something under a name of its own (`change.name`, `change.payload`).",
    ),
    (
        "workflow.enabled",
        "A workflow starts by itself from now on.",
    ),
    ("workflow.saved", "A version of a workflow was stored."),
    (
        "workflow_run.finished",
        "A run ended: done, skipped, dead (gave up) or cancelled.",
    ),
    ("workflow_run.started", "A run was started by hand."),
    (
        "workflow_run.steered",
        "A run was paused, resumed, retried, moved or given other values.",
    ),
    (
        "workflow_webhook.created",
        "A workflow got an address under which programs outside start it.",
    ),
    (
        "workflow_webhook.revoked",
        "The address of a workflow stopped working.",
    ),
];
