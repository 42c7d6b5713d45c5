//! Taking seats, for whoever holds places or orders them.

mod sql;

use std::collections::{HashMap, HashSet};

use domain::{Cx, EventId, HoldId, OrderId, SeatId, SeatMapId, SeatSectionId, TicketTypeId};
use sqlx::PgConnection;

use super::{
    best::{self, Place},
    errors::SeatError,
    labels,
    model::{SeatKind, SeatRow},
    sql as seating,
};

use sql::NewClaim;

#[cfg(any(test, feature = "testing"))]
pub(crate) use sql::discrepancies;
pub(super) use sql::{claim, unblock};
pub(crate) use sql::{of_hold, of_order, to_tickets};

/// Who is to have seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A hold that was just written.
    Hold(HoldId),
    /// An order that was just written, or is locked.
    Order(OrderId),
}

/// Seats of one ticket type.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) ticket_type_id: TicketTypeId,
    /// What the ticket type is called.
    pub(crate) name: String,
    pub(crate) quantity: i32,
    /// Which ones, as people wrote them; the best available when empty.
    pub(crate) seats: Vec<String>,
    /// How many of them are for people who need accessible ones.
    pub(crate) accessible: i32,
}

impl Wish {
    /// The best available seats.
    pub(crate) fn best(ticket_type_id: TicketTypeId, name: &str, quantity: i32) -> Self {
        Self {
            ticket_type_id,
            name: name.to_owned(),
            quantity,
            seats: Vec::new(),
            accessible: 0,
        }
    }

    fn count(&self) -> usize {
        usize::try_from(self.quantity).unwrap_or_default()
    }

    /// What can be said without looking anything up, once it is known whether there are seats at all.
    pub(crate) fn check(&self, is_seated: bool) -> Result<(), SeatError> {
        if !is_seated {
            let asks = !self.seats.is_empty() || self.accessible != 0;
            return if asks {
                Err(SeatError::NotSeated(self.name.clone()))
            } else {
                Ok(())
            };
        }
        let unclear = self.accessible != 0 && !self.seats.is_empty();
        if unclear || !(0..=self.quantity).contains(&self.accessible) {
            return Err(SeatError::AccessibleUnclear {
                accessible: self.accessible,
                quantity: self.quantity,
                named: self.seats.len(),
            });
        }
        Ok(())
    }
}

/// What was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The names of the seats, in the order of the house.
    pub(crate) seats: Vec<String>,
    /// Whether a group that named none does not sit side by side.
    pub(crate) are_apart: bool,
}

/// How often others may be quicker before somebody is told so. They are only quicker by naming seats.
const MOST_TRIES: usize = 20;

/// Takes the seats of those wishes that are for ticket types with seats. The event must be shared.
///
/// Whoever names none waits for their turn first, because everybody would find the same seats; whoever names some does
/// not, and the index decides. Each try is undone as a whole when somebody was quicker, so nobody keeps a seat while
/// waiting for another.
pub(crate) async fn take(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    owner: Owner,
    wishes: &[Wish],
) -> Result<Taken, SeatError> {
    let Some(map) = seating::map_of(conn, event).await? else {
        return Ok(Taken::default());
    };
    let sold = Sold::read(conn, event).await?;
    let wishes: Vec<&Wish> = wishes
        .iter()
        .filter(|wish| sold.0.contains_key(&wish.ticket_type_id))
        .collect();
    if wishes.is_empty() {
        return Ok(Taken::default());
    }
    if wishes.iter().any(|wish| wish.seats.is_empty()) {
        seating::take_turn(conn, event).await?;
    }
    let sections = sold.sections_of(&wishes);
    for _ in 0..MOST_TRIES {
        let seats = seating::seats(conn, map, Some(event), Some(&sections)).await?;
        let picked = Picked::of(&seats, &sold, &wishes)?;
        let claims = picked.claims(&seats, owner);
        sql::begin_try(conn).await?;
        let taken = sql::claim(conn, cx, event, map, &claims).await?;
        if taken.len() == claims.len() {
            if let Owner::Hold(hold) = owner {
                sql::mark_seated(conn, hold).await?;
            }
            return Ok(picked.taken(&seats));
        }
        sql::undo_try(conn).await?;
        picked.check_named(&seats, &taken)?;
    }
    Err(SeatError::SoldOut {
        name: wishes[0].name.clone(),
        wanted: wishes[0].count(),
        left: 0,
    })
}

