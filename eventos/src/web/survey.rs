//! The page behind the link in a mail of thanks: two questions, answered without an account and without scripts. The
//! answer can be changed there until the link ends.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State, rejection::FormRejection},
    http::StatusCode,
    response::Response,
    routing::get,
};
use domain::{Language, Timestamp};
use operations::{
    App,
    surveys::{Answer, AnswerError, Survey, SurveyError, answer_survey, find_survey},
};
use serde::Deserialize;

use super::{Page, escaped, linked};

/// More than the longest comment takes, encoded as a form.
const LONGEST_BODY: usize = 64 * 1024;

struct Served {
    app: App,
    key: [u8; 32],
}

/// `/s/{token}`: GET asks, POST answers.
pub(super) fn router(app: &App, key: [u8; 32]) -> Router {
    let served = Arc::new(Served {
        app: app.clone(),
        key,
    });
    Router::new()
        .route("/s/{token}", get(ask).post(take))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(served)
}

/// What the form sends. Nothing is kept of a form without a score, which a mail scanner may send.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    score: String,
    #[serde(default)]
    comment: String,
}

async fn ask(State(served): State<Arc<Served>>, Path(token): Path<String>) -> Response {
    match find_survey(&served.app, &served.key, &token, Timestamp::now()).await {
        Ok(survey) => {
            let shown = Shown::of(survey.answer.as_ref());
            asking(StatusCode::OK, &survey, &shown, None)
        }
        Err(error) => refused(&error),
    }
}

async fn take(
    State(served): State<Arc<Served>>,
    Path(token): Path<String>,
    said: Result<Form<Said>, FormRejection>,
) -> Response {
    let (app, key, now) = (&served.app, &served.key, Timestamp::now());
    let said = said.map(|Form(said)| said).unwrap_or_default();
    let wrong = match Answer::new(&said.score, &said.comment) {
        Ok(answer) => {
            return match answer_survey(app, key, &token, answer, now).await {
                Ok(survey) => thanks(&survey),
                Err(error) => refused(&error),
            };
        }
        Err(wrong) => wrong,
    };
    match find_survey(app, key, &token, now).await {
        Ok(survey) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            asking(status, &survey, &Shown::said(&said), Some(wrong))
        }
        Err(error) => refused(&error),
    }
}

/// What stands in the form: what was answered, or what was just typed, which is never lost.
struct Shown {
    score: Option<i16>,
    comment: String,
}

