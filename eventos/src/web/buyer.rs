//! What the pages of buyers have in common: the language, the look, and what they say when a link leads nowhere.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use domain::{Cx, FaultKind, Language, LocalTime, OrganizationId, Permission, Timestamp};
use operations::buyers;

use super::{Page, linked};

/// A title and what stands below it.
type Note = (&'static str, &'static str);

/// What is said of a link that was not made here, or of something that is gone.
fn unknown_link(language: Language) -> Note {
    match language {
        Language::En => (
            "This link does not work",
            "It may have been cut off. Open the whole link again, or ask the organizer.",
        ),
        Language::De => (
            "Dieser Link funktioniert nicht",
            "Vielleicht ist er abgeschnitten. Öffnen Sie den ganzen Link, oder fragen Sie den Veranstalter.",
        ),
    }
}

fn not_now(language: Language) -> Note {
    match language {
        Language::En => (
            "This does not work right now",
            "Nothing is lost. Please open this page again in a few minutes.",
        ),
        Language::De => (
            "Das geht gerade nicht",
            "Es ist nichts verloren. Bitte öffnen Sie diese Seite in ein paar Minuten noch einmal.",
        ),
    }
}

/// The language that the browser wants most, of those there are.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE);
    let wanted = wanted.and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut wanted = wanted.split(',').map(|tag| tag.trim().to_lowercase());
    let known = |tag: String| match tag.get(..2) {
        Some("de") => Some(Language::De),
        Some("en") => Some(Language::En),
        _ => None,
    };
    wanted.find_map(known).unwrap_or(Language::En)
}

/// Whoever has a link, as somebody who buys from an organization.
pub(super) fn context(organization_id: OrganizationId) -> Cx {
    let may = [
        Permission::EventsRead,
        Permission::OrdersRead,
        Permission::OrdersWrite,
        Permission::AttendeesPersonal,
    ];
    buyers::context(organization_id, may, Timestamp::now())
}

/// The answer to a link that leads nowhere.
pub(super) fn unknown(language: Language) -> Response {
    said(StatusCode::NOT_FOUND, language, unknown_link(language))
}

/// The answer when something could not be looked up.
pub(super) fn failed(kind: FaultKind, language: Language) -> Response {
    match kind {
        FaultKind::NotFound => unknown(language),
        _ => said(StatusCode::SERVICE_UNAVAILABLE, language, not_now(language)),
    }
}

fn said(status: StatusCode, language: Language, (title, text): Note) -> Response {
    let body = format!("<h1>{title}</h1><p>{text}</p>");
    page(status, language, title, &body, "")
}

/// A time as people of a language write it.
pub(super) fn when(at: LocalTime, language: Language) -> String {
    let civil = at.civil();
    match language {
        Language::En => at.readable(),
        Language::De => format!(
            "{}. {}. {}, {:02}:{:02} Uhr",
            civil.day(),
            civil.month(),
            civil.year(),
            civil.hour(),
            civil.minute()
        ),
    }
}

/// How something stands, as a paragraph that programs read out.
pub(super) fn note(class: &str, text: &str) -> String {
    format!("<p class=\"{class}\" role=\"status\">{text}</p>")
}

/// A page of a buyer; its forms may lead to `forms_to` beside this server.
pub(super) fn page(
    status: StatusCode,
    language: Language,
    title: &str,
    body: &str,
    forms_to: &str,
) -> Response {
    linked(&Page {
        status,
        lang: language.as_str(),
        title,
        style: include_str!("buyer.css"),
        forms_to,
        body,
    })
}
