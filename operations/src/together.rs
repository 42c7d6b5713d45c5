//! Requests for one event that come at the same time share a transaction, and each gets an answer of its own.
//!
//! Whoever comes while nobody is being served is served at once. Whoever comes meanwhile is in the next transaction,
//! with all who came meanwhile, in the order they came. Nobody waits for a clock, so a quiet event costs nothing; and the
//! more people rush in, the more of them share a commit and one turn at the pools' counters.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Cx, EventId, OrganizationId, Recorded};
use serde::Serialize;
use sqlx::PgConnection;
use store::{Part, StoreError, WriteTx};
use tokio::sync::oneshot;

use crate::{
    App,
    events::{self, Event},
    inventory::{self, Moves, Shortage, UseStep, Uses},
    lookup::LookupError,
    promo_codes::{self, PromoCodeError, Usable},
    seats::SeatError,
    taxes::{self, Pricing},
    ticket_types::{self, AppliedCode, Basket, BasketError, Left, Offer, Pick},
};

/// A request that can be served together with others of its kind for the same event. What is said here is what differs;
/// [`alone`] and [`together`] do what is the same for all: open a transaction, share the event, lock, prepare, write,
/// record, move the counters, commit.
pub(crate) trait Together: Clone + Send + Sync + 'static {
    /// What each is answered.
    type Answer: Serialize + Send + Sync + 'static;
    /// How each may be refused.
    type Error: From<StoreError>
        + From<sqlx::Error>
        + From<LookupError>
        + From<BasketError>
        + From<PromoCodeError>
        + From<SeatError>
        + Send
        + 'static;
    /// What is to be written for one that is not refused.
    type New: Send + Sync;
    /// What is locked before anything is prepared.
    type Locked: Send;

    /// Where those of this kind queue up.
    fn counters(app: &App) -> &Counters<Self>;

    /// The promo code that was given for what is picked.
    fn promo_code(&self) -> Option<&str>;

    /// Locks what those who ask name, such as holds, beside what is on sale.
    fn lock(
        conn: &mut PgConnection,
        offers: &[Offer],
        wanted: &[&Self],
    ) -> impl Future<Output = sqlx::Result<Self::Locked>> + Send;

    /// What is to be written, if it can be had beside what was prepared before. Nothing is written yet.
    fn prepare(
        &self,
        app: &App,
        cx: &Cx,
        sale: &mut Sale<'_, Self::Locked>,
    ) -> Result<Self::New, Self::Error>;

    /// Writes what was prepared for people of one organization, but for the counters; returns false when something that
    /// was made up, such as a number, was taken. What was written is then useless.
    fn write(
        conn: &mut PgConnection,
        new: &[(&Cx, &Self::New)],
    ) -> impl Future<Output = sqlx::Result<bool>> + Send;

    /// Takes the seats of what was written, where there are any. Only for one at a time: see [`together`].
    fn take_seats(
        conn: &mut PgConnection,
        cx: &Cx,
        offers: &[Offer],
        new: &mut Self::New,
    ) -> impl Future<Output = Result<(), SeatError>> + Send;

    /// Makes up anew what was taken.
    fn renew(new: &mut Self::New, cx: &Cx);

    /// What is recorded of it.
    fn changes(new: &Self::New) -> Vec<Recorded>;

    /// What is answered.
    fn answer(cx: &Cx, new: &Self::New) -> Self::Answer;

    /// The promo code it has, and how the use of that moves.
    fn uses(new: &Self::New) -> Option<(UseStep, &AppliedCode)>;

    /// How the counters of places move.
    fn moves(
        conn: &mut PgConnection,
        offers: &[Offer],
        new: &[(&Cx, &Self::New)],
    ) -> impl Future<Output = sqlx::Result<Moves>> + Send;

    /// The refusal of one whose places cannot be had.
    fn refusal(new: &Self::New, offers: &[Offer], shortage: Shortage) -> Self::Error;
}

/// What is sold while the event's row is shared.
pub(crate) struct Sale<'a, L> {
    pub(crate) event: &'a Event,
    pub(crate) offers: &'a [Offer],
    pub(crate) pricing: Pricing,
    pub(crate) locked: L,
    pub(crate) left: Left<'a>,
    pub(crate) codes: Usable,
}

