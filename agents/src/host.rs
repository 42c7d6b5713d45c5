//! Hosts agents for the workflow engine: makes their programs, asks their models, looks through their tools.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Actor, ConversationId, Cx, Permission, Permissions, Timestamp, context::Entropy};
use llm::{
    Block, CallCx, ChatEvent, ChatModel, ChatRequest, ModelError, Patience, Reply, SystemBlock,
    complete,
};
use operations::{
    App,
    conversations::{self, AGENT_PREFIX, Began, EntryKind, Note},
    organizations::GetContext,
    workflows::{Program, StepError},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use workflows::{AgentRunner, Reply as Answer, Run};

use crate::{
    belt,
    roster::{Roster, Spec},
    said,
    turn::{Ending, Plan, Turn},
};

/// How often what a model says is passed on to whoever follows.
const PASSED_ON: Duration = Duration::from_millis(150);

/// All agents, with the model they ask.
pub struct Agents {
    app: App,
    roster: Roster,
    model: Result<Arc<dyn ChatModel>, String>,
    tools: mcp_server::Options,
}

impl Agents {
    /// Agents that ask a model; or, where there is none, say what to set, in one line.
    pub fn new(
        app: App,
        roster: Roster,
        model: Result<Arc<dyn ChatModel>, String>,
        tools: mcp_server::Options,
    ) -> Self {
        Self {
            app,
            roster,
            model,
            tools,
        }
    }

    async fn prepare(&self, run: &Run) -> Result<Turn, StepError> {
        let name = run.workflow.strip_prefix(AGENT_PREFIX).unwrap_or_default();
        let spec = self.roster.find(name).ok_or_else(|| {
            let message = format!("There is no agent {name:?}.");
            failed("unknown_agent", &message, false)
        })?;
        let cx = cx_of(run);
        let system = self.system(&cx, spec, run.started_at).await?;
        let (began, asked, ending, budget) = match Params::of(&run.params)? {
            Params::Talk {
                conversation,
                turn,
                message,
            } => {
                let began = conversations::history(&self.app, &cx, conversation, turn).await;
                let began =
                    began.map_err(|error| failed("unavailable", &error.to_string(), true))?;
                let gone = || {
                    failed(
                        "conversation_gone",
                        "Whoever began this conversation is no member any more.",
                        false,
                    )
                };
                let ending = Ending::Conversation {
                    id: conversation,
                    turn,
                };
                (began.ok_or_else(gone)?, message, ending, spec.limits.cost())
            }
            Params::Task {
                input,
                output,
                budget_micro_usd,
            } => {
                let began = self.rights(run, &cx).await?;
                let asked = format!("Do this and answer with JSON only.\n{input}");
                let ending = Ending::Output { schema: output };
                (
                    began,
                    asked,
                    ending,
                    budget_micro_usd.min(spec.limits.cost()),
                )
            }
        };
        let mut spec = spec.clone();
        if matches!(ending, Ending::Output { .. }) {
            // The definition is the plan: an agent in it only fills in what it is asked for.
            spec.writes.clear();
        }
        let turns = began
            .turns
            .into_iter()
            .map(|turn| serde_json::from_value(turn).unwrap_or_default());
        Ok(Turn::new(Plan {
            tools: belt::specs(&spec, began.permissions),
            history: said::told_again(turns.collect()),
            permissions: began.permissions,
            is_tainted: began.is_tainted,
            spec,
            system,
            asked,
            ending,
            budget,
        }))
    }

    /// What an agent in a workflow may look at: what the member who switched the workflow on may.
    async fn rights(&self, run: &Run, cx: &Cx) -> Result<Began, StepError> {
        let nobody = || {
            failed(
                "nobody_behind_it",
                "Nobody stands behind this workflow any more.",
                false,
            )
        };
        let user_id = run.on_behalf_of.ok_or_else(nobody)?;
        let permissions = conversations::rights(&self.app, cx, user_id).await;
        let permissions =
            permissions.map_err(|error| failed("unavailable", &error.to_string(), true))?;
        Ok(Began {
            turns: Vec::new(),
            is_tainted: true,
            permissions: permissions.ok_or_else(nobody)?,
            user_id,
        })
    }

    /// Who the agent is, and where and when it works: the same for the whole turn.
    async fn system(
        &self,
        cx: &Cx,
        spec: &Spec,
        at: Timestamp,
    ) -> Result<Vec<SystemBlock>, StepError> {
        let may_look = Permissions::NONE.with(Permission::OrganizationRead);
        let cx = cx.clone().with_permissions(may_look).with_now(at);
        let context = self.app.run(&cx, GetContext {}).await;
        let context = context.map_err(|error| failed("unavailable", &error.to_string(), true))?;
        let organization = context.organization;
        let here = format!(
            "The organization is {:?}; its zone is {} and its currency {}. It is {} {} there now.",
            organization.name,
            organization.zone,
            organization.currency,
            context.weekday,
            context.now_local
        );
        Ok(vec![
            SystemBlock {
                text: spec.prompt.clone(),
                cache: true,
            },
            SystemBlock {
                text: here,
                cache: false,
            },
        ])
    }

    async fn ask(&self, cx: &Cx, run: &Run, path: &str, task: Asked) -> Result<Value, StepError> {
        let model = match &self.model {
            Ok(model) => model,
            Err(missing) => return Err(failed("no_model", missing, false)),
        };
        let audience = Audience::of(&self.app, cx, run);
        audience
            .note(task.notes.into_iter().map(Shown::note).collect())
            .await;
        let call = call_of(cx, run, path, task.budget);
        let reply = follow(&audience, cx, path, model.as_ref(), &task.request, &call).await;
        let reply = reply.map_err(|error| {
            failed(
                "model_failed",
                &domain::text::sentence(&error.to_string()),
                false,
            )
        })?;
        audience.note(said_by(path, &reply, &task.proposes)).await;
        Ok(json!({"reply": reply}))
    }
}

/// Asks a model, passing on what it says as it says it.
async fn follow(
    audience: &Audience<'_>,
    cx: &Cx,
    path: &str,
    model: &dyn ChatModel,
    request: &ChatRequest,
    call: &CallCx,
) -> Result<Reply, ModelError> {
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let ears = Arc::clone(&heard);
    let mut on_event = move |event: &ChatEvent| {
        let mut heard = ears.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            ChatEvent::Text(piece) => heard.text.push_str(piece),
            ChatEvent::Restarted { .. } => {
                *heard = Heard {
                    is_anew: true,
                    ..Heard::default()
                }
            }
            _ => {}
        }
    };
    let mut asking = pin!(complete(model, request, call, &mut on_event));
    let mut number = 0;
    loop {
        tokio::select! {
            biased;
            reply = &mut asking => return reply,
            () = tokio::time::sleep(PASSED_ON) => {}
        }
        if cx.is_cancelled() {
            call.cancel.cancel();
            continue;
        }
        let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        if heard.text.is_empty() && !heard.is_anew {
            continue;
        }
        // What an attempt before said, here or on a machine that crashed, is void.
        let is_first = number == 0 || heard.is_anew;
        number += 1;
        let note = Note {
            part: format!("{path}/{number}"),
            kind: EntryKind::Text,
            body: json!({"step": path, "text": heard.text, "is_first": is_first}),
            replaces: is_first.then(|| format!("{path}/")),
        };
        audience.note(vec![note]).await;
    }
}

