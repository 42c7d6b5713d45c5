//! What people hear of other events, and afterwards.

use operations::surveys::{Answer, answer_survey, find_survey};
use serde_json::{Value, json};

use super::{ADA, GRACE, House, KEY, OWNER, mail};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_is_announced_when_a_person_agrees_and_to_whom_wants_news() {
    let house = House::with("launch-announcement").await;
    let earlier = house.gala("2027-02-04").await;
    let new = house.draft("Summer Fête", "2027-07-01", 50).await;
    house.run("publish_event", json!({"event": new})).await;
    let start =
        json!({"workflow": "launch-announcement", "params": {"event": new, "audience": earlier}});
    let decide = async |decision: &str| {
        house.run("start_workflow", start.clone()).await;
        house.settle().await;
        let question =
            "To decide: Announce Summer Fête to everyone who had a ticket for Spring Gala?";
        house.assert_sent(&[mail(OWNER, question)]).await;
        let approval = house.question().await["id"].clone();
        let decided = json!({"approval": approval, "decision": decision});
        house.run("decide_approval", decided).await;
        house.settle().await;
    };
    decide("rejected").await;
    house.assert_sent(&[]).await;
    decide("approved").await;
    let subject = "Summer Fête: tickets are on sale";
    let mails = house.read().await;
    let sent: Vec<_> = mails
        .iter()
        .map(|email| mail(email.to.address.as_str(), &email.subject))
        .collect();
    // Hedy has unsubscribed.
    assert_eq!(sent, [mail(ADA, subject), mail(GRACE, subject)]);
    let headers = &mails[0].headers;
    assert!(
        headers
            .iter()
            .any(|(name, _)| name == "List-Unsubscribe-Post")
    );
    // Once more announces nothing twice.
    decide("approved").await;
    house.assert_sent(&[]).await;
    house.disable("launch-announcement").await;
    let refused = house
        .try_run("start_workflow", start.clone())
        .await
        .unwrap_err();
    assert!(refused.starts_with("workflow_not_enabled"), "{refused}");
}

/// The link in a mail of thanks.
fn link(text: &str) -> &str {
    let link = text.split("https://tickets.example.org/s/").nth(1).unwrap();
    link.split_whitespace().next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_came_are_thanked_and_answer_by_the_link_in_their_mail() {
    let house = House::with("thank-you-survey").await;
    let event = house.gala("2027-02-04").await;
    house.set_now("2027-02-04T17:30:00Z");
    house.admit(&event, ADA).await;
    house.admit(&event, super::HEDY).await;
    house.at("2027-02-05T15:59:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-02-05T16:00:01Z").await;
    let mails = house.read().await;
    assert_eq!(mails.len(), 1, "Grace did not come, Hedy wants no news");
    assert_eq!(mails[0].to.address.as_str(), ADA);
    assert_eq!(mails[0].subject, "Thank you for coming to Spring Gala");
    let token = link(&mails[0].text);
    assert!(mails[0].html.contains(token) && !mails[0].html.contains("survey.invalid"));
    let (app, now) = (&house.scene.app, house.now());
    let asked = find_survey(app, &KEY, token, now).await.unwrap();
    assert_eq!((asked.event.as_str(), asked.answer), ("Spring Gala", None));
    let answer = Answer::new("9", "The dinner was cold.").unwrap();
    answer_survey(app, &KEY, token, answer, now).await.unwrap();
    let results = house
        .run("get_survey_results", json!({"event": event}))
        .await;
    let seen = ["asked_count", "response_count", "nps"].map(|f| results[f].clone());
    assert_eq!(seen, [json!(1), json!(1), json!(100)]);
    assert_eq!(results["comments"][0]["comment"], "The dinner was cold.");
    house.assert_sent(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_thanked_for_what_was_called_off() {
    let house = House::with("thank-you-survey").await;
    let event = house.gala("2027-02-04").await;
    house.set_now("2027-02-04T17:30:00Z");
    house.admit(&event, ADA).await;
    let cancel = json!({"event": event, "reason": "The hall is flooded."});
    house.run("cancel_event", cancel).await;
    house.at("2027-02-05T16:00:01Z").await;
    house.assert_sent(&[]).await;
    assert_eq!(house.ends("thank-you-survey").await, ["skipped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_stayed_away_are_written_to_if_that_is_known() {
    let house = House::with("no-show-follow-up").await;
    let event = house.gala("2027-02-04").await;
    house.set_now("2027-02-04T17:30:00Z");
    house.admit(&event, ADA).await;
    house.at("2027-02-06T08:59:00Z").await;
    house.assert_sent(&[]).await;
    house.at("2027-02-06T09:00:01Z").await;
    // Ada came; Hedy wants no news.
    house
        .assert_sent(&[mail(GRACE, "We missed you at Spring Gala")])
        .await;
    // Where nobody was scanned, nobody can be told to have stayed away.
    house.gala("2027-02-10").await;
    house.at("2027-02-12T09:00:01Z").await;
    house.assert_sent(&[]).await;
    assert_eq!(house.ends("no-show-follow-up").await, ["done", "skipped"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speakers_are_thanked_by_name_once() {
    let house = House::with("speaker-follow-up").await;
    let event = house.gala("2027-02-04").await;
    let start = |note: Value| {
        json!({"workflow": "speaker-follow-up", "params": {"event": event, "note": note, "people": [
            {"address": "kay@example.org", "name": "Kay"}, {"address": "lin@example.org", "name": "Lin"}]}})
    };
    house
        .run("start_workflow", start(json!("The recording is online.")))
        .await;
    house.settle().await;
    let mails = house.read().await;
    let subjects: Vec<_> = mails
        .iter()
        .map(|email| mail(email.to.address.as_str(), &email.subject))
        .collect();
    let subject = "Thank you for Spring Gala";
    assert_eq!(
        subjects,
        [
            mail("kay@example.org", subject),
            mail("lin@example.org", subject)
        ]
    );
    assert!(mails[0].text.contains("Kay") && mails[0].text.contains("The recording is online."));
    // Again, without a note: nobody is thanked twice.
    let mut again = start(Value::Null);
    again["params"].as_object_mut().unwrap().remove("note");
    house.run("start_workflow", again.clone()).await;
    house.settle().await;
    house.assert_sent(&[]).await;
    house.disable("speaker-follow-up").await;
    let refused = house.try_run("start_workflow", again).await.unwrap_err();
    assert!(refused.starts_with("workflow_not_enabled"), "{refused}");
}