/// Takes the very seats that an order had when it ended, for one whose money came in late; false if others have one of
/// them by now. An order that had none, of an event without seats, needs none.
pub(crate) async fn take_anew(
    conn: &mut PgConnection,
    cx: &Cx,
    event: EventId,
    order: OrderId,
    counts: &[(TicketTypeId, i32)],
) -> sqlx::Result<bool> {
    let Some(map) = seating::map_of(conn, event).await? else {
        return Ok(true);
    };
    let sold = Sold::read(conn, event).await?;
    let seated = counts.iter().filter(|(kind, _)| sold.0.contains_key(kind));
    let wanted: i32 = seated.map(|(_, count)| count).sum();
    let lost: HashMap<SeatId, TicketTypeId> = sql::lost(conn, order).await?.into_iter().collect();
    if i32::try_from(lost.len()) != Ok(wanted) {
        return Ok(false);
    }
    let claims: Vec<NewClaim> = lost
        .into_iter()
        .map(|(seat, kind)| NewClaim {
            seat,
            kind: Some(kind),
            hold: None,
            order: Some(order),
        })
        .collect();
    let taken = sql::claim(conn, cx, event, map, &claims).await?;
    Ok(taken.len() == claims.len())
}

/// Which sections ticket types sell.
struct Sold(HashMap<TicketTypeId, HashSet<SeatSectionId>>);

impl Sold {
    async fn read(conn: &mut PgConnection, event: EventId) -> sqlx::Result<Self> {
        let mut sold = HashMap::<_, HashSet<_>>::new();
        for (kind, section, _) in seating::sections_of(conn, event).await? {
            sold.entry(kind).or_default().insert(section);
        }
        Ok(Self(sold))
    }

    fn sections_of(&self, wishes: &[&Wish]) -> Vec<SeatSectionId> {
        let of = |wish: &&Wish| {
            self.0
                .get(&wish.ticket_type_id)
                .into_iter()
                .flatten()
                .copied()
        };
        let sections: HashSet<SeatSectionId> = wishes.iter().flat_map(of).collect();
        sections.into_iter().collect()
    }
}

/// Which seats, by their places in the list, with what they are taken as, and whether they were named.
struct Picked {
    seats: Vec<(usize, TicketTypeId, bool)>,
    are_apart: bool,
}

impl Picked {
    /// Named seats first: what was asked for by name is not given to somebody who takes any.
    fn of(seats: &[SeatRow], sold: &Sold, wishes: &[&Wish]) -> Result<Self, SeatError> {
        let mut picked = Self {
            seats: Vec::new(),
            are_apart: false,
        };
        for wish in wishes.iter().filter(|wish| !wish.seats.is_empty()) {
            picked.named(seats, sold, wish)?;
        }
        for wish in wishes.iter().filter(|wish| wish.seats.is_empty()) {
            picked.best(seats, sold, wish)?;
        }
        Ok(picked)
    }

    fn named(&mut self, seats: &[SeatRow], sold: &Sold, wish: &Wish) -> Result<(), SeatError> {
        let is_sold = |seat: &SeatRow| sold.0[&wish.ticket_type_id].contains(&seat.section_id);
        let for_what = format!("for {} tickets", wish.name);
        let found = find(seats, &wish.seats, &for_what, is_sold)?;
        if found.len() != wish.count() {
            return Err(SeatError::CountDiffers {
                named: found.len(),
                quantity: wish.quantity,
            });
        }
        let taken = found.iter().filter(|at| seats[**at].is_taken);
        let taken: Vec<String> = taken.map(|at| seats[*at].name()).collect();
        if !taken.is_empty() {
            return Err(SeatError::Taken(taken));
        }
        for at in found {
            if self.has(at) {
                return Err(SeatError::NamedTwice(seats[at].name()));
            }
            self.seats.push((at, wish.ticket_type_id, true));
        }
        Ok(())
    }

    fn best(&mut self, seats: &[SeatRow], sold: &Sold, wish: &Wish) -> Result<(), SeatError> {
        let sections = &sold.0[&wish.ticket_type_id];
        let places: Vec<(usize, Place)> = (seats.iter().enumerate())
            .filter(|(_, seat)| sections.contains(&seat.section_id))
            .map(|(at, seat)| (at, self.place(at, seat)))
            .collect();
        let house: Vec<Place> = places.iter().map(|(_, place)| *place).collect();
        let accessible = usize::try_from(wish.accessible).unwrap_or_default();
        let Some(choice) = best::choose(&house, wish.count(), accessible) else {
            return Err(too_few(wish, &house, accessible));
        };
        self.are_apart |= choice.is_apart;
        for at in choice.places {
            self.seats.push((places[at].0, wish.ticket_type_id, false));
        }
        Ok(())
    }

