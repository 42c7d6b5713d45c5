//! What processors tell by webhook. It is kept before it is answered for, and only leads to a job that looks up the order
//! it is about: a copy, an old one, or one that comes before the order knows of its checkout does no harm.

mod sql;

use domain::{Actor, Cx, Permissions, Timestamp};
use payments::stripe::{Notice, Topic};
use serde_json::json;
use store::StoreError;

use super::{CheckPayment, model::PaymentMethod};
use crate::{App, Operation, jobs::Job};

/// So long are notices kept, for people to look at, in days.
const KEPT_DAYS: i64 = 30;

/// Keeps a notice whose signature was verified; whether it is news. Once this has returned, it can be answered for.
pub async fn receive_notice(
    app: &App,
    notice: &Notice,
    now: Timestamp,
) -> Result<bool, StoreError> {
    // What leads to an order is looked up where it is from; nothing of it, such as the buyer's address, need be kept here.
    let is_strange = matches!(notice.topic, Topic::Unknown(_)) && notice.order_id.is_none();
    let raw = is_strange.then_some(&notice.raw);
    let mut tx = app.store().system("keep a processor's notice").await?;
    let is_news = sql::keep_notice(tx.conn(), PaymentMethod::Stripe, notice, raw, now).await?;
    tx.commit().await?;
    Ok(is_news)
}

/// Queues the jobs that look up what was told; how many. Called after a notice came in, and by workers every minute for
/// those that were kept by a program that ended before it came so far.
pub async fn take_notices(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let kept = {
        let mut tx = app.store().system("take up notices").await?;
        sql::kept_notices(tx.conn(), PaymentMethod::Stripe).await?
    };
    let mut queued = 0;
    for notice in kept {
        if let Some((organization_id, order_id)) = notice.owner {
            let actor = Actor::System { reason: "payments" };
            let cx = Cx::new(organization_id, actor, Permissions::NONE).with_now(now);
            let job = Job::new(CheckPayment::NAME, json!({"order": order_id}));
            let key = format!("notice:{}", notice.once_key);
            let run = job.run(&cx, Some(key));
            queued += usize::from(app.store().runs().start(&run).await?.is_new);
        }
        // Its run is there by now, or it is nobody's: of another program that shares the account.
        let mut tx = app.store().system("take up notices").await?;
        sql::take_notice(tx.conn(), PaymentMethod::Stripe, &notice.once_key, now).await?;
        tx.commit().await?;
    }
    Ok(queued)
}

/// Forgets notices that are old; how many.
pub(super) async fn forget_old_notices(app: &App, now: Timestamp) -> Result<u64, StoreError> {
    let before = now.plus_seconds(-KEPT_DAYS * 24 * 60 * 60);
    let mut tx = app.store().system("forget old notices").await?;
    let forgotten = sql::forget_notices(tx.conn(), before).await?;
    tx.commit().await?;
    Ok(forgotten)
}