impl Shown {
    fn of(answer: Option<&Answer>) -> Self {
        Self {
            score: answer.map(Answer::score),
            comment: answer
                .and_then(Answer::comment)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn said(said: &Said) -> Self {
        Self {
            score: said.score.trim().parse().ok(),
            comment: said.comment.clone(),
        }
    }
}

/// The words of the page in one language.
struct Words {
    title: &'static str,
    recommend: &'static str,
    least: &'static str,
    most: &'static str,
    comment: &'static str,
    send: &'static str,
    change: &'static str,
    privacy: &'static str,
    again: &'static str,
    thanks: &'static str,
    kept: &'static str,
    edit: &'static str,
    no_score: &'static str,
    ended: (&'static str, &'static str),
}

const EN: Words = Words {
    title: "How was it?",
    recommend: "How likely is it that you recommend it to a friend?",
    least: "0: not at all",
    most: "10: certainly",
    comment: "What did you like, what should be better? (optional)",
    send: "Send answer",
    change: "Change answer",
    privacy: "Only the organizer reads your answer.",
    again: "You have answered already. You can change your answer here.",
    thanks: "Thank you",
    kept: "Your answer is kept.",
    edit: "Change it",
    no_score: "Please choose a number from 0 to 10. What you wrote is still here.",
    ended: (
        "This survey has ended",
        "Thank you for wanting to answer. You can still answer the mail itself.",
    ),
};

const DE: Words = Words {
    title: "Wie war es?",
    recommend: "Wie wahrscheinlich ist es, dass Sie es weiterempfehlen?",
    least: "0: gar nicht",
    most: "10: ganz sicher",
    comment: "Was hat Ihnen gefallen, was sollte besser werden? (freiwillig)",
    send: "Antwort senden",
    change: "Antwort ändern",
    privacy: "Nur der Veranstalter liest Ihre Antwort.",
    again: "Sie haben schon geantwortet. Hier können Sie Ihre Antwort ändern.",
    thanks: "Vielen Dank",
    kept: "Ihre Antwort ist gespeichert.",
    edit: "Ändern",
    no_score: "Bitte wählen Sie eine Zahl von 0 bis 10. Ihr Text steht noch unten.",
    ended: (
        "Diese Umfrage ist beendet",
        "Danke, dass Sie antworten wollten. Auf die Mail selbst können Sie weiterhin antworten.",
    ),
};

fn words(language: Language) -> &'static Words {
    match language {
        Language::En => &EN,
        Language::De => &DE,
    }
}

/// Why an answer was not kept, in words.
fn wrong_words(wrong: AnswerError, language: Language) -> String {
    match (wrong, language) {
        (AnswerError::Score, _) => words(language).no_score.to_owned(),
        (AnswerError::Comment { length }, Language::En) => format!(
            "Your text has {length} characters; at most {} are kept. Please shorten it.",
            Answer::LIMIT
        ),
        (AnswerError::Comment { length }, Language::De) => format!(
            "Ihr Text hat {length} Zeichen, höchstens {} sind möglich. Bitte kürzen Sie ihn.",
            Answer::LIMIT
        ),
    }
}

fn asking(
    status: StatusCode,
    survey: &Survey,
    shown: &Shown,
    wrong: Option<AnswerError>,
) -> Response {
    let words = words(survey.language);
    let mut body = format!(
        "<h1>{}</h1><p class=\"soft\">{} · {}</p>",
        words.title,
        escaped(&survey.event),
        escaped(&survey.organization)
    );
    if let Some(wrong) = wrong {
        let text = wrong_words(wrong, survey.language);
        let _ = write!(body, "<p class=\"wrong\" role=\"alert\">{text}</p>");
    } else if survey.answer.is_some() {
        let _ = write!(body, "<p class=\"said\">{}</p>", words.again);
    }
    let _ = write!(
        body,
        "<form method=\"post\"><fieldset><legend>{}</legend><div class=\"scores\">",
        words.recommend
    );
    for score in 0..=10 {
        let checked = if shown.score == Some(score) {
            " checked"
        } else {
            ""
        };
        let _ = write!(
            body,
            "<label><input type=\"radio\" name=\"score\" value=\"{score}\" required{checked}>{score}</label>"
        );
    }
    let button = if survey.answer.is_some() {
        words.change
    } else {
        words.send
    };
    let _ = write!(
        body,
        "</div><div class=\"ends\"><span>{}</span><span>{}</span></div></fieldset>\
         <label class=\"text\" for=\"comment\">{}</label>\
         <textarea id=\"comment\" name=\"comment\" rows=\"5\" maxlength=\"{}\">\n{}</textarea>\
         <button>{button}</button><p class=\"small\">{}</p></form>",
        words.least,
        words.most,
        words.comment,
        Answer::LIMIT,
        escaped(&shown.comment),
        words.privacy,
    );
    page(status, survey.language, words.title, &body)
}

fn thanks(survey: &Survey) -> Response {
    let words = words(survey.language);
    let body = format!(
        "<h1>{}</h1><p>{}</p><p class=\"soft\">{} · {}</p><p><a href=\"\">{}</a></p>",
        words.thanks,
        words.kept,
        escaped(&survey.event),
        escaped(&survey.organization),
        words.edit
    );
    page(StatusCode::OK, survey.language, words.thanks, &body)
}

fn refused(error: &SurveyError) -> Response {
    let (status, language, title, text) = match error {
        SurveyError::Unknown => (
            StatusCode::NOT_FOUND,
            Language::En,
            "This link does not work",
            "It may have been cut off. Open the whole link from the mail, or answer the mail itself.",
        ),
        SurveyError::Ended(language) => {
            let (title, text) = words(*language).ended;
            (StatusCode::GONE, *language, title, text)
        }
        SurveyError::Store(error) => {
            tracing::error!(%error, "A survey could not be answered");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                Language::En,
                "This does not work right now",
                "Nothing was kept. Please go back and send it again in a few minutes.",
            )
        }
    };
    page(
        status,
        language,
        title,
        &format!("<h1>{title}</h1><p>{text}</p>"),
    )
}

fn page(status: StatusCode, language: Language, title: &str, body: &str) -> Response {
    linked(&Page {
        status,
        lang: language.as_str(),
        title,
        style: include_str!("survey.css"),
        forms_to: "",
        body,
    })
}
