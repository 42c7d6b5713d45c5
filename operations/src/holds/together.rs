//! Holds of one event that are wanted at the same time share a transaction, and each gets an answer of its own.
//!
//! Whoever comes while nobody is being served is served at once. Whoever comes meanwhile is in the next transaction,
//! with all who came meanwhile, in the order they came. Nobody waits for a clock, so a quiet event costs nothing; and the
//! more people rush in, the more of them share a commit and one turn at the pools' counters.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{CapacityPoolId, Cx, EventId, OrganizationId, Recorded};
use store::{Part, StoreError};
use tokio::sync::oneshot;

use super::{
    hold_tickets::{HoldTickets, HoldTicketsError, New},
    model::Hold,
    sql,
};
use crate::{
    App, events,
    inventory::{self, Places, Shortage, Step},
    ticket_types::{self, Basket, Offer},
};

/// The most that share a transaction: enough to make the commit cheap for each, few enough to be over soon.
const MOST: usize = 64;

type Outcome = Result<Hold, HoldTicketsError>;

/// Somebody who waits for an answer.
struct Waiting {
    cx: Cx,
    wanted: HoldTickets,
    answer: oneshot::Sender<Outcome>,
}

impl Waiting {
    /// Whether nobody wants the answer any more.
    fn is_gone(&self) -> bool {
        self.answer.is_closed() || self.cx.is_cancelled()
    }
}

/// Where people queue up: an event, of the organization they ask for. Whoever asks for another organization's event
/// stands in a queue of their own, and is told that there is none.
type Place = (OrganizationId, EventId);

/// Who waits for which event. It is listed while somebody serves it.
#[derive(Clone, Default)]
pub(crate) struct Counters(Arc<Mutex<HashMap<Place, VecDeque<Waiting>>>>);

impl Counters {
    fn open(&self) -> MutexGuard<'_, HashMap<Place, VecDeque<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues up; hands back whoever finds nobody serving, and so has to be served by the caller.
    fn queue(&self, place: Place, waiting: Waiting) -> Option<Waiting> {
        let mut counters = self.open();
        if let Some(queue) = counters.get_mut(&place) {
            queue.push_back(waiting);
            return None;
        }
        counters.insert(place, VecDeque::new());
        Some(waiting)
    }
}

/// Somebody serves an event. Whatever happens to them the counter is closed, and those who wait hear that it failed.
struct Serving {
    counters: Counters,
    place: Place,
    is_over: bool,
}

impl Serving {
    /// The next to be served; when there are none the counter is closed.
    fn next(&mut self) -> Vec<Waiting> {
        let mut counters = self.counters.open();
        let next: Vec<Waiting> = counters
            .get_mut(&self.place)
            .map_or_else(Vec::new, |queue| {
                let count = queue.len().min(MOST);
                queue.drain(..count).collect()
            });
        if next.is_empty() {
            counters.remove(&self.place);
            // From here on somebody else may open it again.
            self.is_over = true;
        }
        next
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if !self.is_over {
            self.counters.open().remove(&self.place);
        }
    }
}

/// Holds tickets of an event, together with whoever else wants some at this moment.
pub(super) async fn hold(app: &App, cx: &Cx, event: EventId, wanted: &HoldTickets) -> Outcome {
    if !store::may_share(cx) {
        return wanted.hold(app, cx, event).await;
    }
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting {
        cx: cx.clone(),
        wanted: wanted.clone(),
        answer,
    };
    let place = (cx.organization_id, event);
    if let Some(first) = app.counters().queue(place, waiting) {
        let app = app.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "everybody it serves waits for it; it must not end with the request of the one who began it"
        )]
        tokio::spawn(async move { serve(&app, place, vec![first]).await });
    }
    let lost = || StoreError::CommitUnknown(sqlx::Error::WorkerCrashed);
    answered.await.unwrap_or_else(|_| Err(lost().into()))
}

async fn serve(app: &App, place: Place, first: Vec<Waiting>) {
    let (_, event) = place;
    let mut serving = Serving {
        counters: app.counters().clone(),
        place,
        is_over: false,
    };
    let mut next = first;
    while !next.is_empty() {
        let (gone, here) = next.into_iter().partition(Waiting::is_gone);
        next = here;
        answer(gone, || Err(StoreError::Cancelled.into()));
        match &next[..] {
            [] => {}
            [_] => each(app, event, next).await,
            _ => match together(app, event, &next).await {
                Ok(outcomes) => {
                    let mut outcomes = outcomes.into_iter();
                    answer(next, || outcomes.next().expect("one for each"));
                }
                Err(Apart::OneByOne) => each(app, event, next).await,
                Err(Apart::Failed(failure)) => answer(next, || Err(failure().into())),
            },
        }
        next = serving.next();
    }
}