/// What was heard since it was last passed on.
#[derive(Default)]
struct Heard {
    text: String,
    is_anew: bool,
}

/// Where people follow a turn; nowhere for the step of a workflow.
struct Audience<'a> {
    app: &'a App,
    cx: &'a Cx,
    at: Option<(ConversationId, i32)>,
}

impl<'a> Audience<'a> {
    fn of(app: &'a App, cx: &'a Cx, run: &Run) -> Self {
        let at = match Params::of(&run.params) {
            Ok(Params::Talk {
                conversation, turn, ..
            }) => Some((conversation, turn)),
            _ => None,
        };
        Self { app, cx, at }
    }

    /// People see it or miss a word of it: what counts is kept with the steps.
    async fn note(&self, notes: Vec<Note>) {
        let Some((id, turn)) = self.at.filter(|_| !notes.is_empty()) else {
            return;
        };
        let now = self.cx.clone().with_now(Timestamp::now());
        if let Err(error) = conversations::note(self.app, &now, id, turn, &notes).await {
            tracing::warn!(%error, "The progress of a conversation could not be written down");
        }
    }
}

/// What a reply shows people: its words, and the tools it calls.
fn said_by(path: &str, reply: &Reply, proposes: &[String]) -> Vec<Note> {
    let mut notes = Vec::new();
    let text = reply.text();
    notes.push(Note {
        part: path.to_owned(),
        kind: EntryKind::Said,
        body: json!({"step": path, "text": text}),
        replaces: Some(format!("{path}/")),
    });
    let calls = reply.blocks.iter().filter_map(|block| match block {
        Block::ToolUse { name, args, .. } => Some((name, args)),
        _ => None,
    });
    for (place, (name, args)) in calls.enumerate() {
        let state = if proposes.contains(name) {
            "waiting"
        } else {
            "started"
        };
        notes.push(Note {
            part: format!("{path}.c{place}"),
            kind: EntryKind::Tool,
            body: json!({"tool": name, "label": said::label(name, args), "state": state}),
            replaces: None,
        });
    }
    notes
}

