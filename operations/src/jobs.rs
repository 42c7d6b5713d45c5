//! Jobs: one operation in the background, with the retries of the workflow engine. A job is a run of one step, so there
//! is one queue, one place to look and one policy for what fails.

use domain::Cx;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgConnection;
use store::{
    StoreError,
    runs::{self, NewRun},
};

/// What the workflow of a job's run begins with.
pub const PREFIX: &str = "job:";

/// What a job does.
#[derive(Debug, Serialize, Deserialize)]
pub struct Job {
    /// The operation's name.
    pub operation: String,
    /// What it is given.
    pub input: Value,
    /// How often it is tried and when, as the engine reads it; its own rule when absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub retry: Value,
}

impl Job {
    /// One operation, tried as the engine tries.
    pub fn new(operation: &str, input: Value) -> Self {
        Self {
            operation: operation.to_owned(),
            input,
            retry: Value::Null,
        }
    }

    /// The run that does it. A second one of the operation under the same key is the first one.
    pub fn run(self, cx: &Cx, key: Option<String>) -> NewRun {
        NewRun {
            organization_id: cx.organization_id,
            id: cx.new_id(),
            workflow: format!("{PREFIX}{}", self.operation),
            version: 1,
            title: self.operation.replace('_', " "),
            definition: Some(serde_json::to_value(self).expect("a job is plain data")),
            idempotency_key: key,
            concurrency: None,
            trigger: json!({"kind": "job"}),
            params: json!({}),
            wake_at: cx.now,
            parent: None,
            on_behalf_of: cx.actor.user_id(),
            since: None,
            created_at: cx.now,
        }
    }
}

/// Queues a job in the transaction of what makes it necessary: it is done exactly when that is kept.
pub(crate) async fn enqueue(
    conn: &mut PgConnection,
    cx: &Cx,
    operation: &'static str,
    input: Value,
    key: String,
) -> Result<(), StoreError> {
    let run = Job::new(operation, input).run(cx, Some(key));
    runs::insert(conn, &run).await?;
    Ok(())
}
