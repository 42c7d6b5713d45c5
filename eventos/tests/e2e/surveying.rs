//! From a workflow that thanks, through the mail it sends, to the page behind the link and what the organizer reads.

use std::fs;

use serde_json::{Value, json};

use crate::program::{DataDir, Server, mailed_link, until};

const ASKING: &str = "\
id: ask
title: Ask everyone
on: [{manual: {params: {event: {type: string, required: true}}}}]
steps:
  - id: ask
    email:
      template: thank_you_survey
      to: { event: \"{{ params.event }}\", segment: all }
      event: \"{{ params.event }}\"
      dedupe_key: \"ask:{{ params.event }}\"
";

#[test]
fn a_mail_of_thanks_leads_to_a_page_that_keeps_one_answer() {
    let data = DataDir::new("surveying");
    let server = Server::start(&data, &[]);
    let token = data.stdout(&[
        "token", "create", "--name", "e2e", "--scopes", "all", "--quiet",
    ]);
    let thanks = || mailed_link(&data, "/s/", &["Subject: Thank you for coming"]);
    let call = |tool: &str, arguments: Value| {
        let done = server.call(token.trim(), tool, &arguments).unwrap();
        done.unwrap_or_else(|error| panic!("{tool}: {error}"))
    };
    let event = json!({
        "title": "Rust <Night>", "starts": "2031-02-04T19:00", "format": "online",
        "online_url": "https://live.example.org",
    });
    let event = call("create_event", event)["event"]["id"].clone();
    let offer = json!({"event": event, "name": "Regular", "quantity": 5, "price": {"amount": 0, "currency": "EUR"}});
    call("save_ticket_type", offer);
    call("publish_event", json!({"event": event}));
    let order = json!({
        "event": event, "items": [{"ticket_type": "Regular", "quantity": 1}],
        "buyer": {"name": "Ada Lovelace", "email": "ada@example.org"},
    });
    call("place_order", order);
    let file = data.path().join("ask.yaml");
    fs::write(&file, ASKING).unwrap();
    data.stdout(&["workflow", "save", file.to_str().unwrap()]);
    data.stdout(&["workflow", "enable", "ask"]);
    let given = format!("event={}", event.as_str().unwrap());
    data.stdout(&["workflow", "run", "ask", "--param", &given]);
    until("the mail of thanks is a file", || thanks().is_some());
    let path = thanks().unwrap();
    let (status, page) = server.get(&path).unwrap();
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("How was it?") && page.contains("Rust &lt;Night&gt;"),
        "{page}"
    );
    assert_eq!(page.matches("type=\"radio\"").count(), 11);
    assert!(!page.contains("<script"), "{page}");
    // Cut off, forged, and nonsense.
    let forged = format!(
        "{}{}",
        &path[..path.len() - 1],
        if path.ends_with('0') { '1' } else { '0' }
    );
    for bad in [&path[..path.len() - 2], &forged, "/s/x"] {
        assert_eq!(server.get(bad).unwrap().0, 404, "{bad}");
        assert_eq!(server.post_form(bad, "score=9").0, 404, "{bad}");
    }
    // What is wrong keeps what was typed.
    for bad in [
        "comment=Loud%3Cb%3E",
        "score=11&comment=Loud%3Cb%3E",
        "score=x&comment=Loud%3Cb%3E",
    ] {
        let (status, page) = server.post_form(&path, bad);
        assert_eq!(status, 422, "{page}");
        assert!(
            page.contains("role=\"alert\"") && page.contains("Loud&lt;b&gt;"),
            "{page}"
        );
    }
    let results = || {
        let reading = json!({"tool": "get_survey_results", "arguments": {"event": event}});
        call("run_read_tool", reading)
    };
    assert_eq!(results()["response_count"], 0);
    let (status, page) = server.post_form(&path, "score=9&comment=The+dinner+was+cold.");
    assert!(status == 200 && page.contains("Thank you"), "{page}");
    let (_, page) = server.get(&path).unwrap();
    assert!(
        page.contains("value=\"9\" required checked") && page.contains("The dinner was cold."),
        "{page}"
    );
    let (status, _) = server.post_form(&path, "score=4&comment=The+dinner+was+cold.");
    assert_eq!(status, 200);
    let seen = results();
    assert_eq!(
        (&seen["response_count"], &seen["nps"]),
        (&json!(1), &json!(-100))
    );
    assert!(
        seen["comments"][0]
            .to_string()
            .contains("The dinner was cold."),
        "{seen}"
    );
    assert!(server.stop());
}
