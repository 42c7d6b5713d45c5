//! Serving the waiting list of an event that is locked: nobody buys, frees a place, joins or leaves meanwhile.

use domain::{Cx, EventId, HoldId, Money, TicketTypeId, Timestamp};
use sqlx::PgConnection;
use store::WriteTx;

use super::{
    changes::{WaitlistLapsed, WaitlistOffered, Which},
    model::EntryRow,
    offer_places::{NotServed, OfferPlacesError, OfferedPlaces, OfferedTo, SavedFor},
    plan::{Turn, plan},
    sql,
};
use crate::{
    events::{Event, EventStatus},
    holds,
    inventory::{self, Moves, Step},
    messages::{OfferMail, tell_of_offers},
    people,
    seats::{self, Owner, Wish},
    taxes::{self, Pricing},
    ticket_types::{self, Basket, BasketError, Line, Offer, SaleState},
};

/// How an event is served.
#[derive(Debug, Clone, Copy)]
pub(super) struct Serving {
    /// How long offers live, at most.
    pub(super) hours: u16,
    /// How often people are passed over before places are saved up for them.
    pub(super) patience: i32,
    /// Which ticket type; all if none.
    pub(super) only: Option<TicketTypeId>,
}

/// An offer that is ready to be made.
struct Made<'a> {
    entry: &'a EntryRow,
    hold: holds::New,
    total: Money,
    until: Timestamp,
}

/// Writes down what became of the offers of an event, which is locked.
pub(super) async fn settle(tx: &mut WriteTx<'_>, event_id: EventId) -> sqlx::Result<()> {
    let cx = tx.cx();
    for entry in sql::settle(tx.conn(), cx, event_id).await? {
        tx.also(&WaitlistLapsed {
            which: Which::of(&entry),
        });
    }
    Ok(())
}

impl Serving {
    /// Offers what is free to those whose turn it is: a hold and a mail to each, or none of both. Adds to the answer.
    pub(super) async fn serve(
        self,
        tx: &mut WriteTx<'_>,
        event: &Event,
        answer: &mut OfferedPlaces,
    ) -> Result<(), OfferPlacesError> {
        let cx = tx.cx();
        settle(tx, event.id).await?;
        let offers = ticket_types::offers(tx.conn(), event.id).await?;
        answer
            .not_served
            .extend(not_served(tx.conn(), cx, event, &offers).await?);
        let sold: Vec<&Offer> = offers
            .iter()
            .filter(|offer| ticket_types::can_be_offered(cx, event, &offers, offer))
            .collect();
        let entries = sql::in_turn(tx.conn(), event.id).await?;
        let turns: Vec<Turn> = entries.iter().map(turn).collect();
        let plan = plan(&sold, self.only, &turns, self.patience);
        let passed = plan.passed_over.iter();
        let passed: Vec<_> = passed
            .map(|&(place, times)| (entries[place].id, times))
            .collect();
        sql::pass_over(tx.conn(), &passed).await?;
        for &(place, free) in &plan.saved_for {
            answer.saved_for.push(saved_for(&entries[place], free));
        }
        let pricing = taxes::pricing(tx.conn(), event.id).await?;
        let made = plan
            .served
            .iter()
            .map(|&place| self.make(cx, (event, &pricing), &sold, &entries[place]));
        let made: Vec<Made<'_>> = made.collect::<Result<_, _>>()?;
        answer.waiting_count += entries.len() - made.len();
        if made.is_empty() {
            return Ok(());
        }
        for one in &made {
            answer.offers.push(one.seen(cx, event));
        }
        carry_out(tx, event, &offers, &made).await
    }

    /// The offer to an entry whose ticket type is sold.
    fn make<'a>(
        self,
        cx: &Cx,
        (event, pricing): (&Event, &Pricing),
        sold: &[&Offer],
        entry: &'a EntryRow,
    ) -> Result<Made<'a>, BasketError> {
        let offer = sold.iter().find(|offer| offer.id == entry.ticket_type_id);
        let offer = offer.expect("the plan serves what is sold");
        let ends = [offer.sales_end_at, Some(event.starts_at)];
        let longest = cx.now.plus_seconds(i64::from(self.hours) * 3600);
        let until = ends.into_iter().flatten().fold(longest, Ord::min);
        // Limits per order may have changed since they joined: what they were let in with is what they get.
        let line = Line::of(offer, offer.price(), entry.quantity);
        let lines = vec![(line, offer.tax.as_ref())];
        let basket = Basket::charged(event.currency, pricing, lines, None)?;
        let total = basket.total;
        Ok(Made {
            entry,
            hold: holds::New::until(until, cx, event, basket),
            total,
            until,
        })
    }
}

