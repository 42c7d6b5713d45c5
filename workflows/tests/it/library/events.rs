//! What attendees hear of an event that is to come.

use serde_json::json;

use super::{ADA, GRACE, HEDY, House, calendar, mail};

fn to_all(subject: &str) -> [(String, String); 3] {
    [ADA, GRACE, HEDY].map(|to| mail(to, subject))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_move_with_the_event_and_come_once() {
    let mut house = House::with("event-reminder-24h").await;
    // Published more than half a year before.
    let event = house.gala("2027-08-05").await;
    let to = json!({"event": event, "starts": "2027-08-07T20:00"});
    house.run("update_event", to).await;
    house.settle().await;
    // A day before the time it had at first, in summer time.
    house.at("2027-08-04T17:00:30Z").await;
    house.assert_sent(&[]).await;
    house.replace_worker();
    house.at("2027-08-06T18:00:10Z").await;
    // Ada has two tickets and gets one mail; Hedy wants no news, and this is none.
    house.assert_sent(&to_all("Spring Gala is tomorrow")).await;
    house.replace_worker();
    let title = json!({"event": event, "summary": "With a dinner"});
    house.run("update_event", title).await;
    house.settle().await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_event_reminds_nobody() {
    let house = House::with("event-reminder-24h").await;
    let event = house.gala("2027-02-04").await;
    let cancel = json!({"event": event, "reason": "The hall is flooded."});
    house.run("cancel_event", cancel).await;
    house.settle().await;
    house.at("2027-02-03T18:00:30Z").await;
    house.assert_sent(&[]).await;
    assert_eq!(house.ends("event-reminder-24h").await, ["skipped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hours_before_everyone_is_reminded_unless_it_is_off() {
    let mut house = House::with("event-reminder-2h").await;
    house.gala("2027-02-04").await;
    house.at("2027-02-04T15:59:00Z").await;
    house.assert_sent(&[]).await;
    house.set_now("2027-02-04T16:00:01Z");
    house.replace_worker();
    house.settle().await;
    house
        .assert_sent(&to_all("Spring Gala is in two hours"))
        .await;
    house.disable("event-reminder-2h").await;
    house.gala("2027-02-06").await;
    house.at("2027-02-06T16:00:01Z").await;
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_time_replaces_the_date_in_calendars_and_a_cancelled_event_leaves_them() {
    let house = House::with("event-changed").await;
    for on in ["order-confirmation", "event-cancelled"] {
        house.run("enable_workflow", json!({"workflow": on})).await;
    }
    let event = house.draft("Spring Gala", "2027-02-04", 50).await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, ADA, 2).await;
    house.settle().await;
    let mut files = house.read().await;
    // Neither a new text nor a ticket type changes time or place.
    let text = json!({"event": event, "summary": "With a dinner"});
    house.run("update_event", text).await;
    house.settle().await;
    house.assert_sent(&[]).await;
    for starts in ["2027-02-05T19:00", "2027-02-05T20:00"] {
        let moved = json!({"event": event, "starts": starts});
        house.run("update_event", moved).await;
        house.settle().await;
        files.extend(house.read().await);
    }
    let cancel = json!({"event": event, "reason": "The hall is flooded."});
    house.run("cancel_event", cancel).await;
    house.settle().await;
    files.extend(house.read().await);
    house.assert_sent(&[]).await;
    let subjects: Vec<&str> = files.iter().map(|file| file.subject.as_str()).collect();
    let expected = [
        "Your tickets for Spring Gala",
        "Changed: Spring Gala",
        "Changed: Spring Gala",
        "Cancelled: Spring Gala",
    ];
    assert_eq!(subjects, expected);
    assert!(files.iter().all(|file| file.to.address.as_str() == ADA));
    let all = |property: &str| -> Vec<String> {
        files.iter().map(|file| calendar(file, property)).collect()
    };
    assert_eq!(all("UID"), [(); 4].map(|()| event.clone()));
    let methods = ["REQUEST", "REQUEST", "REQUEST", "CANCEL"];
    assert_eq!(all("METHOD"), methods);
    assert_eq!(all("STATUS")[3], "CANCELLED");
    let starts = ["20270204T180000Z", "20270205T180000Z", "20270205T190000Z"];
    assert_eq!(all("DTSTART")[..3], starts);
    // Calendars ignore a file that is older than what they have.
    let sequences: Vec<u32> = (all("SEQUENCE").iter().map(|n| n.parse().unwrap())).collect();
    assert!(sequences.is_sorted_by(|a, b| a < b), "{sequences:?}");
    assert!(
        files[1].text.contains("Thu 4 Feb 2027, 19:00"),
        "{}",
        files[1].text
    );
    assert!(
        files[3].text.contains("The hall is flooded."),
        "{}",
        files[3].text
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_hears_of_changes_to_a_draft_or_while_it_is_off() {
    let house = House::with("event-changed").await;
    let event = house.draft("Spring Gala", "2027-02-04", 50).await;
    let moved = |starts: &str| json!({"event": event, "starts": starts});
    house.run("update_event", moved("2027-02-05T19:00")).await;
    house.settle().await;
    assert_eq!(house.ends("event-changed").await, ["skipped"]);
    house.disable("event-changed").await;
    house.run("publish_event", json!({"event": event})).await;
    house.paid(&event, ADA, 1).await;
    house.run("update_event", moved("2027-02-06T19:00")).await;
    // Nor of a cancelled event, whose workflow is off from the start.
    let cancel = json!({"event": event, "reason": "The hall is flooded."});
    house.run("cancel_event", cancel).await;
    house.settle().await;
    house.assert_sent(&[]).await;
}
