//! Subscriptions on sales: who watches an event, an order or a report hears when something about it changed.
//!
//! One task per process reads the change feed, and only while somebody watches. A notification carries nothing but
//! the address that was subscribed to; reading it again asks for rights again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::OrganizationId;
use operations::{App, Seen};
use rmcp::{
    ErrorData, Peer, RoleServer,
    model::{PingRequest, ResourceUpdatedNotificationParam, ServerRequest},
    service::{PeerRequestOptions, RequestContext, ServiceError, SubscriptionContext},
};
use tokio::sync::{broadcast, broadcast::error::RecvError};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Connection,
    resources,
    server::{Server, Shared},
};

/// How long a change waits until it is told.
const INTERVAL: Duration = Duration::from_millis(300);

/// How many subscriptions one client may have.
const LIMIT: usize = 100;

/// Pings left unanswered after which a client is taken to be gone.
const SILENCE: u32 = 3;

/// The change feed, read once for all who watch.
pub(crate) struct Feed {
    app: App,
    sender: broadcast::Sender<Arc<Vec<Seen>>>,
    running: Arc<tokio::sync::Mutex<bool>>,
    shutdown: CancellationToken,
}

impl Feed {
    pub(crate) fn new(app: App, shutdown: CancellationToken) -> Self {
        Self {
            app,
            sender: broadcast::channel(64).0,
            running: Arc::default(),
            shutdown,
        }
    }

    /// Everything that changes from now on.
    async fn watch(&self) -> Result<broadcast::Receiver<Arc<Vec<Seen>>>, ErrorData> {
        let mut running = self.running.lock().await;
        let receiver = self.sender.subscribe();
        if !*running {
            let position = self.app.feed_position().await.map_err(|error| {
                tracing::error!(error = %error, "The change feed could not be read");
                ErrorData::internal_error(
                    "Changes cannot be watched right now; try again in a few seconds.",
                    None,
                )
            })?;
            *running = true;
            let (app, sender) = (self.app.clone(), self.sender.clone());
            let reading = read(app, sender, Arc::clone(&self.running), position);
            #[expect(
                clippy::disallowed_methods,
                reason = "it owns nothing, and ends when nobody watches any more"
            )]
            tokio::spawn(self.shutdown.clone().run_until_cancelled_owned(reading));
        }
        Ok(receiver)
    }
}

async fn read(
    app: App,
    sender: broadcast::Sender<Arc<Vec<Seen>>>,
    running: Arc<tokio::sync::Mutex<bool>>,
    mut position: i64,
) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        {
            let mut running = running.lock().await;
            if sender.receiver_count() == 0 {
                *running = false;
                return;
            }
        }
        match app.changes_after(position).await {
            Ok((seen, upto)) => {
                position = upto;
                if !seen.is_empty() {
                    // Fails only when the last one has just left.
                    let _ = sender.send(Arc::new(seen));
                }
            }
            Err(error) => tracing::warn!(error = %error, "The change feed could not be read"),
        }
    }
}

/// What somebody watches: an address, and the thing behind it in one organization.
#[derive(Clone)]
struct Target {
    organization_id: OrganizationId,
    subject: String,
}

impl Target {
    async fn of(
        shared: &Shared,
        connection: &Connection,
        uri: &str,
        cx: &RequestContext<RoleServer>,
    ) -> Result<Self, ErrorData> {
        Ok(Self {
            organization_id: connection.organization_id(),
            subject: resources::subject(shared, connection, uri, cx).await?,
        })
    }

    fn is_touched_by(&self, seen: &Seen) -> bool {
        let (kind, id) = &seen.subject;
        seen.organization_id == self.organization_id
            && (seen.event_id.as_deref() == Some(&self.subject)
                || self.subject == format!("{kind}_{}", id.simple()))
    }
}

/// The addresses that were touched, each once. Who could not keep up is told of everything.
fn touched(
    targets: &HashMap<String, Target>,
    news: &Result<Arc<Vec<Seen>>, RecvError>,
) -> Vec<String> {
    let is_touched = |target: &Target| match news {
        Ok(seen) => seen.iter().any(|seen| target.is_touched_by(seen)),
        Err(_) => true,
    };
    let touched = targets.iter().filter(|(_, target)| is_touched(target));
    touched.map(|(uri, _)| uri.clone()).collect()
}

/// What a session of the older era watches.
#[derive(Default)]
pub(crate) struct Watched {
    targets: Arc<Mutex<HashMap<String, Target>>>,
    telling: Mutex<Option<Telling>>,
}

impl Watched {
    pub(crate) fn forget(&self, uri: &str) {
        self.targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uri);
    }
}

