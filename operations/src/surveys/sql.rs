//! Every query that answering makes on `survey_response`.

use domain::{Cx, EventId, SurveyResponseId, TicketId};
use sqlx::PgConnection;

use crate::people::ERASED_EMAIL;

/// What a survey is about, and what was answered so far.
pub(super) struct SurveyRow {
    pub(super) organization: String,
    pub(super) event_id: EventId,
    pub(super) event_title: String,
    pub(super) score: Option<i16>,
    pub(super) comment: Option<String>,
}

/// The survey of a ticket that is valid and whose holder is still known. Holds the order until the transaction ends if
/// asked to, so that nothing personal is written behind an erasure.
pub(super) async fn find(
    conn: &mut PgConnection,
    ticket_id: TicketId,
    hold: bool,
) -> sqlx::Result<Option<SurveyRow>> {
    if hold {
        sqlx::query!(
            "select orders.id from orders join ticket on ticket.order_id = orders.id where ticket.id = $1
             for share of orders",
            ticket_id as _
        )
        .fetch_optional(&mut *conn)
        .await?;
    }
    sqlx::query_as!(
        SurveyRow,
        r#"select organization.name as organization, ticket.event_id, event.title as event_title,
             survey_response.score as "score?", survey_response.comment
           from ticket
             join organization on organization.id = ticket.organization_id
             join event on event.id = ticket.event_id
             join orders on orders.id = ticket.order_id
             left join survey_response on survey_response.ticket_id = ticket.id
           where ticket.id = $1 and ticket.status = 'valid' and orders.buyer_email <> $2"#,
        ticket_id as _,
        ERASED_EMAIL,
    )
    .fetch_optional(conn)
    .await
}

/// Writes an answer over the one there was; the row's id if that changed anything.
pub(super) async fn save(
    conn: &mut PgConnection,
    cx: &Cx,
    event_id: EventId,
    ticket_id: TicketId,
    (score, comment): (i16, Option<&str>),
) -> sqlx::Result<Option<SurveyResponseId>> {
    sqlx::query_scalar!(
        "insert into survey_response (organization_id, id, event_id, ticket_id, score, comment, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $7)
         on conflict on constraint survey_response_once do update
           set score = excluded.score, comment = excluded.comment, updated_at = excluded.updated_at
           where (survey_response.score, survey_response.comment) is distinct from (excluded.score, excluded.comment)
         returning id",
        cx.organization_id as _,
        cx.new_id::<SurveyResponseId>() as _,
        event_id as _,
        ticket_id as _,
        score,
        comment,
        cx.now as _,
    )
    .fetch_optional(conn)
    .await
}
