//! The change feed: which subjects changed since a caller last looked, for live updates.
//!
//! Rows are read by transaction id below the oldest running one, so a slow transaction that commits late is
//! never skipped (its sequence number alone would be).

use domain::{change::Subject, ids::OrganizationId};
use sqlx::Row;

use crate::{Store, StoreError};

/// A change as the feed sees it: enough to know whom to tell, nothing to leak.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// `order.placed` and the like.
    pub kind: String,
    /// The subject's id prefix and bare id.
    pub subject: (String, uuid::Uuid),
    /// The event it touches, where the payload names one.
    pub event_id: Option<String>,
}

impl Seen {
    /// Whether the change is about a thing.
    pub fn is_about(&self, subject: Subject) -> bool {
        self.subject.0 == subject.kind && self.subject.1 == subject.id
    }
}

impl Store {
    /// The position behind the newest change: start [`Self::changes_after`] here.
    pub async fn feed_position(&self) -> Result<i64, StoreError> {
        let mut tx = self.system("feed position").await?;
        let position =
            sqlx::query_scalar("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1");
        Ok(position.fetch_one(tx.conn()).await?)
    }

    /// Changes behind a position, oldest first, and the position behind them.
    pub async fn changes_after(&self, position: i64) -> Result<(Vec<Seen>, i64), StoreError> {
        let mut tx = self.system("change feed").await?;
        let rows = sqlx::query(
            "with bound as (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1 as upto) \
             select upto, organization_id, kind, subject_kind, subject_id, payload ->> 'event_id' as event_id \
             from bound left join change \
               on transaction_id > $1::text::xid8 and transaction_id <= upto::text::xid8 \
             order by transaction_id, sequence",
        )
        .bind(position)
        .fetch_all(tx.conn())
        .await?;
        let mut upto = position;
        let mut seen = Vec::new();
        for row in rows {
            upto = row.try_get("upto")?;
            if let Some(organization_id) = row.try_get("organization_id")? {
                seen.push(Seen {
                    organization_id,
                    kind: row.try_get("kind")?,
                    subject: (row.try_get("subject_kind")?, row.try_get("subject_id")?),
                    event_id: row.try_get("event_id")?,
                });
            }
        }
        Ok((seen, upto.max(position)))
    }
}
