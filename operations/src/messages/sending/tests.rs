//! What senders promise, tried with senders that fail, die and race.

use std::{collections::HashSet, time::Duration};

use delivery::{Refusal, SendError};
use domain::MessageId;

use super::*;
use crate::{
    messages::{
        ListMessages, ListSuppressions, Message, MessageStatus, SuppressionReason,
        testing::{Taken, options, reminder, send_all, send_at},
    },
    testing::Scene,
};

async fn queued(scene: &Scene, count: usize) -> Vec<MessageId> {
    let event = scene.published("Spring Gala").await;
    let addresses: Vec<String> = (0..count)
        .map(|n| format!("guest{n}@example.org"))
        .collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    scene
        .run(reminder(event.id, &addresses))
        .await
        .unwrap()
        .message_ids
}

async fn messages(scene: &Scene) -> Vec<Message> {
    scene.run(ListMessages::default()).await.unwrap().items
}

#[tokio::test]
async fn sends_what_is_due_and_no_earlier() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await;
    let mut command = reminder(event.id, &["ada@example.org"]);
    let later = scene.cx.now.plus_seconds(3600);
    command.send_at = Some(later);
    scene.run(command).await.unwrap();
    let taken = Taken::default();
    let round = send_all(&scene, &taken).await;
    assert_eq!((round.sent, round.next_due), (0, Some(later)));
    let round = send_at(&scene, &taken, later, &options()).await;
    assert_eq!((round.sent, round.next_due), (1, None));
    let mail = taken.mails().pop().unwrap();
    assert_eq!(mail.from.address.as_str(), "tickets@example.org");
    assert_eq!(mail.to.address.as_str(), "ada@example.org");
    assert!(
        mail.message_id.ends_with("@example.org>"),
        "{}",
        mail.message_id
    );
    assert_eq!(messages(&scene).await[0].status, MessageStatus::Sent);
}

#[tokio::test]
async fn news_carry_a_way_out_that_works() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await;
    let mut command = reminder(event.id, &["ada@example.org"]);
    command.template = "launch_announcement".to_owned();
    let id = scene.run(command).await.unwrap().message_ids[0];
    let taken = Taken::default();
    send_all(&scene, &taken).await;
    let mail = taken.mails().pop().unwrap();
    let sealed = unsubscribe::token(&options().key, id);
    let url = format!("https://tickets.example.org/u/{sealed}");
    assert!(
        mail.headers
            .contains(&("List-Unsubscribe".to_owned(), format!("<{url}>")))
    );
    let one_click = (
        "List-Unsubscribe-Post".to_owned(),
        "List-Unsubscribe=One-Click".to_owned(),
    );
    assert!(mail.headers.contains(&one_click));
    assert!(
        mail.html.contains(&url) && mail.text.contains(&url),
        "{}",
        mail.text
    );
    assert!(!mail.html.contains("unsubscribe.invalid"));
}

