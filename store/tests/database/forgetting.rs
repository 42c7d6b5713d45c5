//! Runs and ticks that are old enough are forgotten, with what hangs on them; nothing else is.

use store::runs::Forgotten;

use crate::Rig;

/// A run that ended so many days ago, with a step.
async fn ended(rig: &Rig, name: &str, status: &str, days: i32, parent: Option<&str>) {
    let organization = uuid::Uuid::from(rig.ours.organization_id);
    let parent = parent.map_or("null".to_owned(), |parent| {
        format!("(select id from workflow_run where title = '{parent}')")
    });
    let finished = match status {
        "waiting" => "null".to_owned(),
        _ => format!("now() - interval '{days} days'"),
    };
    let statements = format!(
        "insert into workflow_run (organization_id, id, workflow, version, title, status, trigger, params, \
           parent_run_id, created_at, finished_at) \
         values ('{organization}', gen_random_uuid(), 'w', 1, '{name}', '{status}', '{{}}', '{{}}', {parent}, \
           now() - interval '{days} days', {finished}); \
         insert into workflow_step (organization_id, run_id, path, kind, status, input, tries, started_at, epoch) \
         select organization_id, id, 'step', 'keep', 'done', '{{}}', 1, now(), 1 from workflow_run where title = '{name}'"
    );
    rig.database.tell(&statements).await;
}

async fn left(rig: &Rig) -> Vec<String> {
    let rows = rig
        .database
        .ask("select title from workflow_run order by title")
        .await;
    let rows = rows.as_array().unwrap().iter();
    rows.map(|row| row["title"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten_and_nothing_that_may_go_on() {
    let rig = Rig::new().await;
    ended(&rig, "done old", "done", 91, None).await;
    ended(&rig, "done young", "done", 89, None).await;
    ended(&rig, "dead old", "dead", 366, None).await;
    ended(&rig, "dead young", "dead", 364, None).await;
    ended(&rig, "waiting old", "waiting", 1_000, None).await;
    ended(&rig, "parent", "cancelled", 91, None).await;
    ended(&rig, "child", "skipped", 89, Some("parent")).await;
    let runs = rig.store.runs();
    let forgotten = runs.forget_old().await.unwrap();
    assert_eq!((forgotten.runs, forgotten.ticks), (2, 0));
    let expected = ["child", "dead young", "done young", "parent", "waiting old"];
    assert_eq!(left(&rig).await, expected);
    let steps = "select count(*) from workflow_step";
    assert_eq!(rig.database.count(steps).await, 5);
    assert_eq!(runs.forget_old().await.unwrap(), Forgotten::default());
}

#[tokio::test]
async fn the_role_itself_can_forget_nothing_younger() {
    let rig = Rig::new().await;
    ended(&rig, "young", "done", 1, None).await;
    let mut tx = rig.store.system("test").await.unwrap();
    let all = sqlx::query("delete from workflow_run")
        .execute(tx.conn())
        .await;
    assert_eq!(all.unwrap().rows_affected(), 0);
}

#[tokio::test]
async fn of_old_ticks_the_newest_of_each_schedule_stays() {
    let rig = Rig::new().await;
    let organization = uuid::Uuid::from(rig.ours.organization_id);
    for (workflow, days) in [("a", 300), ("a", 200), ("a", 100), ("b", 100), ("b", 1)] {
        rig.database
            .tell(&format!(
                "insert into workflow_fire (organization_id, workflow, trigger, due_at) \
                 values ('{organization}', '{workflow}', 0, now() - interval '{days} days')"
            ))
            .await;
    }
    let schedule = |workflow: &str| (rig.ours.organization_id, workflow.to_owned(), 0);
    let runs = rig.store.runs();
    let schedules = [schedule("a"), schedule("b")];
    let before = runs.last_fires(&schedules).await.unwrap();
    assert_eq!(runs.forget_old().await.unwrap().ticks, 3);
    assert_eq!(runs.last_fires(&schedules).await.unwrap(), before);
}
