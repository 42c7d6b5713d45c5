//! What is sent, and how replies are read.

use llm::{
    Block, ChatEvent, Message, Role, StopReason, SystemBlock, complete, testing::script::Turn,
};
use serde_json::json;

use crate::{call, calls, hello, question, says, talk};

#[tokio::test]
async fn words_come_in_pieces_and_as_a_whole() {
    let (_, model) = talk(vec![says("Good evening, and welcome to Factory Berlin.")]).await;
    let mut pieces = Vec::new();
    let mut on_event = |event: &ChatEvent| {
        if let ChatEvent::Text(piece) = event {
            pieces.push(piece.clone());
        }
    };
    let reply = complete(&model, &hello(), &call(), &mut on_event)
        .await
        .unwrap();
    assert!(pieces.len() > 2);
    assert_eq!(pieces.concat(), reply.text());
    assert_eq!(
        (reply.stop.reason, reply.request_id.as_deref()),
        (StopReason::EndTurn, Some("req_1"))
    );
    assert_eq!((reply.usage.input, reply.usage.cache_write_5m), (40, 7));
    assert!(reply.usage.output > 0 && reply.usage.cache_read > 0);
}

#[tokio::test]
async fn what_was_thought_is_sent_back_as_it_came() {
    let thinking = Turn {
        thinking: Some(
            "Which of the two Fridays? The zone is Berlin, so … \"half past\".".to_owned(),
        ),
        ..calls(json!({"title": "Rust Night"}), None)
    };
    let (fake, model) = talk(vec![thinking, says("Done.")]).await;
    let first = complete(&model, &hello(), &call(), &mut |_| ())
        .await
        .unwrap();
    let Block::ToolUse { id, args, .. } = &first.blocks[1] else {
        panic!("{first:?}");
    };
    assert_eq!(args["title"], "Rust Night");
    let result = Block::ToolResult {
        id: id.clone(),
        content: "{}".to_owned(),
        is_error: false,
    };
    let messages = vec![
        Message::user("Hello"),
        Message {
            role: Role::Assistant,
            blocks: first.blocks.clone(),
        },
        Message {
            role: Role::User,
            blocks: vec![result],
        },
    ];
    // The stand-in refuses a thinking block that was changed by as much as a letter.
    let second = complete(&model, &question(messages.clone()), &call(), &mut |_| ()).await;
    assert_eq!(second.unwrap().text(), "Done.");
    let sent = &fake.requests()[1]["messages"][1]["content"][0];
    assert_eq!(sent["type"], "thinking");
    let mut changed = messages;
    if let Block::Opaque { json, .. } = &mut changed[1].blocks[0] {
        json["thinking"] = json!("Something else.");
    }
    let refused = complete(&model, &question(changed), &call(), &mut |_| ())
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("thinking block was changed"),
        "{refused}"
    );
}

#[tokio::test]
async fn what_stays_the_same_is_marked_and_sampling_is_never_sent() {
    let (fake, model) = talk(vec![says("Hi.")]).await;
    let mut request = hello();
    request.system = vec![SystemBlock {
        text: "You help.".to_owned(),
        cache: true,
    }];
    request.output = Some(json!({"type": "object"}));
    complete(&model, &request, &call(), &mut |_| ())
        .await
        .unwrap();
    let sent = &fake.requests()[0];
    for marked in ["/tools/0", "/system/0", "/messages/0/content/0"] {
        let block = sent.pointer(marked).unwrap();
        assert_eq!(block["cache_control"]["type"], "ephemeral", "{marked}");
    }
    assert_eq!(sent["output_config"]["format"]["type"], "json_schema");
    assert!(sent.get("temperature").is_none());
}

#[tokio::test]
async fn arguments_that_are_no_json_are_handed_on_as_they_are() {
    let (_, model) = talk(vec![calls(json!(null), Some("{\"title\": \"Rust"))]).await;
    let reply = complete(&model, &hello(), &call(), &mut |_| ())
        .await
        .unwrap();
    let Block::ToolUse { args, raw, .. } = &reply.blocks[0] else {
        panic!("{reply:?}");
    };
    assert!(args.is_null());
    assert_eq!(raw.as_deref(), Some("{\"title\": \"Rust"));
}
