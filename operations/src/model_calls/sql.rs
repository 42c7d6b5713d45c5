//! Every query on `model_call` and `model_budget`.

use domain::{Cx, ModelCallId, Timestamp, WorkflowRunId};
use sqlx::PgConnection;

use super::{
    DAY_LIMIT, MONTH_LIMIT,
    get_model_costs::ModelCost,
    ledger::{Attempt, Settlement},
    set_model_budget::ModelBudget,
};

/// What was spent and reserved, in millionths of a US dollar.
pub(super) struct Spent {
    pub(super) run: i64,
    pub(super) day: i64,
    pub(super) month: i64,
}

/// Makes the organization's budget if there is none, and locks it.
pub(super) async fn lock_budget(conn: &mut PgConnection, cx: &Cx) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into model_budget (organization_id, day_limit, month_limit, updated_at) values ($1, $2, $3, $4) \
         on conflict (organization_id) do nothing",
        cx.organization_id as _,
        DAY_LIMIT,
        MONTH_LIMIT,
        cx.now as _,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("select organization_id from model_budget for update")
        .fetch_one(conn)
        .await?;
    Ok(())
}

pub(super) async fn budget(conn: &mut PgConnection) -> sqlx::Result<ModelBudget> {
    let found = sqlx::query_as!(
        ModelBudget,
        "select day_limit, month_limit from model_budget"
    )
    .fetch_optional(conn)
    .await?;
    Ok(found.unwrap_or(ModelBudget {
        day_limit: DAY_LIMIT,
        month_limit: MONTH_LIMIT,
    }))
}

pub(super) async fn set_budget(
    conn: &mut PgConnection,
    cx: &Cx,
    budget: &ModelBudget,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into model_budget (organization_id, day_limit, month_limit, updated_at) values ($1, $2, $3, $4) \
         on conflict (organization_id) do update set day_limit = $2, month_limit = $3, updated_at = $4",
        cx.organization_id as _,
        budget.day_limit,
        budget.month_limit,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Spent and reserved: by a run, on this day and in this month, both of UTC.
pub(super) async fn spent(
    conn: &mut PgConnection,
    cx: &Cx,
    run_id: Option<WorkflowRunId>,
) -> sqlx::Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select
             coalesce((select sum(coalesce(cost, reserved)) from model_call where run_id = $2), 0)::bigint as "run!",
             coalesce(sum(coalesce(cost, reserved)) filter (
               where started_at >= date_trunc('day', $1::timestamptz, 'UTC')), 0)::bigint as "day!",
             coalesce(sum(coalesce(cost, reserved)), 0)::bigint as "month!"
           from model_call
           where started_at >= date_trunc('month', $1::timestamptz, 'UTC')
             and started_at < date_trunc('month', $1::timestamptz, 'UTC') + interval '1 month'"#,
        cx.now as _,
        run_id as _,
    )
    .fetch_one(conn)
    .await
}

pub(super) async fn insert(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ModelCallId,
    attempt: &Attempt,
) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into model_call (organization_id, id, run_id, agent, step, attempt, model, reserved, started_at) \
         select $1, $2, $3, $4, $5, 1 + count(*), $6, $7, $8 from model_call where run_id = $3 and step = $5",
        cx.organization_id as _,
        id as _,
        attempt.run_id as _,
        attempt.agent,
        attempt.step,
        attempt.model,
        attempt.worst,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn settle(
    conn: &mut PgConnection,
    cx: &Cx,
    id: ModelCallId,
    settlement: &Settlement,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update model_call set served_model = $2, request_id = $3, cost = coalesce($4, reserved), input_tokens = $5, \
           output_tokens = $6, cache_read_tokens = $7, cache_write_tokens = $8, outcome = $9, first_token_ms = $10, ended_at = $11 \
         where id = $1 and outcome is null",
        id as _,
        settlement.served_model,
        settlement.request_id,
        settlement.cost,
        settlement.input_tokens,
        settlement.output_tokens,
        settlement.cache_read_tokens,
        settlement.cache_write_tokens,
        settlement.outcome,
        settlement.first_token_ms,
        cx.now as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What was spent since a time, by agent and model, dearest first.
pub(super) async fn by_model(
    conn: &mut PgConnection,
    since: Timestamp,
) -> sqlx::Result<Vec<ModelCost>> {
    sqlx::query_as!(
        ModelCost,
        r#"select agent, model, count(*) as "call_count!", sum(coalesce(cost, reserved))::bigint as "cost!",
             sum(input_tokens + cache_read_tokens + cache_write_tokens)::bigint as "input_tokens!",
             sum(cache_read_tokens)::bigint as "cache_read_tokens!", sum(output_tokens)::bigint as "output_tokens!",
             count(*) filter (where outcome like 'error:%') as "failed_count!"
           from model_call where started_at >= $1
           group by agent, model order by 4 desc, agent, model limit 100"#,
        since as _,
    )
    .fetch_all(conn)
    .await
}
