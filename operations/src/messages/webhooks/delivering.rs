//! From the outbox to other people's servers, for workers.

use delivery::webhook::{Outcome, Poster, Webhook};
use domain::Timestamp;
use store::StoreError;

use super::{
    model::DeliveryStatus,
    sql::{self, Claim, NewDelivery, Settling},
};
use crate::{
    App,
    messages::{
        lease::{self, Clock, while_renewing},
        sending::{backoff, context, owner},
    },
};

/// Attempts at one delivery, about three days in all.
const MAX_ATTEMPTS: i32 = 12;
/// Seconds between two attempts at most.
const LONGEST: i64 = 12 * 3600;
/// Deliveries taken up at once; each may take half a minute.
const BATCH: i64 = 10;

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// Taken by the other side.
    pub delivered: u32,
    /// To be tried again.
    pub retried: u32,
    /// Given up.
    pub failed: u32,
    /// When another round is worth while: at once when it is in the past; `None` when nothing waits.
    pub next_due: Option<Timestamp>,
}

/// Turns what has changed into deliveries, for every endpoint that wants to be told; how many.
pub async fn relay_due(app: &App, now: Timestamp) -> Result<usize, StoreError> {
    let mut tx = app.store().system("relay changes to webhooks").await?;
    let mut count = 0;
    for listener in sql::listeners(tx.conn()).await? {
        let changes = sql::changes_for(tx.conn(), &listener).await?;
        // A full page means that there is more: go on behind its last transaction.
        let position = match changes.last() {
            Some(last) if changes.len() >= 500 => last.transaction,
            _ => listener.upto,
        };
        let cx = context(listener.organization_id, now);
        let deliveries = changes.into_iter().map(|change| NewDelivery {
            id: cx.new_id(),
            change_id: change.id,
            kind: change.kind,
            body: change.body.to_string(),
        });
        let deliveries: Vec<_> = deliveries.collect();
        sql::queue(tx.conn(), &listener, &deliveries, (position, now)).await?;
        count += deliveries.len();
    }
    tx.commit().await?;
    Ok(count)
}

/// Posts what is due, at most one batch, and says when the next is due.
pub async fn deliver_due(app: &App, poster: &Poster, now: Timestamp) -> Result<Told, StoreError> {
    let clock = Clock::starting(now);
    let owner = owner(now);
    let mut tx = app.store().system("deliver webhooks").await?;
    let until = now.plus_seconds(i64::from(lease::SECONDS));
    let claims = sql::claim(tx.conn(), &owner, BATCH, (now, until)).await?;
    tx.commit().await?;
    let mut told = Told::default();
    let ids: Vec<_> = claims.iter().map(|claim| claim.id).collect();
    let renew = async |until| {
        let mut tx = app.store().system("renew a sender's lease").await?;
        sql::renew(tx.conn(), &owner, &ids, until).await?;
        tx.commit().await
    };
    let work = async {
        for claim in &claims {
            let webhook = Webhook {
                id: claim.id.to_string(),
                url: claim.url.clone(),
                secrets: claim.secrets.clone(),
                body: claim.body.clone(),
            };
            let outcome = poster.post(&webhook, clock.now()).await;
            settle(app, claim, &owner, &outcome, clock.now(), &mut told).await?;
        }
        Ok::<(), StoreError>(())
    };
    while_renewing(lease::SECONDS, clock, renew, Box::pin(work)).await?;
    let mut tx = app.store().system("next webhook").await?;
    told.next_due = sql::next_due(tx.conn()).await?;
    Ok(told)
}

