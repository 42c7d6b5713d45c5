//! Hands mails, a text message and a webhook over to the outside programs of `checks/mail.py`, and says as JSON what
//! came of each. For that check only; it takes all addresses from the environment.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for a check: it reads its environment and stops at once when something is wrong"
)]

use delivery::{
    Email, EmailSender as _, Folder, Mailbox, Sms, SmsSender as _, Smtp, Twilio, TwilioOptions,
    calendar::{Entry, Method},
    template::{Builtin, Frame, Kind, Language},
    webhook::{Guard, Poster, Webhook},
};
use domain::Timestamp;
use serde_json::json;

fn from_environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

#[tokio::main]
async fn main() {
    let smtp = Smtp::new(&from_environment("CHECK_SMTP_URL")).unwrap();
    smtp.check().await.unwrap();
    let folder = Folder::new(from_environment("CHECK_FOLDER"));
    for template in Builtin::ALL {
        for language in Language::ALL {
            let email = mail(*template, *language);
            let outcome = smtp.send(&email).await;
            folder.send(&email).await.unwrap();
            say(
                &email.message_id,
                outcome.map_err(|error| error.to_string()),
            );
        }
    }
    let refusing = Smtp::new(&from_environment("CHECK_REFUSING_URL")).unwrap();
    for address in [
        "nobody@example.org",
        "busy@example.org",
        "somebody@example.org",
    ] {
        let mut email = mail(Builtin::Custom, Language::En);
        email.to.address = address.parse().unwrap();
        let outcome = refusing.send(&email).await;
        say(address, outcome.map_err(|error| format!("{error:?}")));
    }
    let sms_url = from_environment("CHECK_SMS_URL");
    for (to, token) in [
        ("+4930123456", "right"),
        ("+49301234567890", "right"),
        ("+4930123456", "wrong"),
    ] {
        let options = TwilioOptions {
            url: sms_url.clone(),
            account: "AC1".to_owned(),
            token: token.to_owned(),
            from: "+4930999999".to_owned(),
        };
        let sms = Sms {
            to: to.to_owned(),
            text: "Doors open at 18:00 in Köln".to_owned(),
        };
        let outcome = Twilio::new(options).unwrap().send(&sms).await;
        say(
            &format!("sms {to} {token}"),
            outcome.map_err(|error| format!("{error:?}")),
        );
    }
    let poster = Poster::new(Guard {
        allow_loopback: true,
    })
    .unwrap();
    let webhook = Webhook {
        id: "whd_1".to_owned(),
        url: from_environment("CHECK_WEBHOOK_URL"),
        secrets: vec!["new".to_owned(), "old".to_owned()],
        body: json!({"kind": "order.paid", "summary": "Grüße"}).to_string(),
    };
    let outcome = poster.post(&webhook, Timestamp::now()).await;
    say("webhook", Ok::<_, String>(format!("{outcome:?}")));
}

fn say(what: &str, outcome: Result<String, String>) {
    let (done, text) = match outcome {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    };
    println!("{}", json!({"what": what, "done": done, "text": text}));
}

/// A template filled with its samples, as the sender would compose it.
fn mail(template: Builtin, language: Language) -> Email {
    let news = template.kind() == Kind::Marketing;
    let frame = Frame {
        organization: "Größenwahn & Söhne",
        accent: Some("#b45309"),
        language,
        unsubscribe: news.then_some("https://tickets.example.org/u/0190aaaabbbb"),
    };
    let filled = template
        .source(language)
        .fill(&template.samples(), &frame)
        .unwrap();
    let organizer = Mailbox::new("Größenwahn & Söhne", "tickets@example.org".parse().unwrap());
    let attendee: domain::EmailAddress = "ada@example.org".parse().unwrap();
    let method = match template {
        Builtin::EventCancelled => Method::Cancel,
        _ => Method::Request,
    };
    let with_date = matches!(
        template,
        Builtin::OrderConfirmation | Builtin::EventChanged | Builtin::EventCancelled
    );
    let entry = Entry {
        method,
        uid: "evt_0190aaaabbbb7ccc8dddeeeeffff0001",
        sequence: 2,
        written_at: "2027-01-11T09:00:00Z".parse().unwrap(),
        title: "Frühlingsball; mit Abendessen, Musik und einem sehr langen Titel, der umbrochen werden muss",
        starts_at: "2027-02-04T18:00:00Z".parse().unwrap(),
        ends_at: "2027-02-04T21:00:00Z".parse().unwrap(),
        place: Some("Rathaus, Köln"),
        url: None,
        organizer: &organizer,
        attendee: &attendee,
    };
    let mut headers = vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())];
    if news {
        headers.extend(Email::one_click_unsubscribe(
            "https://tickets.example.org/u/0190aaaabbbb",
        ));
    }
    Email {
        message_id: format!("<{template}.{language}@tickets.example.org>"),
        date: "2027-01-11T09:00:00Z".parse().unwrap(),
        from: organizer.clone(),
        reply_to: Some(Mailbox::new("", "hello@example.org".parse().unwrap())),
        to: Mailbox::new("Ada „Größe“ Lovelace", attendee.clone()),
        subject: filled.subject,
        html: filled.html,
        text: filled.text,
        headers,
        attachments: with_date.then(|| entry.attachment()).into_iter().collect(),
    }
}