#[tokio::test]
async fn a_sender_that_dies_is_followed_by_one_with_the_same_message_id() {
    let scene = Scene::new().await;
    queued(&scene, 1).await;
    let taken = Taken::default();
    let options = options();
    // Handed over, and dead before that was written down.
    let mut round = Round::default();
    let now = scene.cx.now;
    let (claims, _) = take_up(&scene.app, &options, "dead", now, &mut round)
        .await
        .unwrap();
    let senders = Senders {
        email: &taken,
        sms: None,
    };
    hand_over(senders, &options, &claims[0]).await.unwrap();
    assert_eq!(
        send_all(&scene, &taken).await.sent,
        0,
        "the lease still holds"
    );
    let later = now.plus_seconds(i64::from(options.lease_seconds) + 1);
    assert_eq!(send_at(&scene, &taken, later, &options).await.sent, 1);
    let mails = taken.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0], mails[1], "the same mail, byte for byte");
    // The first one comes back to life and has nothing more to say.
    let failed = Err(SendError::Permanent(Refusal::new(
        550,
        "5.1.1 no such user",
    )));
    settle(&scene.app, &claims[0], "dead", &failed, later, &mut round)
        .await
        .unwrap();
    assert_eq!(messages(&scene).await[0].status, MessageStatus::Sent);
    assert!(
        scene
            .run(ListSuppressions::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

/// Sends by two at once; how many mails went out and how many different ones.
async fn by_two(scene: &Scene, options: &Options) -> (usize, usize) {
    let taken = Taken::slow(15);
    let now = scene.cx.now;
    // The second finds the first in the middle of it.
    let second = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        send_at(scene, &taken, now.plus_seconds(1), options).await
    };
    tokio::join!(send_at(scene, &taken, now, options), second);
    let ids: HashSet<_> = taken
        .mails()
        .into_iter()
        .map(|mail| mail.message_id)
        .collect();
    (taken.count(), ids.len())
}

#[tokio::test]
async fn two_at_once_send_each_message_once() {
    let scene = Scene::new().await;
    queued(&scene, 30).await;
    let (mails, different) = by_two(&scene, &options()).await;
    assert_eq!((mails, different), (30, 30));
}

#[tokio::test]
async fn without_a_lease_two_at_once_would_send_twice() {
    let scene = Scene::new().await;
    queued(&scene, 30).await;
    let control = Options {
        lease_seconds: 0,
        ..options()
    };
    let (mails, different) = by_two(&scene, &control).await;
    assert!(mails > different, "{mails} mails of {different} messages");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_later_and_given_up_in_the_end() {
    let scene = Scene::new().await;
    queued(&scene, 1).await;
    let taken = Taken::default();
    taken.answer(Some(SendError::Transient(Refusal::new(
        451,
        "4.7.1 greylisted",
    ))));
    let mut now = scene.cx.now;
    let mut waits = Vec::new();
    for _ in 1..MAX_ATTEMPTS {
        let round = send_at(&scene, &taken, now, &options()).await;
        assert_eq!((round.retried, round.failed), (1, 0));
        let next = round.next_due.unwrap();
        waits.push((next.as_microseconds() - now.as_microseconds()) / 1_000_000);
        assert_eq!(
            send_at(&scene, &taken, next.plus_seconds(-1), &options())
                .await
                .retried,
            0
        );
        now = next;
    }
    assert!(
        waits.is_sorted() || waits[6..].iter().all(|wait| *wait >= 6 * 3600),
        "{waits:?}"
    );
    let round = send_at(&scene, &taken, now, &options()).await;
    assert_eq!((round.retried, round.failed), (0, 1));
    let message = messages(&scene).await.remove(0);
    assert_eq!(message.status, MessageStatus::Failed);
    assert_eq!(
        (message.attempts, message.error_code),
        (MAX_ATTEMPTS, Some(451))
    );
    assert_eq!(message.error.unwrap().as_str(), "4.7.1 greylisted");
    assert!(
        scene
            .run(ListSuppressions::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_dead_address_is_noted_and_a_refused_text_is_not() {
    let scene = Scene::new().await;
    queued(&scene, 1).await;
    let taken = Taken::default();
    taken.answer(Some(SendError::Permanent(Refusal::new(
        550,
        "5.1.1 no such user",
    ))));
    assert_eq!(send_all(&scene, &taken).await.failed, 1);
    let listed = scene.run(ListSuppressions::default()).await.unwrap().items;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].reason, SuppressionReason::Refused);
    let event = scene.published("Autumn Gala").await;
    scene
        .run(reminder(event.id, &["grace@example.org"]))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    taken.answer(Some(SendError::Permanent(Refusal::new(
        550,
        "5.7.1 looks like spam",
    ))));
    send_all(&scene, &taken).await;
    assert_eq!(
        scene
            .run(ListSuppressions::default())
            .await
            .unwrap()
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn keeps_to_its_rate_and_says_when_to_go_on() {
    let scene = Scene::new().await;
    queued(&scene, 7).await;
    let taken = Taken::default();
    let limited = Options {
        per_minute: 5,
        ..options()
    };
    let now = scene.cx.now;
    assert_eq!(send_at(&scene, &taken, now, &limited).await.sent, 5);
    let round = send_at(&scene, &taken, now.plus_seconds(10), &limited).await;
    assert_eq!(round.sent, 0);
    let next = round.next_due.unwrap();
    assert!(next >= now.plus_seconds(60), "{next}");
    assert_eq!(
        send_at(&scene, &taken, next.plus_seconds(1), &limited)
            .await
            .sent,
        2
    );
}

#[tokio::test]
async fn people_s_own_business_goes_before_news() {
    let scene = Scene::new().await;
    let event = scene.published("Spring Gala").await;
    let mut news = reminder(event.id, &["ada@example.org", "grace@example.org"]);
    news.template = "launch_announcement".to_owned();
    news.dedupe_key = "news".to_owned();
    scene.run(news).await.unwrap();
    scene
        .run(reminder(event.id, &["ada@example.org"]))
        .await
        .unwrap();
    let taken = Taken::default();
    let one = Options {
        batch: 1,
        ..options()
    };
    send_at(&scene, &taken, scene.cx.now, &one).await;
    assert_eq!(taken.mails()[0].subject, "Spring Gala is tomorrow");
}

#[tokio::test]
async fn a_slow_sender_keeps_what_it_has_taken_up() {
    let scene = Scene::new().await;
    queued(&scene, 3).await;
    let slow = Taken::slow(700);
    let short = Options {
        lease_seconds: 1,
        ..options()
    };
    let now = scene.cx.now;
    // Asks while the last mail is under way, long after the lease would have run out.
    let second = async {
        tokio::time::sleep(Duration::from_millis(1_700)).await;
        send_at(&scene, &slow, now.plus_seconds(2), &short).await
    };
    let (first, second) = tokio::join!(send_at(&scene, &slow, now, &short), second);
    assert_eq!((first.sent, second.sent), (3, 0));
    assert_eq!(slow.count(), 3);
}
