//! Steps that a person decides about.

use domain::{Timestamp, context::Mode, fault::Failure};
use operations::{Entry, workflows::StepError};
use serde_json::{Value, json};
use store::runs::{Awaited, Settled, StepRecord};
use uuid::Uuid;

use crate::{
    approvals::Request,
    engine::{Execution, Halt, Stepped, step_error},
    steps::{error_of, failed, refused},
};

/// How often a person is asked again about a step whose effect has changed since it was shown.
const ASKED: u32 = 5;

/// How long a person has to decide about a step.
const DECIDE_SECONDS: i64 = 7 * 24 * 3600;

impl Execution<'_> {
    /// An operation that a person may have to decide about: run dry, asked about if the policy says so, then run only
    /// if it does what was shown.
    pub(crate) async fn operation_with_approval(
        &mut self,
        path: &str,
        entry: &Entry,
        input: &Value,
        always: bool,
    ) -> Result<Stepped, Halt> {
        for number in 1..=ASKED {
            let part = |what: &str| match number {
                1 => format!("{path}#{what}"),
                _ => format!("{path}#{what}/{number}"),
            };
            let digest = if let Some(asked) = self.done(&part("approval")) {
                // Asked before: what was shown then is what the person decides about. Without a note of what was
                // shown (a crash came in between) nothing may be done; the person is asked again.
                let Some(digest) = asked["digest"].as_str().and_then(read_digest) else {
                    continue;
                };
                Some(digest)
            } else {
                let about = part("approval");
                match self.ask_about(&about, entry, input, always).await? {
                    Asked::NotNeeded => None,
                    Asked::Refused(failure) => return refused(&failure),
                    Asked::For(digest) => Some(digest),
                }
            };
            if digest.is_some() {
                let expires_at = self.cx().now.plus_seconds(DECIDE_SECONDS);
                let (ask, decision) = (part("approval"), part("decision"));
                match self.decided(&ask, &decision, expires_at).await? {
                    Decided::Sleeping => return Ok(Stepped::Sleeping),
                    Decided::Failed(error) => return Ok(Stepped::Failed(error)),
                    Decided::As(answer) if answer["decision"] == "approved" => {}
                    Decided::As(answer) => {
                        let decision = answer["decision"].as_str().unwrap_or("expired");
                        let note = answer["note"]
                            .as_str()
                            .map(|note| format!(" They said: {note}"));
                        let message = format!(
                            "A person had to decide, and it was {decision}.{}",
                            note.unwrap_or_default()
                        );
                        return Ok(failed("not_approved", &message));
                    }
                }
            }
            match self.write(path, entry, input, digest).await? {
                Ok(answer) => return Ok(Stepped::Done(answer)),
                // Something has changed since it was shown: a new preview, a new decision.
                Err(failure) if failure.code == "preview_changed" => {}
                Err(failure) => return refused(&failure),
            }
        }
        Ok(failed(
            "approval_stale",
            "What the step would do kept changing while people decided.",
        ))
    }

    async fn ask_about(
        &mut self,
        path: &str,
        entry: &Entry,
        input: &Value,
        always: bool,
    ) -> Result<Asked, Halt> {
        let dry = self.cx().in_mode(Mode::DryRun);
        if let Err(failure) = entry.run(&self.engine.app, &dry, input.clone(), None).await {
            return Ok(Asked::Refused(failure));
        }
        let changes = dry.recorded();
        let reason = self.engine.approvals.verdict(entry.name, input, &changes);
        // What changes nothing needs nobody's word.
        let proposed = (always && !changes.is_empty()).then(|| "An agent proposes it.".to_owned());
        let Some(reason) = reason.or(proposed) else {
            return Ok(Asked::NotNeeded);
        };
        let digest = dry.digest(&changes);
        let request = Request {
            title: title(entry, input),
            show: json!({}),
            expires_at: dry.now.plus_seconds(DECIDE_SECONDS),
            operation: Some((entry.name.to_owned(), input.clone(), changes)),
            reason: Some(reason),
            path: path.to_owned(),
        };
        match self.request(path, request, Some(digest)).await? {
            Ok(()) => Ok(Asked::For(digest)),
            Err(failure) => Ok(Asked::Refused(failure)),
        }
    }

    /// Asks a person and answers what they decided.
    pub(crate) async fn approve(
        &mut self,
        path: &str,
        title: &str,
        show: &Value,
        expires_at: Timestamp,
    ) -> Result<Stepped, Halt> {
        let (ask, decision) = (format!("{path}#approval"), format!("{path}#decision"));
        if self.done(&ask).is_none() {
            let request = Request {
                title: title.to_owned(),
                show: show.clone(),
                expires_at,
                operation: None,
                reason: None,
                path: path.to_owned(),
            };
            if let Err(failure) = self.request(&ask, request, None).await? {
                return refused(&failure);
            }
        }
        match self.decided(&ask, &decision, expires_at).await? {
            Decided::Sleeping => Ok(Stepped::Sleeping),
            Decided::Failed(error) => Ok(Stepped::Failed(error)),
            Decided::As(answer) => self.record(path, "approve", show, answer).await,
        }
    }

    /// Writes a request for a decision down, once.
    async fn request(
        &mut self,
        path: &str,
        request: Request,
        digest: Option<[u8; 32]>,
    ) -> Result<Result<(), Failure>, Halt> {
        let checkpoint = self.checkpoint(path, "approval", &Value::Null);
        let cx = self.cx().with_checkpoint(checkpoint.clone());
        let asked = self
            .engine
            .approvals
            .request(&self.engine.app, &cx, request)
            .await;
        let approval = match asked {
            Ok(approval) => approval,
            Err(failure) if matches!(failure.code, "fenced" | "cancelled") => {
                return Err(Halt::Fenced);
            }
            Err(failure) => return Ok(Err(failure)),
        };
        let mut output = json!({"approval": format!("apr_{}", approval.simple())});
        if let Some(digest) = digest {
            output["digest"] = json!(hex::encode(digest));
        }
        if !checkpoint.is_written() {
            let cx = self.cx().with_checkpoint(checkpoint);
            self.engine.runs.record(&cx, &output).await?;
        } else if digest.is_some() {
            // The operation wrote its own answer as the step's; what was shown is kept beside it.
            let checkpoint = self.checkpoint(&format!("{path}/shown"), "approval", &Value::Null);
            let cx = self.cx().with_checkpoint(checkpoint);
            self.engine.runs.record(&cx, &output).await?;
        }
        self.steps.insert(path.to_owned(), StepRecord::Done(output));
        Ok(Ok(()))
    }

    /// Waits for a decision that was asked for.
    async fn decided(
        &mut self,
        ask: &str,
        path: &str,
        expires_at: Timestamp,
    ) -> Result<Decided, Halt> {
        let asked = self.done(ask).unwrap_or_default();
        let id = asked["approval"]
            .as_str()
            .and_then(|id| id.strip_prefix("apr_"));
        let Some(approval) = id.and_then(|id| Uuid::try_parse(id).ok()) else {
            let error = step_error(
                "approval_lost",
                "The request for a decision cannot be found.",
                false,
            );
            return Ok(Decided::Failed(error));
        };
        let awaited = [Awaited {
            kind: "approval.decided".to_owned(),
            about: Some(approval),
        }];
        match self
            .wait_once(path, "wait", &awaited, Some(expires_at))
            .await?
        {
            Settled::Sleeping => return Ok(Decided::Sleeping),
            Settled::Answered(answer) if answer["woken_by"] == "time" => {
                return Ok(Decided::As(
                    json!({"decision": "expired", "by": null, "note": null}),
                ));
            }
            Settled::Answered(_) => {}
        }
        let cx = self.cx();
        match self
            .engine
            .approvals
            .decision(&self.engine.app, &cx, approval)
            .await
        {
            Ok(decision) => Ok(Decided::As(
                json!({"decision": decision.decision, "by": decision.by, "note": decision.note}),
            )),
            Err(failure) => Ok(Decided::Failed(error_of(&failure))),
        }
    }
}

/// What a person reads first: what the steps are for, where the operation says so.
fn title(entry: &Entry, input: &Value) -> String {
    let given = (entry.name == "apply_changes").then(|| input["title"].as_str());
    given
        .flatten()
        .map_or_else(|| entry.title(), ToOwned::to_owned)
}

enum Asked {
    NotNeeded,
    Refused(Failure),
    For([u8; 32]),
}

enum Decided {
    Sleeping,
    Failed(StepError),
    As(Value),
}

fn read_digest(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}
