//! How the demonstration's tickets sell: a spike after the announcement, a flat middle, a surge in the last week.

use std::ops::AddAssign;

use anyhow::Result;
use domain::{Cx, Timestamp};
use operations::{
    App,
    check_ins::CheckIn,
    orders::{
        Buyer, CancelOrder, ConfirmPayment, ItemRequest, OrderStatus, PlaceOrder, RefundChoice,
    },
};

use super::{
    at,
    people::{Chance, person},
    programme::Show,
};

const DAY: f64 = 24.0 * 3600.0;

/// What was sold.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Sold {
    pub(super) orders: u32,
    pub(super) cancelled: u32,
    pub(super) tickets: u32,
    pub(super) check_ins: u32,
}

impl AddAssign for Sold {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.cancelled += other.cancelled;
        self.tickets += other.tickets;
        self.check_ins += other.check_ins;
    }
}

/// Plays the sales of one event up to now, and its door if it is over.
pub(super) async fn sell(app: &App, owner: &Cx, show: &Show, now: Timestamp) -> Result<Sold> {
    let mut chance = Chance::seeded(show.seed);
    let mut times: Vec<Timestamp> = (0..show.demand)
        .map(|_| ordered_at(&mut chance, show))
        .collect();
    times.sort_unstable();
    times.retain(|at| *at < now);
    let mut sold = Sold::default();
    for ordered_at in times {
        sold += order(app, owner, show, ordered_at, now, &mut chance).await?;
    }
    Ok(sold)
}

/// When one order comes in: a quarter soon after the opening, a third in the last days, the rest in between.
fn ordered_at(chance: &mut Chance, show: &Show) -> Timestamp {
    let seconds = |from: Timestamp, to: Timestamp| {
        #[expect(clippy::cast_precision_loss, reason = "seconds of a year fit")]
        let seconds = (to.as_microseconds() - from.as_microseconds()) as f64 / 1e6;
        seconds
    };
    let span = seconds(show.opened_at, show.starts_at);
    let kind = chance.unit();
    let after = if kind < 0.25 {
        chance.exponential(3.0 * DAY)
    } else if kind < 0.67 {
        chance.unit() * span
    } else {
        span - chance.exponential(5.0 * DAY)
    };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to the time on sale"
    )]
    let after = after.clamp(60.0, span - 3600.0) as i64;
    show.opened_at.plus_seconds(after)
}

async fn order(
    app: &App,
    owner: &Cx,
    show: &Show,
    ordered_at: Timestamp,
    now: Timestamp,
    chance: &mut Chance,
) -> Result<Sold> {
    let mut share = chance.unit();
    let chosen = show.types.iter().find(|(_, s)| {
        share -= s;
        share < 0.0
    });
    let ticket_type = chosen.map_or(show.types[0].0, |(id, _)| *id);
    let quantity = *chance.pick(&[1, 1, 1, 2, 2, 2, 2, 2, 3, 4]);
    let (name, email) = person(chance);
    let place = PlaceOrder {
        event: show.event_id.into(),
        items: vec![ItemRequest {
            ticket_type: ticket_type.into(),
            quantity,
            attendees: Vec::new(),
        }],
        hold: None,
        promo_code: None,
        buyer: Buyer {
            name: name.parse()?,
            email: email.parse()?,
        },
        note: None,
    };
    let fate = chance.unit();
    let paid_after = chance.exponential(0.6 * DAY);
    let placed = match app.run(&at(owner, ordered_at), place).await {
        Ok(placed) => placed.order.order,
        // Sold out: as it happens.
        Err(_) => return Ok(Sold::default()),
    };
    let mut sold = Sold {
        orders: 1,
        ..Sold::default()
    };
    #[expect(clippy::cast_possible_truncation, reason = "a few days")]
    let paid_at = ordered_at
        .plus_seconds(paid_after as i64 + 120)
        .min(show.starts_at.plus_seconds(-600));
    if placed.status == OrderStatus::Pending && (fate < 0.03 || paid_at >= now) {
        return Ok(sold);
    }
    if placed.status == OrderStatus::Pending && fate < 0.05 {
        let cancel = CancelOrder {
            reason: Some("Changed their mind".parse()?),
            ..CancelOrder::of(placed.id.into())
        };
        app.run(&at(owner, paid_at), cancel).await?;
        sold.cancelled = 1;
        return Ok(sold);
    }
    let confirm = ConfirmPayment {
        reference: Some(format!("Transfer {}", placed.number).parse()?),
        ..ConfirmPayment::of(placed.id.into())
    };
    let paid = app.run(&at(owner, paid_at), confirm).await?;
    if fate > 0.98 {
        let cancel = CancelOrder {
            reason: Some("Cannot come".parse()?),
            refund: Some(RefundChoice::Full),
            ..CancelOrder::of(placed.id.into())
        };
        app.run(&at(owner, paid_at.plus_seconds(3600).min(now)), cancel)
            .await?;
        sold.cancelled = 1;
        return Ok(sold);
    }
    for ticket in &paid.order.tickets {
        sold.tickets += 1;
        if show.starts_at < now && chance.happens(0.55) {
            #[expect(clippy::cast_possible_truncation, reason = "minutes around the start")]
            let scanned_at = show
                .starts_at
                .plus_seconds((chance.unit() * 5400.0) as i64 - 3600);
            let gate = Some(chance.pick(&["Main entrance", "Side entrance"]).parse()?);
            let event = Some(show.event_id.into());
            let scan = CheckIn {
                ticket: ticket.id.into(),
                event,
                gate,
                device: None,
            };
            let admitted = app.run(&at(owner, scanned_at), scan).await?.admitted;
            sold.check_ins += u32::from(admitted);
        }
    }
    Ok(sold)
}