async fn settle(
    app: &App,
    claim: &Claim,
    owner: &str,
    outcome: &Outcome,
    now: Timestamp,
    told: &mut Told,
) -> Result<(), StoreError> {
    let (status, code, error) = match outcome {
        Outcome::Taken(code) => (DeliveryStatus::Delivered, Some(*code), None),
        Outcome::Gone => (
            DeliveryStatus::Failed,
            Some(410),
            Some("nobody wants this any more"),
        ),
        Outcome::Later { code, text } if claim.attempts < MAX_ATTEMPTS => {
            (DeliveryStatus::Queued, *code, Some(text.as_str()))
        }
        Outcome::Later { code, text } => (DeliveryStatus::Failed, *code, Some(text.as_str())),
    };
    let again = now.plus_seconds(backoff(&claim.id.to_string(), claim.attempts, LONGEST));
    let settling = Settling {
        owner,
        status,
        response_code: code.map(i32::from),
        error,
        next_attempt_at: (status == DeliveryStatus::Queued).then_some(again),
    };
    let mut tx = app.store().system("settle a webhook").await?;
    if !sql::settle(tx.conn(), claim, &settling, now).await? {
        return Ok(());
    }
    if *outcome == Outcome::Gone {
        sql::set_gone(tx.conn(), claim.endpoint_id, now).await?;
    }
    tx.commit().await?;
    match status {
        DeliveryStatus::Delivered => told.delivered += 1,
        DeliveryStatus::Failed => {
            told.failed += 1;
            tracing::warn!(delivery.id = %claim.id, code, attempts = claim.attempts, "A webhook was given up");
        }
        DeliveryStatus::Queued | DeliveryStatus::Sending => told.retried += 1,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{
            testing::relay,
            webhooks::{
                EndpointStatus, ListWebhookDeliveries, ListWebhookEndpoints, SaveWebhookEndpoint,
            },
        },
        testing::Scene,
    };
    use delivery::webhook::Guard;
    use std::sync::{Arc, Mutex};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// A server that answers every request with one status and keeps what it was sent.
    struct Server {
        url: String,
        seen: Arc<Mutex<Vec<String>>>,
        task: tokio::task::JoinHandle<()>,
    }

    impl Server {
        async fn answering(status: &'static str) -> Self {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/hook", listener.local_addr().unwrap());
            let seen: Arc<Mutex<Vec<String>>> = Arc::default();
            let kept = Arc::clone(&seen);
            #[expect(clippy::disallowed_methods, reason = "ended with the test")]
            let task = tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut buffer = vec![0; 16_384];
                    let mut read = 0;
                    while !String::from_utf8_lossy(&buffer[..read]).contains("\r\n\r\n{") {
                        read += stream.read(&mut buffer[read..]).await.unwrap();
                    }
                    let answer = format!(
                        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    kept.lock()
                        .unwrap()
                        .push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                }
            });
            Self { url, seen, task }
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    async fn deliver(scene: &Scene, now: Timestamp) -> Told {
        let poster = Poster::new(Guard {
            allow_loopback: true,
        })
        .unwrap();
        deliver_due(&scene.app, &poster, now).await.unwrap()
    }

    #[tokio::test]
    async fn tells_of_what_changes_from_then_on_and_of_that_once() {
        let scene = Scene::new().await;
        scene.venue("Before").await;
        let server = Server::answering("200 OK").await;
        let kinds = Some(vec!["venue.created".to_owned()]);
        let command = SaveWebhookEndpoint {
            kinds,
            ..SaveWebhookEndpoint::of(&server.url)
        };
        let secret = scene.run(command).await.unwrap().secret.unwrap();
        scene.published("Not wanted").await;
        scene.venue("Town Hall").await;
        let now = scene.cx.now;
        relay(&scene, 1).await;
        assert_eq!(deliver(&scene, now).await.delivered, 1);
        assert_eq!(relay_due(&scene.app, now).await.unwrap(), 0);
        assert_eq!(deliver(&scene, now).await, Told::default());
        let seen = server.seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 1);
        let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
        assert!(
            body.contains("\"kind\":\"venue.created\"") && body.contains("Town Hall"),
            "{body}"
        );
        let signature =
            delivery::webhook::signatures(&[secret], now.as_microseconds() / 1_000_000, body);
        assert!(head.to_lowercase().contains(&signature), "{head}");
    }

    #[tokio::test]
    async fn waits_longer_each_time_and_gives_up() {
        let scene = Scene::new().await;
        let server = Server::answering("503 Busy").await;
        scene
            .run(SaveWebhookEndpoint::of(&server.url))
            .await
            .unwrap();
        scene.venue("Town Hall").await;
        relay(&scene, 1).await;
        let mut now = scene.cx.now;
        let began = now;
        loop {
            let told = deliver(&scene, now).await;
            if told.failed > 0 {
                break;
            }
            now = told.next_due.unwrap();
        }
        let hours = (now.as_microseconds() - began.as_microseconds()) / 3_600_000_000;
        assert!((48..110).contains(&hours), "{hours} hours");
        let listed = scene
            .run(ListWebhookDeliveries::default())
            .await
            .unwrap()
            .items;
        assert!(
            listed
                .iter()
                .all(|delivery| delivery.attempts == MAX_ATTEMPTS)
        );
        assert_eq!(listed[0].response_code, Some(503));
    }

    #[tokio::test]
    async fn who_is_gone_is_told_no_more() {
        let scene = Scene::new().await;
        let server = Server::answering("410 Gone").await;
        scene
            .run(SaveWebhookEndpoint::of(&server.url))
            .await
            .unwrap();
        scene.venue("Town Hall").await;
        relay(&scene, 1).await;
        let told = deliver(&scene, scene.cx.now).await;
        assert!(told.failed >= 1 && told.next_due.is_none(), "{told:?}");
        let listed = scene.run(ListWebhookEndpoints {}).await.unwrap().endpoints;
        assert_eq!(listed[0].status, EndpointStatus::Gone);
        scene.venue("Other Hall").await;
        assert_eq!(relay_due(&scene.app, scene.cx.now).await.unwrap(), 0);
        assert_eq!(deliver(&scene, scene.cx.now).await, Told::default());
    }
}