/// The task that tells a session; it ends with this value.
struct Telling(CancellationToken);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Subscribes a session of the older era.
pub(crate) async fn subscribe(
    server: &Server,
    connection: &Connection,
    uri: String,
    cx: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let target = Target::of(&server.shared, connection, &uri, cx).await?;
    let receiver = server.shared.feed.watch().await?;
    {
        let mut targets = server
            .watched
            .targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= LIMIT && !targets.contains_key(&uri) {
            let message =
                format!("A session has at most {LIMIT} subscriptions; unsubscribe from some.");
            return Err(ErrorData::invalid_params(message, None));
        }
        targets.insert(uri, target);
    }
    let mut telling = server
        .watched
        .telling
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if telling.as_ref().is_none_or(|task| task.0.is_cancelled()) {
        let end = server.shared.options.shutdown.child_token();
        let task = Telling(end.clone());
        let telling_ends = task.0.clone();
        let every = server.shared.options.recheck_every;
        let idle = (!server.is_local()).then_some(server.shared.options.session_idle);
        let (peer, connection) = (cx.peer.clone(), connection.clone());
        let targets = Arc::clone(&server.watched.targets);
        let tell = async move {
            tokio::select! {
                () = tell(&peer, &targets, receiver) => {}
                () = stay(&peer, idle) => {}
                () = revoked(&connection, every) => {
                    targets.lock().unwrap_or_else(PoisonError::into_inner).clear();
                }
            }
            telling_ends.cancel();
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the session: the handler holds its guard"
        )]
        tokio::spawn(end.run_until_cancelled_owned(tell));
        *telling = Some(task);
    }
    Ok(())
}

/// Keeps the session of a client that still answers from ending while nothing is sold.
async fn stay(peer: &Peer<RoleServer>, idle: Option<Duration>) {
    let mut unanswered = 0;
    while let Some(idle) = idle.filter(|_| unanswered < SILENCE) {
        let within = idle / 3;
        tokio::time::sleep(within).await;
        match ping(peer, within).await {
            Ok(()) => unanswered = 0,
            Err(_) => unanswered += 1,
        }
    }
    std::future::pending::<()>().await;
}

async fn ping(peer: &Peer<RoleServer>, within: Duration) -> Result<(), ServiceError> {
    let ping = ServerRequest::PingRequest(PingRequest::default());
    let options = PeerRequestOptions::with_timeout(within);
    let sent = peer.send_request_with_option(ping, options).await?;
    sent.await_response().await.map(|_| ())
}

/// Waits until the caller has lost the rights it had when it subscribed.
async fn revoked(connection: &Connection, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        if !connection.still_holds().await {
            return;
        }
    }
}

async fn tell(
    peer: &Peer<RoleServer>,
    targets: &Mutex<HashMap<String, Target>>,
    mut receiver: broadcast::Receiver<Arc<Vec<Seen>>>,
) {
    loop {
        let news = receiver.recv().await;
        if matches!(news, Err(RecvError::Closed)) || peer.is_transport_closed() {
            return;
        }
        let uris = touched(
            &targets.lock().unwrap_or_else(PoisonError::into_inner),
            &news,
        );
        for uri in uris {
            if peer
                .notify_resource_updated(ResourceUpdatedNotificationParam::new(uri))
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

/// Serves a subscription of the newer era until it is cancelled.
pub(crate) async fn listen(
    shared: &Shared,
    connection: &Connection,
    subscription: &SubscriptionContext,
) -> Result<(), ErrorData> {
    let mut receiver = shared.feed.watch().await?;
    let uris = subscription
        .accepted()
        .resource_subscriptions
        .clone()
        .unwrap_or_default();
    let mut targets = HashMap::new();
    for uri in uris.into_iter().take(LIMIT) {
        let target = Target::of(shared, connection, &uri, subscription.request_context()).await?;
        targets.insert(uri, target);
    }
    let mut revoked = std::pin::pin!(revoked(connection, shared.options.recheck_every));
    loop {
        let news = tokio::select! {
            () = subscription.cancelled() => return Ok(()),
            () = &mut revoked => {
                let message = "The token's rights have changed or ended; listen again to go on.";
                return Err(ErrorData::invalid_request(message, None));
            }
            () = shared.options.shutdown.cancelled() => return Ok(()),
            news = receiver.recv() => news,
        };
        if matches!(news, Err(RecvError::Closed)) {
            return Ok(());
        }
        for uri in touched(&targets, &news) {
            if subscription
                .sink()
                .notify_resource_updated(uri)
                .await
                .is_err()
            {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{EventId, OrderId};

    #[test]
    fn only_changes_of_the_same_organization_touch_a_target() {
        let (ours, theirs) = (id(1), id(2));
        let event = EventId::from(id(3)).to_string();
        let seen = |organization: uuid::Uuid, event_id: Option<&String>| Seen {
            organization_id: organization.into(),
            kind: "order.placed".to_owned(),
            subject: ("ord".to_owned(), id(4)),
            event_id: event_id.cloned(),
        };
        let of_event = Target {
            organization_id: ours.into(),
            subject: event.clone(),
        };
        assert!(of_event.is_touched_by(&seen(ours, Some(&event))));
        assert!(!of_event.is_touched_by(&seen(theirs, Some(&event))));
        assert!(!of_event.is_touched_by(&seen(ours, None)));
        let of_order = Target {
            organization_id: ours.into(),
            subject: OrderId::from(id(4)).to_string(),
        };
        assert!(of_order.is_touched_by(&seen(ours, None)));
        assert!(!of_order.is_touched_by(&seen(theirs, None)));
    }

    fn id(number: u128) -> uuid::Uuid {
        uuid::Uuid::from_u128(number)
    }
}
