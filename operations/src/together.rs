//! Requests for one event that come at the same time share a transaction, and each gets an answer of its own.
//!
//! Whoever comes while nobody is being served is served at once. Whoever comes meanwhile is in the next transaction,
//! with all who came meanwhile, in the order they came. Nobody waits for a clock, so a quiet event costs nothing; and the
//! more people rush in, the more of them share a commit and one turn at the pools' counters.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Cx, EventId, OrganizationId};
use sqlx::PgConnection;
use store::StoreError;
use tokio::sync::oneshot;

use crate::{
    App,
    events::{self, Event},
};

/// A request that can be served together with others of its kind for the same event.
pub(crate) trait Together: Clone + Send + Sync + 'static {
    /// What each is answered.
    type Answer: Send + 'static;
    /// How each may be refused.
    type Error: From<StoreError> + Send + 'static;

    /// Where those of this kind queue up.
    fn counters(app: &App) -> &Counters<Self>;

    /// Serves one in a transaction of its own.
    fn alone(
        &self,
        app: &App,
        cx: &Cx,
        event: EventId,
    ) -> impl Future<Output = Outcome<Self>> + Send;

    /// Serves several in one transaction; an outcome for each, in their order.
    fn together(
        app: &App,
        event: EventId,
        waiting: &[Waiting<Self>],
    ) -> impl Future<Output = Result<Vec<Outcome<Self>>, Apart>> + Send;
}

/// What one is answered.
pub(crate) type Outcome<R> = Result<<R as Together>::Answer, <R as Together>::Error>;

/// Somebody who waits for an answer.
pub(crate) struct Waiting<R: Together> {
    /// Who asks.
    pub(crate) cx: Cx,
    /// What for.
    pub(crate) wanted: R,
    answer: oneshot::Sender<Outcome<R>>,
}

impl<R: Together> Waiting<R> {
    /// Whether nobody wants the answer any more.
    fn is_gone(&self) -> bool {
        self.answer.is_closed() || self.cx.is_cancelled()
    }
}

/// Where people queue up: an event, of the organization they ask for. Whoever asks for another organization's event
/// stands in a queue of their own, and is told that there is none.
type Place = (OrganizationId, EventId);

/// Who waits for which event. It is listed while somebody serves it.
pub(crate) struct Counters<R: Together>(Arc<Mutex<Queues<R>>>);

type Queues<R> = HashMap<Place, VecDeque<Waiting<R>>>;

impl<R: Together> Clone for Counters<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: Together> Default for Counters<R> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<R: Together> Counters<R> {
    fn open(&self) -> MutexGuard<'_, Queues<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues up; hands back whoever finds nobody serving, and so has to be served by the caller.
    fn queue(&self, place: Place, waiting: Waiting<R>) -> Option<Waiting<R>> {
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
struct Serving<R: Together> {
    counters: Counters<R>,
    place: Place,
    is_over: bool,
}

impl<R: Together> Serving<R> {
    /// The next to be served; when there are none the counter is closed.
    fn next(&mut self, most: usize) -> Vec<Waiting<R>> {
        let mut counters = self.counters.open();
        let next: Vec<Waiting<R>> = counters
            .get_mut(&self.place)
            .map_or_else(Vec::new, |queue| {
                let count = queue.len().min(most);
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

impl<R: Together> Drop for Serving<R> {
    fn drop(&mut self) {
        if !self.is_over {
            self.counters.open().remove(&self.place);
        }
    }
}

/// Serves a request, together with whatever else of its kind is wanted of the event at this moment.
pub(crate) async fn serve<R: Together>(
    app: &App,
    cx: &Cx,
    event: EventId,
    wanted: &R,
) -> Outcome<R> {
    if app.most_together() == 1 || !store::may_share(cx) {
        return wanted.alone(app, cx, event).await;
    }
    let (answer, answered) = oneshot::channel();
    let waiting = Waiting {
        cx: cx.clone(),
        wanted: wanted.clone(),
        answer,
    };
    let place = (cx.organization_id, event);
    if let Some(first) = R::counters(app).queue(place, waiting) {
        let app = app.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "everybody it serves waits for it; it must not end with the request of the one who began it"
        )]
        tokio::spawn(async move { serve_all(&app, place, vec![first]).await });
    }
    let lost = || StoreError::CommitUnknown(sqlx::Error::WorkerCrashed);
    answered.await.unwrap_or_else(|_| Err(lost().into()))
}

async fn serve_all<R: Together>(app: &App, place: Place, first: Vec<Waiting<R>>) {
    let (_, event) = place;
    let mut serving = Serving {
        counters: R::counters(app).clone(),
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
            _ => match R::together(app, event, &next).await {
                Ok(outcomes) => {
                    let mut outcomes = outcomes.into_iter();
                    answer(next, || outcomes.next().expect("one for each"));
                }
                Err(Apart::OneByOne) => each(app, event, next).await,
                Err(Apart::Failed(failure)) => answer(next, || Err(failure().into())),
            },
        }
        next = serving.next(app.most_together());
    }
}

fn answer<R: Together>(waiting: Vec<Waiting<R>>, mut outcome: impl FnMut() -> Outcome<R>) {
    for Waiting { answer, .. } in waiting {
        // Whoever has gone away meanwhile does not hear it.
        let _ = answer.send(outcome());
    }
}

async fn each<R: Together>(app: &App, event: EventId, waiting: Vec<Waiting<R>>) {
    for Waiting { cx, wanted, answer } in waiting {
        let outcome = wanted.alone(app, &cx, event).await;
        let _ = answer.send(outcome);
    }
}

/// Why several could not be served in one transaction; nothing of it was kept.
pub(crate) enum Apart {
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

/// Shares the event with everybody who buys, until the transaction ends.
pub(crate) async fn share<R: Together>(
    conn: &mut PgConnection,
    waiting: &[Waiting<R>],
    event: EventId,
) -> Result<Event, Apart> {
    let event = events::share(conn, &waiting[0].cx, &event.into()).await;
    // Not found, most likely: each is told so by itself.
    let event = event.map_err(|_| Apart::OneByOne)?;
    // What is there for the first may not be there for another.
    if waiting.iter().all(|one| events::shows(&one.cx, &event)) {
        return Ok(event);
    }
    Err(Apart::OneByOne)
}

/// What is to be written for those that are not refused.
pub(crate) fn done<'a, R: Together, N>(
    waiting: &'a [Waiting<R>],
    outcomes: &'a [Result<N, R::Error>],
) -> Vec<(&'a Cx, &'a N)> {
    let pairs = waiting.iter().zip(outcomes);
    let done = pairs.filter_map(|(waiting, outcome)| Some((&waiting.cx, outcome.as_ref().ok()?)));
    done.collect()
}
