//! What the tests share: an organization, workers with agents, and a person who talks and decides.

use std::{future::Future, sync::Arc, time::Duration};

use agents::{Agents, Books, Roster};
use domain::{ApprovalId, ConversationId};
use llm::{
    ChatModel, Metered, ModelId, Prices,
    testing::{Scripted, ScriptedModel},
};
use operations::{
    App,
    approvals::{Approval, ApprovalStatus, DecideApproval, DecidedApproval, Decision},
    conversations::{
        AskAgent, Conversation, ConversationDetail, ConversationStatus, GetConversation,
    },
    testing::Scene,
};
use store::Store;
use tokio_util::sync::{CancellationToken, DropGuard};
use workflows::{Definitions, NoDefinitions, Options, Worker};

/// How long a test waits for what must come before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Stage {
    pub(crate) scene: Scene,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self {
            scene: Scene::new().await,
        }
    }

    pub(crate) fn store(&self) -> Store {
        Store::connect(&store::Options::new(self.scene.database.url())).unwrap()
    }

    /// A worker whose agents ask a model, until the guard is dropped. What it held is then another's after half a second.
    pub(crate) fn work(&self, model: Result<Arc<dyn ChatModel>, String>) -> DropGuard {
        self.work_on(Arc::new(NoDefinitions), model)
    }

    /// The same, with workflows.
    pub(crate) fn work_on(
        &self,
        definitions: Arc<dyn Definitions>,
        model: Result<Arc<dyn ChatModel>, String>,
    ) -> DropGuard {
        let store = self.store();
        let app = App::new(store.clone(), operations::Options::unlimited());
        let tools = mcp_server::Options::new([7; 32]);
        let agents = Agents::new(app.clone(), Roster::builtin(), model, tools);
        let mut options = Options::new("test");
        let now = self.scene.cx.now;
        options.clock = Arc::new(move || now);
        options.poll = Duration::from_millis(30);
        options.lease = Duration::from_millis(500);
        options.grace = Duration::from_millis(1);
        let worker = Worker::new(app, store, definitions, options).unwrap();
        let worker = worker.with_agents(Arc::new(agents));
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "it ends with the guard")]
        tokio::spawn(async move { worker.run(stopping).await });
        stop.drop_guard()
    }

    /// A model with a script, written down in the books.
    pub(crate) fn model(
        &self,
        script: impl IntoIterator<Item = Scripted>,
    ) -> (ScriptedModel, Arc<dyn ChatModel>) {
        let scripted = ScriptedModel::new(script);
        let id: ModelId = scripted.id().clone();
        let prices = Prices::builtin().with_unmetered(&id);
        let app = App::new(self.store(), operations::Options::unlimited());
        let metered = Metered::new(
            scripted.clone(),
            Arc::new(prices),
            Arc::new(Books::new(app)),
        );
        (scripted, Arc::new(metered))
    }

    pub(crate) async fn say(&self, message: &str) -> Conversation {
        let ask = AskAgent {
            message: message.to_owned(),
            ..AskAgent::default()
        };
        self.scene.run(ask).await.unwrap()
    }

    pub(crate) async fn say_again(
        &self,
        conversation: ConversationId,
        message: &str,
    ) -> Conversation {
        let ask = AskAgent {
            message: message.to_owned(),
            conversation: Some(conversation),
            agent: None,
        };
        self.scene.run(ask).await.unwrap()
    }

    pub(crate) async fn seen(&self, id: ConversationId) -> ConversationDetail {
        self.scene.run(GetConversation::of(id)).await.unwrap()
    }

    /// The conversation, once it is the person's turn, to speak or to decide.
    pub(crate) async fn until(
        &self,
        id: ConversationId,
        status: ConversationStatus,
    ) -> ConversationDetail {
        eventually(async || {
            let seen = self.seen(id).await;
            (seen.conversation.status == status).then_some(seen)
        })
        .await
    }

    /// What waits for the person.
    pub(crate) async fn proposal(&self, id: ConversationId) -> Approval {
        let seen = self.until(id, ConversationStatus::Deciding).await;
        let waiting = |approval: &Approval| approval.status == ApprovalStatus::Pending;
        seen.proposals.into_iter().find(waiting).unwrap()
    }

    pub(crate) async fn decide(
        &self,
        approval: ApprovalId,
        decision: Decision,
        note: Option<&str>,
    ) -> DecidedApproval {
        let decide = DecideApproval {
            approval,
            decision,
            note: note.map(ToOwned::to_owned),
        };
        self.scene.run(decide).await.unwrap()
    }
}

/// What comes sooner or later.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(mut look: impl FnMut() -> F) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking)
        .await
        .expect("it never came")
}
