//! The adapter and the decorators against the stand-in, faults included.
#![expect(clippy::unwrap_used, reason = "a test says so when it cannot go on")]

mod faults;
mod metering;
mod wire;

use std::time::Duration;

use llm::{
    CallCx, ChatRequest, Message, Patience, ToolSpec,
    anthropic::{Anthropic, Options},
    testing::{
        fake::{Fake, serve},
        script::{Called, Fault, Script, Turn},
    },
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A stand-in with a script, and a model that talks to it.
async fn talk(turns: Vec<Turn>) -> (Fake, Anthropic) {
    let fake = Fake::new(Script {
        turns,
        rules: Vec::new(),
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let serving = fake.clone();
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    tokio::spawn(async move { serve(&serving, listener).await });
    let options = Options {
        base_url,
        ..Options::new("claude-sonnet-5-5", "key-of-a-test")
    };
    (fake, Anthropic::new(options).unwrap())
}

fn call() -> CallCx {
    CallCx {
        organization: uuid::Uuid::nil(),
        run: None,
        agent: "organizer".to_owned(),
        step: "m1".to_owned(),
        at: 0,
        today: "2026-11-23".to_owned(),
        jitter: 1,
        patience: Patience {
            idle: Duration::from_millis(400),
            longest_pause: Duration::from_millis(20),
            ..Patience::chat()
        },
        run_limit: None,
        cancel: CancellationToken::new(),
    }
}

fn question(messages: Vec<Message>) -> ChatRequest {
    ChatRequest {
        messages,
        tools: vec![ToolSpec {
            name: "create_event".to_owned(),
            description: "Makes an event.".to_owned(),
            schema: json!({"type": "object"}),
        }],
        max_tokens: 1_000,
        ..ChatRequest::default()
    }
}

fn hello() -> ChatRequest {
    question(vec![Message::user("Hello")])
}

fn says(text: &str) -> Turn {
    Turn {
        text: Some(text.to_owned()),
        ..Turn::default()
    }
}

fn fails(fault: Fault) -> Turn {
    Turn {
        fault: Some(fault),
        // So that something has arrived before it goes wrong.
        piece_ms: 5,
        ..says("A text that is long enough to break off somewhere in the middle of it.")
    }
}

fn calls(args: serde_json::Value, raw: Option<&str>) -> Turn {
    let called = Called {
        name: "create_event".to_owned(),
        args,
        raw: raw.map(ToOwned::to_owned),
    };
    Turn {
        calls: vec![called],
        ..Turn::default()
    }
}