impl Made<'_> {
    fn seen(&self, cx: &Cx, event: &Event) -> OfferedTo {
        OfferedTo {
            entry: self.entry.id,
            ticket_type: self.entry.ticket_type.clone(),
            quantity: self.entry.quantity,
            name: people::name_for(cx, &self.entry.name),
            email: people::email_for(cx, &self.entry.email),
            hold: self.hold.id(),
            total: self.total,
            until: self.until,
            until_local: self.until.in_zone(&event.zone),
        }
    }

    fn change(&self, event: &Event) -> WaitlistOffered {
        WaitlistOffered {
            which: Which::of(self.entry),
            hold_id: self.hold.id(),
            total: self.total,
            until: self.until,
            until_local: self.until.in_zone(&event.zone),
        }
    }

    fn mail(&self) -> OfferMail<'_> {
        OfferMail {
            entry_id: self.entry.id,
            hold_id: self.hold.id(),
            name: self.entry.name.as_str(),
            email: &self.entry.email,
            ticket_type: &self.entry.ticket_type,
            quantity: self.entry.quantity,
            total: self.total,
            until: self.until,
        }
    }
}

/// Writes offers, queues their mails, and takes the places.
async fn carry_out(
    tx: &mut WriteTx<'_>,
    event: &Event,
    offers: &[Offer],
    made: &[Made<'_>],
) -> Result<(), OfferPlacesError> {
    let cx = tx.cx();
    let new: Vec<_> = made.iter().map(|one| (cx, &one.hold)).collect();
    holds::insert(tx.conn(), &new).await?;
    for one in made {
        let entry = one.entry;
        let wish = Wish::best(entry.ticket_type_id, &entry.ticket_type, entry.quantity);
        let owner = Owner::Hold(one.hold.id());
        seats::take(tx.conn(), cx, event.id, owner, &[wish]).await?;
    }
    let offered: Vec<(_, HoldId)> = made
        .iter()
        .map(|one| (one.entry.id, one.hold.id()))
        .collect();
    sql::offer(tx.conn(), cx, &offered).await?;
    let mails: Vec<OfferMail<'_>> = made.iter().map(Made::mail).collect();
    tell_of_offers(tx.conn(), cx, event, &mails).await?;
    for one in made {
        tx.also(&one.change(event));
        tx.also(&one.hold.change());
    }
    let counts = made
        .iter()
        .map(|one| (one.entry.ticket_type_id, one.entry.quantity));
    let counts: Vec<_> = counts.collect();
    let moves = Moves::of(Step::Hold, &ticket_types::places(offers, &counts));
    let taken = inventory::move_places(tx.conn(), &moves).await?;
    // They were free when they were planned, and nobody has moved any since: the event is locked.
    taken.map_err(|_| sqlx::Error::RowNotFound.into())
}

fn turn(entry: &EntryRow) -> Turn {
    Turn {
        ticket_type_id: entry.ticket_type_id,
        quantity: entry.quantity,
        passed_over: entry.passed_over,
    }
}

fn saved_for(entry: &EntryRow, free: i32) -> SavedFor {
    SavedFor {
        entry: entry.id,
        ticket_type: entry.ticket_type.clone(),
        quantity: entry.quantity,
        free,
    }
}

/// What people wait for that cannot be offered, and why.
async fn not_served(
    conn: &mut PgConnection,
    cx: &Cx,
    event: &Event,
    offers: &[Offer],
) -> sqlx::Result<Vec<NotServed>> {
    let waiting = sql::waiting_by_type(conn, event.id).await?;
    let not_served = waiting.into_iter().filter_map(|(id, name, count)| {
        let offer = offers.iter().find(|offer| offer.id == id);
        Some(NotServed {
            event: event.title.clone(),
            ticket_type: name,
            waiting_count: count,
            why: why_not(cx, event, offers, offer)?,
        })
    });
    Ok(not_served.collect())
}

/// Why places cannot be offered, if so.
pub(super) fn why_not(
    cx: &Cx,
    event: &Event,
    offers: &[Offer],
    offer: Option<&Offer>,
) -> Option<String> {
    let why = match (event.status, offer) {
        (EventStatus::Published, _) if event.starts_at <= cx.now => {
            "the event has begun".to_owned()
        }
        (EventStatus::Published, None) => "it is archived".to_owned(),
        (EventStatus::Published, Some(offer)) if offer.is_add_on() => {
            "it is only sold together with other tickets".to_owned()
        }
        (EventStatus::Published, Some(offer)) => {
            match ticket_types::sale_state(cx, event, offers, offer, Offer::left) {
                SaleState::NextTier => "an earlier tier is sold first".to_owned(),
                SaleState::NotYet => "its sale has not begun".to_owned(),
                SaleState::Over => "its sale is over".to_owned(),
                SaleState::Stopped => {
                    "its sale is stopped until somebody has checked what was sold".to_owned()
                }
                SaleState::NotPublished | SaleState::OnSale | SaleState::SoldOut => return None,
            }
        }
        (status, _) => format!("the event is {status}"),
    };
    Some(why)
}
