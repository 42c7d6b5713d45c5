//! Looking at a survey and answering it, with a link as the only right to do so.

use domain::{Actor, Cx, Language, Permissions, Timestamp, text::clean};
use store::StoreError;

use super::{changes::SurveyAnswered, invitation::Invitation, sql};
use crate::App;

/// A survey, as the page behind a link shows it. Names nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// Who asks.
    pub organization: String,
    /// The event's title.
    pub event: String,
    /// The language of the mail.
    pub language: Language,
    /// What was answered so far.
    pub answer: Option<Answer>,
}

/// What somebody says about an event.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    score: i16,
    comment: Option<String>,
}

// What people write may name them: a debug print ends up in logs.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answer(…)")
    }
}

impl Answer {
    /// The longest comment, in characters.
    pub const LIMIT: usize = 2_000;

    /// A score from 0 to 10 and, if they like, a comment; cleaned of what no reader sees.
    pub fn new(score: &str, comment: &str) -> Result<Self, AnswerError> {
        let score = score.trim().parse().map_err(|_| AnswerError::Score)?;
        if !(0..=10).contains(&score) {
            return Err(AnswerError::Score);
        }
        let comment = clean(comment);
        let length = comment.chars().count();
        if length > Self::LIMIT {
            return Err(AnswerError::Comment { length });
        }
        Ok(Self {
            score,
            comment: Some(comment).filter(|comment| !comment.is_empty()),
        })
    }

    /// How likely they are to recommend it, 0 to 10.
    pub fn score(&self) -> i16 {
        self.score
    }

    /// What they wrote.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }
}

/// What is wrong with an answer. The page says it in the reader's language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No whole number from 0 to 10.
    #[error("the score must be a whole number from 0 to 10")]
    Score,
    /// Too much was written.
    #[error(
        "the comment has {length} characters; at most {} are kept",
        Answer::LIMIT
    )]
    Comment {
        /// Characters given.
        length: usize,
    },
}

/// Why there is no survey behind a link.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It was not made here, or the ticket is not valid any more, or what belonged to it was erased.
    #[error("the link leads to no survey")]
    Unknown,
    /// It has ended.
    #[error("the survey has ended")]
    Ended(Language),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for SurveyError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// The survey behind a link, with what was answered so far.
pub async fn find_survey(
    app: &App,
    key: &[u8; 32],
    token: &str,
    now: Timestamp,
) -> Result<Survey, SurveyError> {
    let (invitation, cx) = opened(key, token, now)?;
    let mut tx = app.store().read(&cx).await?;
    let row = sql::find(tx.conn(), invitation.ticket_id, false).await?;
    Ok(row
        .ok_or(SurveyError::Unknown)?
        .seen(invitation.language, None))
}

/// Answers the survey behind a link, in place of what was answered before. The same answer again changes nothing.
pub async fn answer_survey(
    app: &App,
    key: &[u8; 32],
    token: &str,
    answer: Answer,
    now: Timestamp,
) -> Result<Survey, SurveyError> {
    let (invitation, cx) = opened(key, token, now)?;
    let mut tx = app.store().write(&cx).await?;
    let row = sql::find(tx.conn(), invitation.ticket_id, true).await?;
    let row = row.ok_or(SurveyError::Unknown)?;
    let said = (answer.score, answer.comment());
    let id = sql::save(tx.conn(), &cx, row.event_id, invitation.ticket_id, said).await?;
    let Some(response_id) = id else {
        tx.unchanged(()).await?;
        return Ok(row.seen(invitation.language, Some(answer)));
    };
    let change = SurveyAnswered {
        response_id,
        event_id: row.event_id,
        event_title: row.event_title.clone(),
        score: answer.score,
        has_comment: answer.comment.is_some(),
        is_changed: row.score.is_some(),
    };
    tx.commit(change, ()).await?;
    Ok(row.seen(invitation.language, Some(answer)))
}

