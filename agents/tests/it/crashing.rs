//! A worker goes away in the middle; another goes on.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use llm::{
    CallCx, Caps, ChatEvent, ChatModel, ChatRequest, ChatStream, ModelError, ModelId,
    testing::{calls, says},
};
use operations::{
    approvals::Decision,
    conversations::{ConversationStatus, EntryKind},
    events::ListEvents,
};

use crate::{
    stage::{Stage, eventually},
    talking::night,
};

/// Begins to speak and never ends.
struct Endless(ModelId);

impl ChatModel for Endless {
    fn id(&self) -> &ModelId {
        &self.0
    }

    fn caps(&self) -> Caps {
        Caps {
            tools: true,
            json_schema: false,
            cache: false,
            context: 1_000,
            max_output: 1_000,
        }
    }

    fn stream<'a>(
        &'a self,
        _: &'a ChatRequest,
        _: &'a CallCx,
    ) -> BoxFuture<'a, Result<ChatStream, ModelError>> {
        use futures_util::{StreamExt as _, stream};
        let begun = stream::iter([Ok(ChatEvent::Text("Well, let me".to_owned()))]);
        Box::pin(async move { Ok(begun.chain(stream::pending()).boxed()) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_goes_on_and_half_a_sentence_gives_way() {
    let stage = Stage::new().await;
    let endless = Endless("test/endless".parse().unwrap());
    let first = stage.work(Ok(Arc::new(endless)));
    let id = stage.say("Rust Night").await.id;
    let half = async || {
        let seen = stage.seen(id).await;
        seen.entries
            .iter()
            .any(|entry| entry.kind == EntryKind::Text)
            .then_some(())
    };
    eventually(half).await;
    drop(first);
    let (model, metered) = stage.model([
        Ok(vec![
            says("Here is the evening."),
            calls("t1", "apply_changes", night()),
        ]),
        Ok(vec![says("Done.")]),
    ]);
    let second = stage.work(Ok(metered));
    let proposal = stage.proposal(id).await;
    // It waits for the person while nobody works, and goes on where it was.
    drop(second);
    stage.decide(proposal.id, Decision::Approved, None).await;
    let (last, metered) = stage.model([Ok(vec![says("Rust Night is there.")])]);
    let _third = stage.work(Ok(metered));
    let seen = stage.until(id, ConversationStatus::Idle).await;
    assert_eq!(model.asked().len(), 1, "what it said was kept");
    assert_eq!(last.asked()[0].messages.len(), 3);
    let texts: Vec<&str> = seen
        .entries
        .iter()
        .filter_map(|entry| entry.body["text"].as_str())
        .collect();
    assert_eq!(
        texts,
        ["Rust Night", "Here is the evening.", "Rust Night is there."]
    );
    let events = stage.scene.run(ListEvents::default()).await.unwrap();
    assert_eq!(events.items.len(), 1, "once");
}
