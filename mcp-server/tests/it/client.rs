//! A client with a person before it, connected in this process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use mcp_server::{Caller, Options, Server};
use operations::{testing::Scene, tokens::Grant};
use rmcp::{
    ClientHandler, ClientServiceExt as _, ErrorData, RoleClient, ServiceError, ServiceExt as _,
    model::{
        CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig,
        ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability, ErrorCode,
        Implementation, ProgressNotificationParam, ProtocolVersion,
        ResourceUpdatedNotificationParam,
    },
    service::{ClientLifecycleMode, NotificationContext, RequestContext, RunningService},
};
use serde_json::Value;

/// Which revision of the protocol the client speaks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Era {
    Modern,
    Legacy,
}

pub(crate) const ERAS: [Era; 2] = [Era::Modern, Era::Legacy];

/// What the person does when asked.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Form(Value),
    Decline,
    Cancel,
    /// No answer at all, for ever.
    Silence,
    /// An error in the place of an answer.
    Error(ErrorCode),
}

#[derive(Default)]
pub(crate) struct Notes {
    replies: Mutex<VecDeque<Reply>>,
    pub(crate) questions: Mutex<Vec<String>>,
    pub(crate) progress: Mutex<Vec<ProgressNotificationParam>>,
    pub(crate) updates: Mutex<Vec<String>>,
}

/// The client's side: answers questions and writes down what it is told.
#[derive(Clone)]
pub(crate) struct Desk {
    asks: bool,
    pub(crate) notes: Arc<Notes>,
}

impl Desk {
    /// A client that cannot ask anybody.
    pub(crate) fn silent() -> Self {
        Self {
            asks: false,
            notes: Arc::default(),
        }
    }

    /// A client whose person gives these answers, then walks away.
    pub(crate) fn with(replies: impl IntoIterator<Item = Reply>) -> Self {
        let notes = Notes {
            replies: Mutex::new(replies.into_iter().collect()),
            ..Notes::default()
        };
        Self {
            asks: true,
            notes: Arc::new(notes),
        }
    }

    pub(crate) fn questions(&self) -> Vec<String> {
        self.notes.questions.lock().unwrap().clone()
    }
}

impl ClientHandler for Desk {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        if self.asks {
            capabilities.elicitation = Some(ElicitationCapability::default());
        }
        ClientConfig::new(capabilities, Implementation::new("desk", "1.0"))
            .with_protocol_version(ProtocolVersion::V_2025_11_25)
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Err(ErrorData::invalid_params("only forms", None));
        };
        self.notes.questions.lock().unwrap().push(message);
        let reply = self
            .notes
            .replies
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or(Reply::Cancel);
        Ok(match reply {
            Reply::Form(content) => {
                let mut result = ElicitResult::new(ElicitationAction::Accept);
                result.content = Some(content);
                result
            }
            Reply::Decline => ElicitResult::new(ElicitationAction::Decline),
            Reply::Cancel => ElicitResult::new(ElicitationAction::Cancel),
            Reply::Silence => std::future::pending().await,
            Reply::Error(code) => return Err(ErrorData::new(code, "no", None)),
        })
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.notes.progress.lock().unwrap().push(params);
    }

    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.notes.updates.lock().unwrap().push(params.uri);
    }
}

/// A connected client.
pub(crate) struct Client {
    pub(crate) service: RunningService<RoleClient, Desk>,
}

/// The options of every test.
pub(crate) fn options() -> Options {
    Options::new([7; 32])
}

/// What the owner's own program may do.
pub(crate) fn owner(scene: &Scene) -> Grant {
    Grant::local(scene.cx.organization_id, scene.cx.actor.user_id().unwrap())
}

impl Client {
    /// The scene's owner, with everything on.
    pub(crate) async fn of(scene: &Scene, era: Era, desk: Desk) -> Self {
        Self::connect(scene, owner(scene), options(), era, desk).await
    }

    pub(crate) async fn connect(
        scene: &Scene,
        caller: impl Into<Caller>,
        options: Options,
        era: Era,
        desk: Desk,
    ) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = Server::local(scene.app.clone(), caller, options);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the client's side of the pipe"
        )]
        tokio::spawn(async move {
            let running = Box::pin(server.serve(theirs)).await.unwrap();
            running.waiting().await.unwrap();
        });
        let mode = match era {
            Era::Modern => ClientLifecycleMode::Discover {
                preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            },
            Era::Legacy => ClientLifecycleMode::Initialize,
        };
        Self {
            service: desk.serve_with_lifecycle(ours, mode).await.unwrap(),
        }
    }

    /// Calls a tool, answering its questions.
    pub(crate) async fn try_call(
        &self,
        tool: &str,
        arguments: Value,
    ) -> Result<CallToolResult, ServiceError> {
        self.service.call_tool(params(tool, arguments)).await
    }

    /// The structured content of a call that must succeed.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let result = self.try_call(tool, arguments).await.unwrap();
        assert_ne!(result.is_error, Some(true), "{tool}: {}", text(&result));
        result.structured_content.unwrap()
    }

    /// What a call that must fail says.
    pub(crate) async fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.try_call(tool, arguments).await.unwrap();
        assert_eq!(
            result.is_error,
            Some(true),
            "{tool} was not refused: {}",
            text(&result)
        );
        assert_eq!(result.structured_content, None);
        text(&result)
    }

    /// The names of the tools in the list.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let list = self.service.list_tools(None).await.unwrap();
        list.tools
            .into_iter()
            .map(|tool| tool.name.into_owned())
            .collect()
    }
}

pub(crate) fn params(tool: &str, arguments: Value) -> CallToolRequestParams {
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = match arguments {
        Value::Object(fields) => Some(fields),
        Value::Null => None,
        other => panic!("arguments are an object, not {other}"),
    };
    params
}

pub(crate) fn text(result: &CallToolResult) -> String {
    let parts = result.content.iter().filter_map(|part| part.as_text());
    parts
        .map(|part| part.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