/// The invitation of a link that has not ended, and the context in which it acts: its own organization and no right at
/// all beyond the answer itself.
fn opened(key: &[u8; 32], token: &str, now: Timestamp) -> Result<(Invitation, Cx), SurveyError> {
    let invitation = Invitation::open(key, token).ok_or(SurveyError::Unknown)?;
    if invitation.expires_at <= now {
        return Err(SurveyError::Ended(invitation.language));
    }
    let actor = Actor::System { reason: "survey" };
    let mut cx = Cx::new(invitation.organization_id, actor, Permissions::NONE).with_now(now);
    cx.operation = "answer_survey";
    Ok((invitation, cx))
}

impl sql::SurveyRow {
    fn seen(self, language: Language, answer: Option<Answer>) -> Survey {
        let comment = self.comment;
        let before = self.score.map(|score| Answer { score, comment });
        Survey {
            organization: self.organization,
            event: self.event_title,
            language,
            answer: answer.or(before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::Scene,
        tickets::{Ticket, VoidTicket},
    };

    const KEY: [u8; 32] = [7; 32];

    fn said(score: i16, comment: &str) -> Answer {
        Answer::new(&score.to_string(), comment).unwrap()
    }

    fn link(cx: &Cx, ticket: &Ticket) -> String {
        Invitation::sent_at(cx.organization_id, ticket.id, Language::De, cx.now).token(&KEY)
    }

    async fn answered(scene: &Scene) -> Vec<(bool, i64)> {
        let changes = scene.changes().await.into_iter();
        let answered = changes.filter(|change| change.kind == "survey.answered");
        answered
            .map(|change| {
                assert!(!change.summary.contains("Ada"), "{}", change.summary);
                let payload = change.payload;
                let text = payload.to_string();
                assert!(!text.contains("tkt_") && !text.contains("loud"), "{text}");
                (
                    payload["is_changed"].as_bool().unwrap(),
                    payload["score"].as_i64().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn an_answer_is_a_score_and_a_comment_that_fits() {
        for bad in ["", "11", "-1", "ten", "7.5", "99999999"] {
            assert_eq!(Answer::new(bad, ""), Err(AnswerError::Score), "{bad}");
        }
        assert_eq!((said(0, "").score(), said(10, "").score()), (0, 10));
        assert_eq!(said(7, " \u{200b}\r\n ").comment(), None);
        assert_eq!(said(7, "a\r\nb\u{202e}\0").comment(), Some("a\nb"));
        assert!(Answer::new("7", &"ü".repeat(2_000)).is_ok());
        let length = 2_001;
        assert_eq!(
            Answer::new("7", &"x".repeat(length)),
            Err(AnswerError::Comment { length })
        );
    }

    #[tokio::test]
    async fn an_answer_is_kept_once_and_can_be_changed() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let order = scene.order(event.id, 2).await;
        let now = scene.cx.now;
        let token = link(&scene.cx, &order.tickets[0]);
        let asked = find_survey(&scene.app, &KEY, &token, now).await.unwrap();
        assert_eq!((asked.event.as_str(), asked.answer), ("Spring Gala", None));
        assert_eq!(asked.language, Language::De);
        let first = said(3, "Too loud");
        for (seconds, answer) in (1..).zip([&first, &first, &said(9, "")]) {
            let now = now.plus_seconds(seconds);
            let kept = answer_survey(&scene.app, &KEY, &token, answer.clone(), now).await;
            assert_eq!(kept.unwrap().answer.as_ref(), Some(answer));
        }
        // The same again changed nothing.
        assert_eq!(answered(&scene).await, [(false, 3), (true, 9)]);
        let shown = find_survey(&scene.app, &KEY, &token, now).await.unwrap();
        assert_eq!(shown.answer, Some(said(9, "")));
        // Each ticket's holder answers for themselves.
        let other = link(&scene.cx, &order.tickets[1]);
        answer_survey(&scene.app, &KEY, &other, said(10, ""), now)
            .await
            .unwrap();
        assert_eq!(answered(&scene).await.len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn two_answers_at_once_are_one_answer() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let order = scene.order(event.id, 1).await;
        let token = link(&scene.cx, &order.tickets[0]);
        let mut both = tokio::task::JoinSet::new();
        for score in [2, 8] {
            let (app, token, now) = (scene.app.clone(), token.clone(), scene.cx.now);
            both.spawn(
                async move { answer_survey(&app, &KEY, &token, said(score, ""), now).await },
            );
        }
        while let Some(done) = both.join_next().await {
            done.unwrap().unwrap();
        }
        let last = find_survey(&scene.app, &KEY, &token, scene.cx.now).await;
        let score = last.unwrap().answer.unwrap().score();
        assert!([2, 8].contains(&score), "{score}");
        assert_eq!(answered(&scene).await.len(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_answer_waits_for_an_erasure_and_then_finds_nobody() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let order = scene.order(event.id, 1).await;
        let token = link(&scene.cx, &order.tickets[0]);
        let mut erasing = scene.database.owner().await;
        let erased = "begin; update orders set buyer_email = 'erased@eventos.invalid'";
        sqlx::raw_sql(erased).execute(&mut erasing).await.unwrap();
        let (app, now) = (scene.app.clone(), scene.cx.now);
        let mut answering = tokio::task::JoinSet::new();
        answering.spawn(async move {
            answer_survey(&app, &KEY, &token, said(9, "I am Ada"), now).await
        });
        scene.database.until_waiting(1).await;
        sqlx::raw_sql("commit").execute(&mut erasing).await.unwrap();
        let done = answering.join_next().await.unwrap().unwrap();
        assert!(matches!(done, Err(SurveyError::Unknown)), "{done:?}");
        let kept = "select count(*) from survey_response";
        assert_eq!(scene.database.count(kept).await, 0);
    }

    #[tokio::test]
    async fn a_link_that_is_not_ours_has_ended_or_belongs_elsewhere_does_nothing() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(0, 10).await;
        let order = scene.order(event.id, 1).await;
        let ticket = &order.tickets[0];
        let now = scene.cx.now;
        let token = link(&scene.cx, ticket);
        let last = format!("{:x}", u8::from(!token.ends_with('1')));
        let mut forged = token.clone();
        forged.replace_range(forged.len() - 1.., &last);
        // Signed by us, but it names another organization than the ticket's.
        let elsewhere = link(&other, ticket);
        for bad in [forged.as_str(), "", &token[1..], &elsewhere] {
            let done = answer_survey(&scene.app, &KEY, bad, said(9, ""), now).await;
            assert!(matches!(done, Err(SurveyError::Unknown)), "{bad}: {done:?}");
        }
        let done = answer_survey(&scene.app, &[8; 32], &token, said(9, ""), now).await;
        assert!(matches!(done, Err(SurveyError::Unknown)), "{done:?}");
        let late = now.plus_seconds(60 * 24 * 3600);
        let done = answer_survey(&scene.app, &KEY, &token, said(9, ""), late).await;
        assert!(
            matches!(done, Err(SurveyError::Ended(Language::De))),
            "{done:?}"
        );
        let seen = find_survey(&scene.app, &KEY, &token, late).await;
        assert!(matches!(seen, Err(SurveyError::Ended(_))), "{seen:?}");
        assert_eq!(answered(&scene).await, []);
        // A second before, it works; with a void ticket it does not.
        let soon = late.plus_seconds(-1);
        answer_survey(&scene.app, &KEY, &token, said(9, ""), soon)
            .await
            .unwrap();
        let void = VoidTicket {
            ticket: ticket.id.into(),
            reason: "Sold back".parse().unwrap(),
            even_if_checked_in: false,
        };
        scene.run(void).await.unwrap();
        let done = answer_survey(&scene.app, &KEY, &token, said(1, ""), now).await;
        assert!(matches!(done, Err(SurveyError::Unknown)), "{done:?}");
    }
}