fn answer(waiting: Vec<Waiting>, mut outcome: impl FnMut() -> Outcome) {
    for Waiting { answer, .. } in waiting {
        // Whoever has gone away meanwhile does not hear it.
        let _ = answer.send(outcome());
    }
}

async fn each(app: &App, event: EventId, waiting: Vec<Waiting>) {
    for Waiting { cx, wanted, answer } in waiting {
        let outcome = wanted.hold(app, &cx, event).await;
        let _ = answer.send(outcome);
    }
}

/// Why several could not be served in one transaction; nothing of it was kept.
enum Apart {
    /// One of them stands in the way of the others.
    OneByOne,
    /// The same happens to all of them.
    Failed(fn() -> StoreError),
}

impl From<StoreError> for Apart {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                Self::Failed(|| StoreError::Unavailable(sqlx::Error::WorkerCrashed))
            }
            // Once more could be twice.
            StoreError::CommitUnknown(_) => {
                Self::Failed(|| StoreError::CommitUnknown(sqlx::Error::WorkerCrashed))
            }
            _ => Self::OneByOne,
        }
    }
}

impl From<sqlx::Error> for Apart {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// Serves several in one transaction.
async fn together(app: &App, event: EventId, waiting: &[Waiting]) -> Result<Vec<Outcome>, Apart> {
    let cx = &waiting[0].cx;
    let mut tx = app.store().write_together(cx).await?;
    let event = events::share(tx.conn(), cx, &event.into()).await;
    // Not found, most likely: each is told so by itself.
    let event = event.map_err(|_| Apart::OneByOne)?;
    let offers = ticket_types::offers(tx.conn(), event.id).await?;
    let mut left = Left::of(&offers);
    let outcomes: Vec<Result<New, HoldTicketsError>> = waiting
        .iter()
        .map(|Waiting { cx, wanted, .. }| {
            let basket = Basket::fill(cx, &event, &offers, &wanted.picks())?;
            left.take(&offers, &basket)?;
            Ok(New::of(app, cx, &event, basket))
        })
        .collect();
    let new: Vec<(&Cx, &New)> = waiting
        .iter()
        .zip(&outcomes)
        .filter_map(|(waiting, outcome)| Some((&waiting.cx, outcome.as_ref().ok()?)))
        .collect();
    if !new.is_empty() {
        sql::insert(tx.conn(), &new).await?;
        let parts = new.iter().map(|&(cx, new)| Part {
            cx,
            change: Recorded::of(&new.change()),
            answer: serde_json::to_value(new.seen(cx)).expect("an answer is plain data"),
        });
        let parts: Vec<Part<'_>> = parts.collect();
        tx.record(&parts).await?;
        let moved = inventory::move_places(tx.conn(), Step::Hold, &left.taken).await?;
        // Somebody outside was faster.
        moved.map_err(|_| Apart::OneByOne)?;
        tx.commit(&parts).await?;
    }
    let seen =
        |(waiting, outcome): (&Waiting, Result<New, _>)| outcome.map(|new| new.seen(&waiting.cx));
    Ok(waiting.iter().zip(outcomes).map(seen).collect())
}

/// What is left while places are given out to one after the other. Nothing is promised yet: the pools decide.
struct Left {
    of: HashMap<CapacityPoolId, Option<i32>>,
    taken: Places,
}

impl Left {
    fn of(offers: &[Offer]) -> Self {
        let pools = offers.iter().flat_map(Offer::pools);
        Self {
            of: pools.map(|pool| (pool.id, pool.left())).collect(),
            taken: Places::new(),
        }
    }

    fn take(&mut self, offers: &[Offer], basket: &Basket) -> Result<(), HoldTicketsError> {
        let wanted = ticket_types::places(offers, &basket.counts());
        for (&pool_id, &count) in &wanted {
            if let Some(left) = self.of[&pool_id].filter(|left| *left < count) {
                let shortage = Shortage { pool_id, left };
                return Err(basket.sold_out(offers, &wanted, shortage).into());
            }
        }
        for (pool_id, count) in wanted {
            if let Some(Some(left)) = self.of.get_mut(&pool_id) {
                *left -= count;
            }
            let taken = self.taken.entry(pool_id).or_default();
            *taken = taken.saturating_add(count);
        }
        Ok(())
    }
}
