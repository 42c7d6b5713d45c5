//! The page on which a buyer pays, rendered here and plain: forms and links, no script.

use axum::{
    extract::{Path, State as Inside},
    http::{StatusCode, header},
    response::{Html, IntoResponse as _, Redirect, Response},
};

use super::{
    Simulator,
    shapes::readable,
    state::{DECLINED, NOT_AUTHENTICATED, PaymentStatus, Session, SessionStatus, State},
};

/// The checkout's page, whatever has become of it.
pub(super) async fn checkout(
    Inside(simulator): Inside<Simulator>,
    Path(id): Path<String>,
) -> Response {
    let mut state = simulator.state();
    state.sweep(simulator.now());
    let Some(session) = state.sessions.get(&id) else {
        return not_found();
    };
    match session.status {
        SessionStatus::Open => shown("Pay", session, &pay_panel(&state, session)),
        SessionStatus::Complete => {
            let back = link("primary", &success_url(session), "Back to the shop");
            shown(
                "Paid",
                session,
                &panel(
                    "This order is paid",
                    "There is nothing left to do here.",
                    "",
                    &back,
                ),
            )
        }
        SessionStatus::Expired => {
            let back = link("primary", &session.cancel_url, "Back to the shop");
            let words = "Nothing was charged. The shop can open a new one.";
            shown(
                "Expired",
                session,
                &panel("This page has closed", words, "", &back),
            )
        }
    }
}

/// The bank's question who is paying.
pub(super) async fn challenge(
    Inside(simulator): Inside<Simulator>,
    Path(id): Path<String>,
) -> Response {
    let state = simulator.state();
    let Some(session) = state.sessions.get(&id) else {
        return not_found();
    };
    if !is_challenged(&state, session) {
        return Redirect::to(&format!("/pay/{id}")).into_response();
    }
    let buttons = format!(
        "{}{}",
        button(
            &id,
            "complete",
            "primary",
            "Complete",
            "The bank believes the buyer, and the payment succeeds."
        ),
        button(
            &id,
            "fail",
            "",
            "Fail",
            "The bank does not, and the buyer may try again."
        ),
    );
    let words = "Here a bank would ask for a code or a fingerprint (3-D Secure).";
    shown(
        "Confirm",
        session,
        &panel(
            "Your bank wants to know that it is you",
            words,
            "",
            &buttons,
        ),
    )
}

/// What the buyer chose.
pub(super) async fn act(
    Inside(simulator): Inside<Simulator>,
    Path((id, action)): Path<(String, String)>,
) -> Response {
    match simulator.choose(&id, &action) {
        Some(to) => Redirect::to(&to).into_response(),
        None => not_found(),
    }
}

impl Simulator {
    /// What a buyer does on the page of a checkout: `pay`, `decline`, `authenticate`, and then `complete` or `fail`.
    /// Where they go then; nothing if there is no such page.
    pub fn choose(&self, id: &str, action: &str) -> Option<String> {
        let now = self.now();
        let page = format!("/pay/{id}");
        let mut state = self.state();
        let session = state.sessions.get(id).cloned()?;
        let challenged = is_challenged(&state, &session);
        let (done, to) = match action {
            "pay" => (state.pay(id, now), success_url(&session)),
            "complete" if challenged => (state.pay(id, now), success_url(&session)),
            "decline" => (state.decline(id, DECLINED, now), page.clone()),
            "fail" if challenged => (state.decline(id, NOT_AUTHENTICATED, now), page.clone()),
            "authenticate" => (state.challenge(id, now), format!("{page}/challenge")),
            "complete" | "fail" => (Ok(()), page.clone()),
            _ => return None,
        };
        drop(state);
        self.ring();
        // Whoever comes too late sees why on the page.
        Some(if done.is_ok() { to } else { page })
    }
}

fn is_challenged(state: &State, session: &Session) -> bool {
    let payment = session
        .payment
        .as_ref()
        .and_then(|id| state.payments.get(id));
    session.status == SessionStatus::Open
        && payment.is_some_and(|payment| payment.status == PaymentStatus::RequiresAction)
}

