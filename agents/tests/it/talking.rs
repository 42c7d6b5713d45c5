//! A person talks, the agent looks and proposes, the person decides.

use llm::{
    Block, Role,
    testing::{calls, says},
};
use operations::{
    approvals::Decision,
    conversations::{ConversationStatus, EntryKind, StopConversation},
    events::ListEvents,
    model_calls::GetModelCosts,
};
use serde_json::{Value, json};

use crate::stage::Stage;

pub(crate) fn night() -> Value {
    let tier = |name: &str, price: i64| {
        let price = json!({"amount": price, "currency": "EUR"});
        json!({"operation": "save_ticket_type", "input": {"event": "$night", "name": name, "price": price, "quantity": 40}})
    };
    json!({"title": "Rust Night at Factory Berlin", "steps": [
        {"name": "hall", "operation": "save_venue", "input": {"name": "Factory Berlin", "capacity": 80}},
        {"name": "night", "operation": "create_event",
            "input": {"title": "Rust Night", "starts": "2027-02-04T19:00", "venue": "$hall"}},
        tier("Early bird", 1500),
        tier("Regular", 2500),
        {"operation": "publish_event", "input": {"event": "$night"}},
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_comes_into_being_by_talking() {
    let stage = Stage::new().await;
    let (model, metered) = stage.model([
        Ok(vec![
            says("I look whether the place is known."),
            calls("t1", "list_venues", json!({})),
            calls("t2", "list_events", json!({"query": "Rust"})),
        ]),
        Ok(vec![
            says("Here is the whole evening."),
            calls("t3", "apply_changes", night()),
        ]),
        Ok(vec![says("Rust Night is on sale: Thu 4 Feb 2027, 19:00.")]),
    ]);
    let _working = stage.work(Ok(metered));
    let id = stage
        .say("Rust Night, 80 places, early bird 15 €, Factory Berlin, first Thursday in February")
        .await
        .id;
    let proposal = stage.proposal(id).await;
    assert_eq!(proposal.title, "Rust Night at Factory Berlin");
    assert_eq!(proposal.preview.len(), 6, "{:?}", proposal.preview);
    let mails = "select count(*) from message";
    assert_eq!(
        stage.scene.database.count(mails).await,
        0,
        "who talks needs no mail about it"
    );
    let events = || stage.scene.run(ListEvents::default());
    assert!(
        events().await.unwrap().items.is_empty(),
        "nothing happens before the person agrees"
    );
    stage.decide(proposal.id, Decision::Approved, None).await;
    let seen = stage.until(id, ConversationStatus::Idle).await;
    let events = events().await.unwrap().items;
    assert_eq!((events.len(), events[0].title.as_str()), (1, "Rust Night"));
    let kinds: Vec<EntryKind> = seen.entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == EntryKind::Said)
            .count(),
        3
    );
    assert!(
        !kinds.contains(&EntryKind::Text),
        "pieces give way to the whole"
    );
    assert_eq!(kinds.last(), Some(&EntryKind::Ended));
    let tools: Vec<&Value> = seen
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Tool)
        .map(|entry| &entry.body["state"])
        .collect();
    assert_eq!(tools, ["done", "done", "done"]);
    // The two looks were one message; each result names its call.
    let asked = model.asked();
    assert_eq!(asked.len(), 3);
    let results = &asked[1].messages.last().unwrap().blocks;
    assert!(
        matches!(&results[0], Block::ToolResult { id, is_error: false, .. } if id == "t1"),
        "{results:?}"
    );
    assert!(
        matches!(&results[1], Block::ToolResult { id, is_error: false, .. } if id == "t2"),
        "{results:?}"
    );
    let costs = stage.scene.run(GetModelCosts::default()).await.unwrap();
    assert_eq!(costs.by_model[0].call_count, 3);
    stage.scene.reconcile().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_is_told_and_the_same_is_not_proposed_again() {
    let stage = Stage::new().await;
    let venue = || json!({"name": "Factory Berlin"});
    let (model, metered) = stage.model([
        Ok(vec![calls("t1", "save_venue", venue())]),
        Ok(vec![calls("t2", "save_venue", venue())]),
        Ok(vec![says("Then not.")]),
    ]);
    let _working = stage.work(Ok(metered));
    let id = stage.say("Add Factory Berlin").await.id;
    let proposal = stage.proposal(id).await;
    stage
        .decide(
            proposal.id,
            Decision::Rejected,
            Some("We have it under another name."),
        )
        .await;
    let seen = stage.until(id, ConversationStatus::Idle).await;
    assert_eq!(seen.proposals.len(), 1, "it was not proposed again");
    let asked = model.asked();
    let told = |place: usize| serde_json::to_string(asked[place].messages.last().unwrap()).unwrap();
    assert!(
        told(1).contains("rejected. They said: We have it under another name."),
        "{}",
        told(1)
    );
    assert!(
        told(2).contains("A person has rejected exactly this"),
        "{}",
        told(2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_refuses_the_model_corrects_without_bothering_anybody() {
    let stage = Stage::new().await;
    let event = |starts: &str| json!({"title": "Rust Night", "starts": starts});
    let (model, metered) = stage.model([
        Ok(vec![calls("t1", "create_event", event("next Friday"))]),
        Ok(vec![calls("t2", "create_event", event("2027-02-05T19:00"))]),
        Ok(vec![says("A draft for Fri 5 Feb 2027, 19:00.")]),
    ]);
    let _working = stage.work(Ok(metered));
    let id = stage.say("Rust Night next Friday at 7").await.id;
    let proposal = stage.proposal(id).await;
    assert_eq!(
        stage.seen(id).await.proposals.len(),
        1,
        "nobody was asked about what cannot be"
    );
    stage.decide(proposal.id, Decision::Approved, None).await;
    stage.until(id, ConversationStatus::Idle).await;
    let asked = model.asked();
    let refused = &asked[1].messages.last().unwrap().blocks[0];
    assert!(
        matches!(refused, Block::ToolResult { is_error: true, .. }),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_turns_know_what_was_said_before() {
    let stage = Stage::new().await;
    let (model, metered) = stage.model([
        Ok(vec![says("You have no events.")]),
        Ok(vec![says("As I said: none.")]),
    ]);
    let _working = stage.work(Ok(metered));
    let id = stage.say("What is on?").await.id;
    stage.until(id, ConversationStatus::Idle).await;
    stage.say_again(id, "And now?").await;
    stage.until(id, ConversationStatus::Idle).await;
    let said: Vec<Role> = model.asked()[1]
        .messages
        .iter()
        .map(|message| message.role)
        .collect();
    assert_eq!(said, [Role::User, Role::Assistant, Role::User]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_model_it_says_in_a_line_what_to_set() {
    let stage = Stage::new().await;
    let missing = "No model is set: put ANTHROPIC_API_KEY into the environment.";
    let without = stage.work(Err(missing.to_owned()));
    let id = stage.say("Hello").await.id;
    let seen = stage.until(id, ConversationStatus::Failed).await;
    assert_eq!(seen.entries.last().unwrap().body["message"], missing);
    // It is said again once there is one.
    let (_, metered) = stage.model([Ok(vec![says("Hello.")])]);
    drop(without);
    let _working = stage.work(Ok(metered));
    stage.say_again(id, "Hello?").await;
    stage.until(id, ConversationStatus::Idle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_says_the_same_for_ever_is_stopped() {
    let stage = Stage::new().await;
    let again = || Ok(vec![calls("t", "list_events", json!({}))]);
    let (model, metered) = stage.model((0..20).map(|_| again()));
    let _working = stage.work(Ok(metered));
    let id = stage.say("Go on").await.id;
    let seen = stage.until(id, ConversationStatus::Failed).await;
    assert!(model.asked().len() <= 6, "{}", model.asked().len());
    let open = seen
        .entries
        .iter()
        .filter(|entry| entry.body["state"] == "started");
    assert_eq!(open.count(), 0, "each call is seen to come to something");
    let message = seen.entries.last().unwrap().body["message"]
        .as_str()
        .unwrap();
    assert!(message.contains("repeating itself"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_stops_it_and_what_was_proposed_is_not_done() {
    let stage = Stage::new().await;
    let (_, metered) = stage.model([Ok(vec![calls("t1", "apply_changes", night())])]);
    let _working = stage.work(Ok(metered));
    let id = stage.say("Rust Night").await.id;
    stage.proposal(id).await;
    stage
        .scene
        .run(StopConversation { conversation: id })
        .await
        .unwrap();
    let seen = stage.until(id, ConversationStatus::Idle).await;
    assert_eq!(seen.entries.last().unwrap().body["outcome"], "stopped");
    let events = stage.scene.run(ListEvents::default()).await.unwrap();
    assert!(events.items.is_empty());
}
