//! Time into runs: each tick of a schedule fires once, whatever the number of schedulers, after being away as the
//! definition says, and not again when a clock is set back.

use std::collections::HashMap;

use domain::{Actor, Cx, OrganizationId, Permissions, Timestamp, context::Entropy};
use serde_json::json;
use store::runs::{NewRun, Runs, Tick};

use crate::{
    definitions::{Definitions, Schedule},
    dispatcher::DispatchError,
};

type Key = (OrganizationId, String, i16);

/// Fires schedules. What it remembers only saves work: rows decide what has fired.
#[derive(Default)]
pub struct Scheduler {
    /// Up to when each schedule has been looked at. Never goes back.
    seen: HashMap<Key, Timestamp>,
}

impl Scheduler {
    /// Fires what is due; returns how many ticks fired by this call.
    pub async fn tick(
        &mut self,
        runs: &Runs,
        definitions: &dyn Definitions,
        now: Timestamp,
    ) -> Result<usize, DispatchError> {
        let schedules = definitions.schedules().await?;
        let keys: Vec<Key> = schedules.iter().map(key).collect();
        self.seen.retain(|key, _| keys.contains(key));
        let unseen: Vec<Key> = keys
            .iter()
            .filter(|key| !self.seen.contains_key(*key))
            .cloned()
            .collect();
        if !unseen.is_empty() {
            let last = runs.last_fires(&unseen).await?;
            for (key, last) in unseen.into_iter().zip(last) {
                if let Some(last) = last {
                    self.seen.insert(key, last);
                }
            }
        }
        let mut fired = 0;
        for schedule in &schedules {
            let key = key(schedule);
            let seen = self.seen.get(&key).copied();
            let last = seen.map_or(schedule.since, |seen| seen.max(schedule.since));
            if last >= now {
                continue;
            }
            for due_at in (schedule.due)(last, now) {
                fired += usize::from(fire(runs, schedule, due_at, now).await?);
            }
            self.seen.insert(key, now);
        }
        Ok(fired)
    }
}

fn key(schedule: &Schedule) -> Key {
    let workflow = schedule.workflow.clone();
    (schedule.organization_id, workflow, schedule.trigger)
}

async fn fire(
    runs: &Runs,
    schedule: &Schedule,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<bool, DispatchError> {
    let actor = Actor::System { reason: "schedule" };
    let cx = Cx::at(
        schedule.organization_id,
        actor,
        Permissions::NONE,
        now,
        Entropy::System,
    );
    let tick = Tick {
        organization_id: schedule.organization_id,
        workflow: schedule.workflow.clone(),
        trigger: schedule.trigger,
        due_at,
    };
    let run = NewRun {
        organization_id: schedule.organization_id,
        id: cx.new_id(),
        workflow: schedule.workflow.clone(),
        version: schedule.version,
        definition: None,
        title: schedule.title.clone(),
        idempotency_key: Some(format!("cron:{}:{due_at}", schedule.trigger)),
        concurrency: schedule.concurrency.clone(),
        trigger: json!({"kind": "cron", "due_at": due_at}),
        params: json!({}),
        wake_at: now,
        parent: None,
        on_behalf_of: schedule.on_behalf_of,
        since: None,
        created_at: now,
    };
    Ok(runs.fire(&tick, &run).await?)
}