impl<L> Sale<'_, L> {
    /// What is picked, at present prices or those of a promo code, if it can be had beside what was picked before.
    pub(crate) fn pick<E: From<BasketError> + From<PromoCodeError>>(
        &mut self,
        cx: &Cx,
        picks: &[Pick<'_>],
        promo_code: Option<&str>,
    ) -> Result<Basket, E> {
        ticket_types::on_sale(self.event)?;
        let terms = promo_code.map(|given| self.codes.terms(cx, given));
        let terms = terms.transpose()?;
        let basket = Basket::fill(
            cx,
            self.event,
            (&self.left, &self.pricing),
            picks,
            terms.as_ref(),
        )?;
        if let Some(terms) = &terms {
            promo_codes::check_applies(terms, &basket)?;
        }
        self.left.take(&basket)?;
        if let Some(applied) = &basket.promo_code {
            self.codes.take(applied);
        }
        Ok(basket)
    }
}

/// The guards of those who wait, which a test may take away: that they are thought of, and once more at the end.
pub(crate) const WAITLIST: &str = "waitlist";
pub(crate) const LOOK_AGAIN: &str = "waitlist.again";

/// What is on sale, and how much of it is waited for.
async fn offers(
    conn: &mut PgConnection,
    event_id: EventId,
    is_fair: bool,
) -> sqlx::Result<Vec<Offer>> {
    let mut offers = ticket_types::offers(conn, event_id).await?;
    if !is_fair {
        for offer in &mut offers {
            offer.waited_for = 0;
        }
    }
    Ok(offers)
}

/// What one is answered.
type Outcome<R> = Result<<R as Together>::Answer, <R as Together>::Error>;

/// Somebody who waits for an answer.
struct Waiting<R: Together> {
    /// Who asks.
    cx: Cx,
    /// What for.
    wanted: R,
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
        return alone(app, cx, event, wanted).await;
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
            _ => match together(app, event, &next).await {
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
        let outcome = alone(app, &cx, event, &wanted).await;
        let _ = answer.send(outcome);
    }
}

/// Serves one in a transaction of its own.
async fn alone<R: Together>(app: &App, cx: &Cx, event: EventId, wanted: &R) -> Outcome<R> {
    let mut tx = app.store().write(cx).await?;
    // Shared until the commit: neither the event's state nor a price or a pool can change meanwhile.
    let event = events::share(tx.conn(), cx, &event.into()).await?;
    let is_fair = !tx.lacks(WAITLIST);
    let offers = offers(tx.conn(), event.id, is_fair).await?;
    let mut sale = Sale {
        event: &event,
        offers: &offers,
        pricing: taxes::pricing(tx.conn(), event.id).await?,
        locked: R::lock(tx.conn(), &offers, &[wanted]).await?,
        left: Left::of(cx, &event, &offers),
        codes: Usable::read(tx.conn(), event.id, wanted.promo_code().into_iter()).await?,
    };
    let new = wanted.prepare(app, cx, &mut sale)?;
    let new = carry_out::<R>(&mut tx, &event, &offers, new).await?;
    let answer = R::answer(cx, &new);
    Ok(tx.commit_all(R::changes(&new), answer).await?)
}

/// Writes what was prepared; then uses the promo code and takes the places. Whoever finds too few left gives up the whole
/// transaction.
pub(crate) async fn carry_out<R: Together>(
    tx: &mut WriteTx<'_>,
    event: &Event,
    offers: &[Offer],
    mut new: R::New,
) -> Result<R::New, R::Error> {
    let cx = tx.cx();
    // Of a thousand million numbers, one is free long before the attempts run out.
    for attempt in 0.. {
        if R::write(tx.conn(), &[(cx, &new)]).await? {
            break;
        }
        if attempt == 20 {
            return Err(sqlx::Error::RowNotFound.into());
        }
        R::renew(&mut new, cx);
    }
    if offers.iter().any(|offer| offer.is_seated) {
        R::take_seats(tx.conn(), cx, offers, &mut new).await?;
    }
    if let Some((step, applied)) = R::uses(&new) {
        let uses = Uses::of(step, Some(applied.id));
        let counted = inventory::move_uses(tx.conn(), &uses).await?;
        counted.map_err(|_| PromoCodeError::UsedUp(applied.code.clone()))?;
    }
    let moves = R::moves(tx.conn(), offers, &[(cx, &new)]).await?;
    let is_sure = tx.lacks(LOOK_AGAIN);
    let sale = (event, offers);
    match ticket_types::move_places(tx.conn(), cx, sale, &moves, is_sure).await? {
        Ok(()) => Ok(new),
        Err(shortage) => Err(R::refusal(&new, offers, shortage)),
    }
}

