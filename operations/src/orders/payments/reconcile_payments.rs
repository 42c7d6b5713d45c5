//! `reconcile_payments`: what no webhook told of.

use domain::{Cx, Facts, Fault, FaultSpec, Permission, context::Mode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::StoreError;

use super::{
    CheckPayment,
    error::ProcessorFault,
    notices::{forget_old_notices, receive_notice, take_notices},
    sql,
};
use crate::{App, Effect, Operation, jobs};

/// Look for payments and refunds that nobody told of: what the payment provider could not deliver, and orders of which
/// something has been open for a while. Each is then looked up by itself (`check_payment`).
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ReconcilePayments {}

/// What is looked up now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReconciledPayments {
    /// News that the payment provider could not deliver.
    pub undelivered: usize,
    /// Orders of which something is open.
    pub open_orders: usize,
}

/// News of so many days are asked for.
const DAYS: i64 = 3;
/// What is younger is left to its webhook, in seconds.
const YOUNG_SECONDS: i64 = 10 * 60;

impl Operation for ReconcilePayments {
    const NAME: &'static str = "reconcile_payments";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = ReconciledPayments;
    type Error = ReconcilePaymentsError;

    async fn run(self, app: &App, cx: &Cx) -> Result<ReconciledPayments, ReconcilePaymentsError> {
        let mut answer = ReconciledPayments {
            undelivered: 0,
            open_orders: 0,
        };
        // Without a provider there is nothing to look for.
        let payments = app.payments().filter(|_| cx.mode != Mode::DryRun);
        if let Some(payments) = payments {
            let since = cx.now.plus_seconds(-DAYS * 24 * 60 * 60);
            let told = payments.processor.list_undelivered(since).await;
            for notice in told.map_err(ProcessorFault::from)? {
                let is_news = receive_notice(app, &notice, cx.now).await?;
                answer.undelivered += usize::from(is_news);
            }
            take_notices(app, cx.now).await?;
            forget_old_notices(app, cx.now).await?;
        }
        let mut tx = app.store().write(cx).await?;
        if payments.is_some() {
            let before = cx.now.plus_seconds(-YOUNG_SECONDS);
            let open = sql::unsettled_orders(tx.conn(), before).await?;
            answer.open_orders = open.len();
            let hour = cx.now.as_microseconds() / 3_600_000_000;
            for order in open {
                let key = format!("reconcile:{order}:{hour}");
                let input = json!({"order": order});
                jobs::enqueue(tx.conn(), cx, CheckPayment::NAME, input, key).await?;
            }
        }
        Ok(tx.unchanged(answer).await?)
    }
}

/// How `reconcile_payments` refuses.
#[derive(Debug, thiserror::Error)]
pub enum ReconcilePaymentsError {
    /// The processor did not answer.
    #[error(transparent)]
    Processor(#[from] ProcessorFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for ReconcilePaymentsError {
    fn specs() -> Vec<FaultSpec> {
        ProcessorFault::specs()
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Processor(error) => error.facts(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for ReconcilePaymentsError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        orders::{OrderStatus, payments::shop::Shop},
        testing::noon,
    };

    #[tokio::test]
    async fn what_was_told_twice_or_never_is_looked_up_once() {
        let shop = Shop::new(5).await;
        let order = shop.order(1).await;
        let page = shop.page(&order).await;
        shop.choose(&page, "pay");
        let app = &shop.scene.app;
        let processor = Arc::clone(&app.payments().unwrap().processor);
        let mut told = processor
            .list_undelivered(noon().plus_seconds(-60))
            .await
            .unwrap();
        assert!(told.len() > 1, "{told:?}");
        told.reverse();
        for notice in told.iter().chain(&told) {
            receive_notice(app, notice, noon()).await.unwrap();
            take_notices(app, noon()).await.unwrap();
        }
        let jobs = "select count(*) from workflow_run where workflow = 'job:check_payment'";
        assert_eq!(shop.count(jobs).await, i64::try_from(told.len()).unwrap());
        let waiting =
            "select count(*) from processor_notice where taken_at is null or raw is not null";
        assert_eq!(shop.count(waiting).await, 0);
        // Told of by nobody: found all the same.
        let other = shop.order(1).await;
        let page = shop.page(&other).await;
        shop.choose(&page, "pay");
        let found = shop.scene.run(ReconcilePayments::default()).await.unwrap();
        assert!(found.undelivered > 0, "{found:?}");
        let again = shop.scene.run(ReconcilePayments::default()).await.unwrap();
        assert_eq!((again.undelivered, again.open_orders), (0, 0));
        let later = shop
            .scene
            .app
            .run(&shop.later(), ReconcilePayments::default())
            .await;
        assert_eq!(later.unwrap().open_orders, 2);
        let done = shop.checked(&other).await;
        assert_eq!(done.order.status, OrderStatus::Paid);
    }

    #[tokio::test]
    async fn an_unheard_of_notice_is_kept_and_leads_nowhere() {
        let shop = Shop::new(5).await;
        let notice =
            payments::stripe::Notice::read(b"{\"id\":\"evt_9\",\"type\":\"moon.rose\",\"x\":[1]}");
        let app = &shop.scene.app;
        assert!(receive_notice(app, &notice, noon()).await.unwrap());
        assert!(!receive_notice(app, &notice, noon()).await.unwrap());
        assert_eq!(take_notices(app, noon()).await.unwrap(), 0);
        let kept =
            "select count(*) from processor_notice where raw->'x' = '[1]' and topic = 'moon.rose'";
        assert_eq!(shop.count(kept).await, 1);
        let month = shop
            .scene
            .cx
            .clone()
            .with_now(noon().plus_seconds(31 * 24 * 3600));
        shop.scene
            .app
            .run(&month, ReconcilePayments::default())
            .await
            .unwrap();
        assert_eq!(shop.count(kept).await, 0);
    }
}