impl AgentRunner for Agents {
    fn program<'a>(&'a self, run: &'a Run) -> Answer<'a, Box<dyn Program>> {
        Box::pin(async move {
            let turn = self.prepare(run).await?;
            Ok(Box::new(turn) as Box<dyn Program>)
        })
    }

    fn perform<'a>(
        &'a self,
        cx: &'a Cx,
        run: &'a Run,
        path: &'a str,
        task: &'a Value,
    ) -> Answer<'a, Value> {
        Box::pin(async move {
            match Task::deserialize(task) {
                Ok(Task::Model(asked)) => self.ask(cx, run, path, *asked).await,
                Ok(Task::Look { calls }) => {
                    let looked = belt::look(&self.app, cx, &self.tools, calls).await;
                    let looked =
                        looked.map_err(|error| failed("tools_unavailable", &error, true))?;
                    Ok(json!({"results": looked}))
                }
                Ok(Task::Note { notes }) => {
                    let audience = Audience::of(&self.app, cx, run);
                    audience
                        .note(notes.into_iter().map(Shown::note).collect())
                        .await;
                    Ok(json!({}))
                }
                Err(error) => Err(failed("agent_task", &error.to_string(), false)),
            }
        })
    }
}

/// What a program asks its host for.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Task {
    Model(Box<Asked>),
    Look { calls: Vec<belt::Look> },
    Note { notes: Vec<Shown> },
}

#[derive(Deserialize)]
struct Asked {
    request: ChatRequest,
    notes: Vec<Shown>,
    budget: i64,
    proposes: Vec<String>,
}

#[derive(Deserialize)]
struct Shown {
    part: String,
    kind: EntryKind,
    body: Value,
}

impl Shown {
    fn note(self) -> Note {
        Note {
            part: self.part,
            kind: self.kind,
            body: self.body,
            replaces: None,
        }
    }
}

/// What a run is given.
#[derive(Deserialize)]
#[serde(untagged)]
enum Params {
    Talk {
        conversation: ConversationId,
        turn: i32,
        message: String,
    },
    Task {
        input: Value,
        output: Value,
        budget_micro_usd: i64,
    },
}

impl Params {
    fn of(params: &Value) -> Result<Self, StepError> {
        Self::deserialize(params).map_err(|_| {
            failed(
                "agent_params",
                "This run of an agent says neither what was said nor what to do.",
                false,
            )
        })
    }
}

fn cx_of(run: &Run) -> Cx {
    let actor = Actor::Workflow {
        run_id: run.lease.run_id,
        workflow: run.workflow.clone(),
        user_id: run.on_behalf_of,
    };
    let organization = run.lease.organization_id;
    Cx::at(
        organization,
        actor,
        Permissions::NONE,
        run.started_at,
        Entropy::System,
    )
}

fn call_of(cx: &Cx, run: &Run, path: &str, budget: i64) -> CallCx {
    let run_id = uuid::Uuid::from(run.lease.run_id);
    let (_, jitter) = run_id.as_u64_pair();
    let is_talk = matches!(Params::of(&run.params), Ok(Params::Talk { .. }));
    CallCx {
        organization: cx.organization_id.into(),
        run: Some(run_id),
        agent: run.workflow.trim_start_matches(AGENT_PREFIX).to_owned(),
        step: path.to_owned(),
        at: cx.now.as_microseconds(),
        today: cx.now.to_string().chars().take(10).collect(),
        jitter,
        patience: if is_talk {
            Patience::chat()
        } else {
            Patience::background()
        },
        run_limit: Some(budget),
        cancel: CancellationToken::new(),
    }
}

fn failed(code: &str, message: &str, is_transient: bool) -> StepError {
    StepError {
        code: code.to_owned(),
        message: message.to_owned(),
        is_transient,
    }
}