fn success_url(session: &Session) -> String {
    session
        .success_url
        .replace("{CHECKOUT_SESSION_ID}", &session.id)
}

fn pay_panel(state: &State, session: &Session) -> String {
    let payment = session
        .payment
        .as_ref()
        .and_then(|id| state.payments.get(id));
    let error = payment.and_then(|payment| payment.error).map(|(_, _, words)| {
        let words = if words.len() > 60 { "Your bank did not confirm that it is you." } else { words };
        format!("<p class=\"error\" role=\"alert\"><strong>Not paid.</strong> {words} Please try again.</p>\n")
    });
    let id = &session.id;
    let buttons = [
        button(
            id,
            "pay",
            "primary",
            &format!("Pay {}", readable(session.total, session.currency)),
            "The payment succeeds at once.",
        ),
        button(
            id,
            "authenticate",
            "",
            "3-D Secure",
            "The bank asks who is paying first.",
        ),
        button(
            id,
            "decline",
            "",
            "Decline",
            "The card is refused; the buyer may try again.",
        ),
        link(
            "quiet",
            &session.cancel_url,
            "Abandon and go back to the shop",
        ),
    ];
    panel(
        "How shall this payment end?",
        "",
        &error.unwrap_or_default(),
        &buttons.concat(),
    )
}

fn panel(title: &str, words: &str, notice: &str, actions: &str) -> String {
    let words = if words.is_empty() {
        String::new()
    } else {
        format!("<p>{words}</p>\n")
    };
    format!("<h2>{title}</h2>\n{words}{notice}<div class=\"actions\">\n{actions}</div>")
}

fn button(id: &str, action: &str, class: &str, label: &str, says: &str) -> String {
    format!(
        "<form method=\"post\" action=\"/pay/{id}/{action}\"><button class=\"{class}\" aria-describedby=\"says-{action}\">{}</button>\
         <p class=\"says\" id=\"says-{action}\">{says}</p></form>\n",
        escaped(label)
    )
}

fn link(class: &str, url: &str, label: &str) -> String {
    format!(
        "<a class=\"button {class}\" href=\"{}\">{label}</a>\n",
        escaped(url)
    )
}

/// The page around a panel: what is bought beside it.
fn shown(title: &str, session: &Session, panel: &str) -> Response {
    let total = readable(session.total, session.currency);
    let lines: String = session
        .lines
        .iter()
        .map(|line| line_of(line, session))
        .collect();
    let order = session.description.as_ref();
    let order = order.map(|text| format!("<p class=\"soft\">Order {}</p>\n", escaped(text)));
    let email = session.email.as_ref();
    let email = email.map(|text| format!("<p class=\"soft\">Receipt to {}</p>\n", escaped(text)));
    // In one pass: what strangers wrote cannot name a gap that is filled later.
    let mut page = String::new();
    let mut rest = include_str!("page.html");
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, behind) = after.split_once("}}").unwrap_or((after, ""));
        page.push_str(before);
        page.push_str(match name {
            "title" => title,
            "total" => &total,
            "order" => order.as_deref().unwrap_or_default(),
            "lines" => &lines,
            "email" => email.as_deref().unwrap_or_default(),
            _ => panel,
        });
        rest = behind;
    }
    page.push_str(rest);
    let security = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (security, Html(page)).into_response()
}

fn line_of(line: &super::state::LineItem, session: &Session) -> String {
    let sum = readable(
        line.unit_amount.saturating_mul(line.quantity),
        session.currency,
    );
    format!(
        "<li><span>{}<span class=\"soft\"> × {}</span></span><span class=\"sum\">{sum}</span></li>\n",
        escaped(&line.name),
        line.quantity
    )
}

fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        "There is no such checkout here. The simulator forgets everything when it ends.\n",
    )
        .into_response()
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_wrote_stays_text() {
        assert_eq!(
            escaped("<b>'&\"</b>"),
            "&lt;b&gt;&#39;&amp;&quot;&lt;/b&gt;"
        );
    }
}