    fn place(&self, at: usize, seat: &SeatRow) -> Place {
        Place {
            section: seat.section_position,
            row: seat.row_position,
            position: seat.position,
            kind: seat.kind,
            is_free: !seat.is_taken && !self.has(at),
        }
    }

    fn has(&self, at: usize) -> bool {
        self.seats.iter().any(|(other, ..)| *other == at)
    }

    fn claims(&self, seats: &[SeatRow], owner: Owner) -> Vec<NewClaim> {
        let (hold, order) = match owner {
            Owner::Hold(hold) => (Some(hold), None),
            Owner::Order(order) => (None, Some(order)),
        };
        let claim = |(at, kind, _): &(usize, TicketTypeId, bool)| NewClaim {
            seat: seats[*at].id,
            kind: Some(*kind),
            hold,
            order,
        };
        self.seats.iter().map(claim).collect()
    }

    /// Refuses if a named seat is not among those that could be taken; others can be found anew.
    fn check_named(&self, seats: &[SeatRow], taken: &[SeatId]) -> Result<(), SeatError> {
        let lost = |(at, _, named): &&(usize, TicketTypeId, bool)| {
            *named && !taken.contains(&seats[*at].id)
        };
        let lost: Vec<String> = self
            .seats
            .iter()
            .filter(lost)
            .map(|(at, ..)| seats[*at].name())
            .collect();
        if lost.is_empty() {
            Ok(())
        } else {
            Err(SeatError::Taken(lost))
        }
    }

    fn taken(&self, seats: &[SeatRow]) -> Taken {
        let mut places: Vec<usize> = self.seats.iter().map(|(at, ..)| *at).collect();
        places.sort_unstable();
        Taken {
            seats: places.into_iter().map(|at| seats[at].name()).collect(),
            are_apart: self.are_apart,
        }
    }
}

fn too_few(wish: &Wish, house: &[Place], accessible: usize) -> SeatError {
    let open = |place: &&Place| place.is_free && place.kind == SeatKind::Accessible;
    let open = house.iter().filter(open).count();
    if open < accessible {
        return SeatError::NoneAccessible {
            name: wish.name.clone(),
            wanted: accessible,
            left: open,
        };
    }
    SeatError::SoldOut {
        name: wish.name.clone(),
        wanted: wish.count(),
        left: best::free(house),
    }
}

/// Which of some seats are meant by `Stalls A 12` or `Stalls A 12-15`.
pub(super) fn find(
    seats: &[SeatRow],
    given: &[String],
    for_what: &str,
    is_offered: impl Fn(&SeatRow) -> bool,
) -> Result<Vec<usize>, SeatError> {
    let mut found = Vec::new();
    for text in given {
        let unknown = |candidates| SeatError::Unknown {
            given: text.clone(),
            for_what: for_what.to_owned(),
            candidates,
        };
        let Some((section, row, labels)) = labels::split(text) else {
            return Err(unknown(Vec::new()));
        };
        let is = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        let in_row: Vec<usize> = (0..seats.len())
            .filter(|at| {
                let seat = &seats[*at];
                is_offered(seat) && is(&seat.section, &section) && is(&seat.row_label, &row)
            })
            .collect();
        for label in labels {
            let at = in_row.iter().find(|at| is(&seats[**at].label, &label));
            let at = *at.ok_or_else(|| unknown(near(seats, &in_row)))?;
            if found.contains(&at) {
                return Err(SeatError::NamedTwice(seats[at].name()));
            }
            found.push(at);
        }
    }
    Ok(found)
}

/// Free seats of the row that was meant.
fn near(seats: &[SeatRow], in_row: &[usize]) -> Vec<domain::fault::Candidate> {
    let free = in_row
        .iter()
        .map(|at| &seats[*at])
        .filter(|seat| !seat.is_taken);
    let candidate = |seat: &SeatRow| domain::fault::Candidate {
        id: seat.name(),
        name: seat.name(),
    };
    free.take(5).map(candidate).collect()
}

/// What [`crate::seats`] blocks: claims that nobody has.
pub(super) fn blocks(seats: &[SeatId]) -> Vec<NewClaim> {
    let block = |seat: &SeatId| NewClaim {
        seat: *seat,
        kind: None,
        hold: None,
        order: None,
    };
    seats.iter().map(block).collect()
}

/// The map of an event that has one.
pub(super) async fn map_of(
    conn: &mut PgConnection,
    event: EventId,
    title: &str,
) -> Result<SeatMapId, SeatError> {
    let map = seating::map_of(conn, event).await?;
    map.ok_or_else(|| SeatError::NoSeating(title.to_owned()))
}
