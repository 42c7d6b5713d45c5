//! The bell: says that there may be something to do, and nothing else. Whoever waits looks at the tables.
//!
//! A commit with changes rings inside the process. For other processes one relay passes it on as a `NOTIFY` without
//! payload, at most some dozens a second: a notifying commit takes a lock of the whole database.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{Store, StoreError};

const CHANNEL: &str = "eventos_work";

/// How long rings are gathered before the next `NOTIFY`.
const GATHER: Duration = Duration::from_millis(20);

/// The process's own bell. Clones are the same bell.
#[derive(Clone)]
pub struct Bell {
    here: Arc<watch::Sender<u64>>,
    elsewhere: Arc<watch::Sender<u64>>,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            here: Arc::new(watch::Sender::new(0)),
            elsewhere: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl Bell {
    /// Something was committed by this process.
    pub fn ring(&self) {
        self.here
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// An ear for rings from here and from elsewhere.
    pub fn ear(&self) -> Ear {
        Ear {
            here: self.here.subscribe(),
            elsewhere: self.elsewhere.subscribe(),
        }
    }
}

/// Hears every ring since it last asked, as one.
pub struct Ear {
    here: watch::Receiver<u64>,
    elsewhere: watch::Receiver<u64>,
}

impl Ear {
    /// Waits for the next ring; returns at once if one was missed.
    pub async fn rung(&mut self) {
        // The senders live in the store, which outlives its ears; if not, there is nothing more to hear.
        let closed = tokio::select! {
            heard = self.here.changed() => heard.is_err(),
            heard = self.elsewhere.changed() => heard.is_err(),
        };
        if closed {
            std::future::pending::<()>().await;
        }
    }
}

impl Store {
    /// The process's bell.
    pub fn bell(&self) -> &Bell {
        &self.shared.bell
    }

    /// Passes rings of this process on to others, for as long as it is polled.
    pub async fn relay_rings(&self) {
        let mut here = self.bell().here.subscribe();
        while here.changed().await.is_ok() {
            let notified = sqlx::query("select pg_notify($1, '')")
                .bind(CHANNEL)
                .execute(self.primary())
                .await;
            if let Err(error) = notified {
                tracing::debug!(%error, "Other processes were not woken; they look once a second");
            }
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Rings here whenever another process notifies, until the connection is lost.
    pub async fn listen_for_rings(&self) -> Result<(), StoreError> {
        let mut listener = sqlx::postgres::PgListener::connect_with(self.primary()).await?;
        listener.listen(CHANNEL).await?;
        let elsewhere = &self.bell().elsewhere;
        loop {
            // None: the connection was lost and is there again; what was notified in between is unknown.
            drop(listener.try_recv().await?);
            elsewhere.send_modify(|count| *count = count.wrapping_add(1));
        }
    }
}
