//! What an agent can reach: our own MCP tools, in this process, as the person it works for.

use domain::{Cx, Permissions};
use futures_util::future::join_all;
use llm::ToolSpec;
use mcp_server::{Caller, Server};
use operations::{App, catalog, tokens::Grant};
use rmcp::{
    ClientHandler, ClientServiceExt as _, RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult, ClientConfig, Implementation, ProtocolVersion},
    service::{ClientLifecycleMode, RunningService},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{roster::Spec, turn::READ_RESULT};

/// A look through a tool.
#[derive(Debug, Deserialize)]
pub(crate) struct Look {
    name: String,
    args: Value,
}

/// What it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Looked {
    content: String,
    is_error: bool,
}

/// The tools of an agent, as its model is told of them: those that the person may use.
pub(crate) fn specs(spec: &Spec, permissions: Permissions) -> Vec<ToolSpec> {
    let names = spec.reads.iter().chain(&spec.writes);
    let entries = names.filter_map(|name| catalog::find(name));
    let allowed = entries.filter(|entry| permissions.allows(entry.needs));
    let mut tools: Vec<ToolSpec> = allowed
        .map(|entry| {
            let (description, schema) = mcp_server::described(entry);
            ToolSpec {
                name: entry.name.to_owned(),
                description,
                schema,
            }
        })
        .collect();
    tools.push(ToolSpec {
        name: READ_RESULT.to_owned(),
        description: "Show more of a result that was too long to be shown at once.".to_owned(),
        schema: json!({"type": "object", "required": ["call"], "properties": {
            "call": {"type": "string", "maxLength": 100, "description": "The call's id, as the result names it."},
            "offset": {"type": "integer", "minimum": 0, "description": "How many characters to pass over."},
        }}),
    });
    tools
}

/// A client that can be asked nothing: whatever needs a person is proposed, not called.
#[derive(Clone)]
struct Quiet;

impl ClientHandler for Quiet {
    fn get_info(&self) -> ClientConfig {
        let client = Implementation::new("agent", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(rmcp::model::ClientCapabilities::default(), client)
    }
}

/// Looks things up, all at once. Nothing can be written this way.
pub(crate) async fn look(
    app: &App,
    cx: &Cx,
    options: &mcp_server::Options,
    looks: Vec<Look>,
) -> Result<Vec<Looked>, String> {
    let client = connect(app, cx, options).await?;
    let looked = join_all(looks.into_iter().map(|look| one(&client, look))).await;
    drop(client.cancel().await);
    Ok(looked)
}

async fn connect(
    app: &App,
    cx: &Cx,
    options: &mcp_server::Options,
) -> Result<RunningService<RoleClient, Quiet>, String> {
    let (ours, theirs) = tokio::io::duplex(1 << 20);
    let server = Server::local(
        app.clone(),
        Caller::Known(Grant::looking(cx)),
        options.clone(),
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with this side of the pipe"
    )]
    tokio::spawn(async move {
        if let Ok(running) = Box::pin(server.serve(theirs)).await {
            drop(running.waiting().await);
        }
    });
    let mode = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let connected = Quiet.serve_with_lifecycle(ours, mode).await;
    connected.map_err(|error| error.to_string())
}

async fn one(client: &RunningService<RoleClient, Quiet>, look: Look) -> Looked {
    let mut params = CallToolRequestParams::new(look.name);
    params.arguments = match look.args {
        Value::Object(fields) => Some(fields),
        _ => Some(Map::new()),
    };
    match client.call_tool(params).await {
        Ok(result) => Looked {
            is_error: result.is_error == Some(true),
            content: text(&result),
        },
        Err(error) => Looked {
            is_error: true,
            content: error.to_string(),
        },
    }
}

fn text(result: &CallToolResult) -> String {
    let parts = result.content.iter().filter_map(|part| part.as_text());
    parts
        .map(|part| part.text.as_str())
        .collect::<Vec<_>>()
        .join("\n")
}
