//! A call of an operation by a program: tried first where a person has to see or to decide, then done.

use domain::{Cx, Recorded, change::sentences, context::Mode, fault::Failure};
use operations::{
    App, Effect, Entry,
    approvals::{self, RequestedApproval, policy},
    guard,
};
use serde_json::{Value, json};

use crate::{
    input::Envelope,
    options::Options,
    problem::{CONFIRMATION_NEEDED, Problem},
};

/// What came of a call.
pub(crate) enum Outcome {
    /// It was done, or read.
    Done(Value),
    /// It was not done: a person decides.
    Asked(RequestedApproval),
}

/// A call on its way to its operation.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a App,
    pub(crate) options: &'a Options,
    pub(crate) entry: &'a Entry,
    pub(crate) cx: Cx,
}

impl Call<'_> {
    /// Runs the operation as far as the policy lets a program.
    pub(crate) async fn run(self, input: Value, envelope: Envelope) -> Result<Outcome, Problem> {
        let cx = match envelope.key {
            Some(key) => self.cx.clone().with_key(key),
            None => self.cx.clone(),
        };
        if envelope.dry_run {
            return self.show(&cx, input).await;
        }
        let destroys = self.entry.effect == Effect::Destructive;
        if !destroys && !policy::may_ask(self.entry.name) {
            return Ok(Outcome::Done(self.execute(&cx, input).await?));
        }
        let trial = cx.in_mode(Mode::DryRun);
        let tried = self.execute(&trial, input.clone()).await;
        let recorded = trial.recorded();
        let digest = trial.digest(&recorded);
        // What was refused is refused again below, unless it is a repeat of what was done: then that is the answer.
        if tried.is_ok() {
            let asked =
                approvals::leave_to_a_person(self.app, &cx, self.entry, &input, &recorded).await?;
            if let Some(asked) = asked {
                return Ok(Outcome::Asked(asked));
            }
            let is_seen = !destroys || recorded.is_empty() || envelope.confirm == Some(digest);
            if !is_seen {
                return Err(confirmation_needed(&recorded, digest));
            }
        }
        // Only what the policy was asked about, and what was seen, may come of it.
        let cx = cx.with_confirmed(digest);
        Ok(Outcome::Done(self.execute(&cx, input).await?))
    }

    /// Answers what the operation would answer and record.
    async fn show(&self, cx: &Cx, input: Value) -> Result<Outcome, Problem> {
        let trial = cx.in_mode(Mode::DryRun);
        let mut answer = self.execute(&trial, input).await?;
        let recorded = trial.recorded();
        let mut shown = json!({"would": sentences(&recorded)});
        if self.entry.effect == Effect::Destructive {
            shown["confirm"] = hex::encode(trial.digest(&recorded)).into();
        }
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("dry_run".to_owned(), shown);
        }
        Ok(Outcome::Done(answer))
    }

    async fn execute(&self, cx: &Cx, input: Value) -> Result<Value, Failure> {
        let running = self.entry.run(self.app, cx, input, None);
        guard::within(self.options.run_within, self.entry.name, running).await
    }
}

fn confirmation_needed(recorded: &[Recorded], digest: [u8; 32]) -> Problem {
    let detail = "this takes something away and was not done";
    Problem::own(CONFIRMATION_NEEDED, detail)
        .with("preview", json!(sentences(recorded)))
        .with("confirm", hex::encode(digest).into())
}