/// Serves several in one transaction; an outcome for each, in their order.
async fn together<R: Together>(
    app: &App,
    event: EventId,
    waiting: &[Waiting<R>],
) -> Result<Vec<Outcome<R>>, Apart> {
    let mut tx = app.store().write_together(&waiting[0].cx).await?;
    let event = share(tx.conn(), waiting, event).await?;
    let is_fair = !tx.lacks(WAITLIST);
    let offers = offers(tx.conn(), event.id, is_fair).await?;
    // Who gets which seat depends on who came before: in one transaction a refusal would undo what others were given.
    if offers.iter().any(|offer| offer.is_seated) {
        return Err(Apart::OneByOne);
    }
    let wanted: Vec<&R> = waiting.iter().map(|waiting| &waiting.wanted).collect();
    let given = wanted.iter().filter_map(|wanted| wanted.promo_code());
    let mut sale = Sale {
        event: &event,
        offers: &offers,
        pricing: taxes::pricing(tx.conn(), event.id).await?,
        locked: R::lock(tx.conn(), &offers, &wanted).await?,
        left: Left::of(&waiting[0].cx, &event, &offers),
        codes: Usable::read(tx.conn(), event.id, given).await?,
    };
    let prepare = |Waiting { cx, wanted, .. }: &Waiting<R>| wanted.prepare(app, cx, &mut sale);
    let outcomes: Vec<Result<R::New, R::Error>> = waiting.iter().map(prepare).collect();
    let new = done(waiting, &outcomes);
    if !new.is_empty() {
        if !R::write(tx.conn(), &new).await? {
            return Err(Apart::OneByOne);
        }
        let part = |&(cx, new): &(_, &_)| Part::new(cx, R::changes(new), &R::answer(cx, new));
        let parts: Vec<Part<'_>> = new.iter().map(part).collect();
        tx.record(&parts).await?;
        let mut uses = Uses::default();
        for (step, applied) in new.iter().filter_map(|(_, new)| R::uses(new)) {
            uses.add(step, Some(applied.id));
        }
        let counted = inventory::move_uses(tx.conn(), &uses).await?;
        // Somebody outside was faster.
        counted.map_err(|_| Apart::OneByOne)?;
        let moves = R::moves(tx.conn(), &offers, &new).await?;
        let (cx, sale) = (&waiting[0].cx, (&event, &offers[..]));
        let is_sure = tx.lacks(LOOK_AGAIN);
        let taken = ticket_types::move_places(tx.conn(), cx, sale, &moves, is_sure).await?;
        taken.map_err(|_| Apart::OneByOne)?;
        tx.commit(&parts).await?;
    }
    let pairs = waiting.iter().zip(outcomes);
    let answers = pairs.map(|(waiting, outcome)| Ok(R::answer(&waiting.cx, &outcome?)));
    Ok(answers.collect())
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

/// Shares the event with everybody who buys, until the transaction ends.
async fn share<R: Together>(
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
fn done<'a, R: Together>(
    waiting: &'a [Waiting<R>],
    outcomes: &'a [Result<R::New, R::Error>],
) -> Vec<(&'a Cx, &'a R::New)> {
    let pairs = waiting.iter().zip(outcomes);
    let done = pairs.filter_map(|(waiting, outcome)| Some((&waiting.cx, outcome.as_ref().ok()?)));
    done.collect()
}
