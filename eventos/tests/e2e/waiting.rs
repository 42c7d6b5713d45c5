//! From a waiting list, through the mail that offers places, to the page behind its link and the order that comes of it.

use serde_json::{Value, json};

use crate::program::{DataDir, Server, mailed_link, until};

#[test]
fn a_mail_of_an_offer_leads_to_a_page_that_takes_it_or_lets_it_go() {
    let data = DataDir::new("waiting");
    let server = Server::start(&data, &[]);
    let token = data.stdout(&[
        "token", "create", "--name", "e2e", "--scopes", "all", "--quiet",
    ]);
    let offer_to = |address: &str| mailed_link(&data, "/waitlist/", &[address]);
    let call = |tool: &str, arguments: Value| {
        let done = server.call(token.trim(), tool, &arguments).unwrap();
        done.unwrap_or_else(|error| panic!("{tool}: {error}"))
    };
    let write = |tool: &str, arguments: Value| {
        call(
            "run_write_tool",
            json!({"tool": tool, "arguments": arguments}),
        )
    };
    let event = json!({
        "title": "Rust <Night>", "starts": "2031-02-04T19:00", "format": "online",
        "online_url": "https://live.example.org",
    });
    let event = call("create_event", event)["event"]["id"].clone();
    let offer = json!({"event": event, "name": "Regular", "quantity": 2, "price": {"amount": 2500, "currency": "EUR"}});
    call("save_ticket_type", offer);
    call("publish_event", json!({"event": event}));
    let items = json!([{"ticket_type": "Regular", "quantity": 2}]);
    let hold = write("hold_tickets", json!({"event": event, "items": items}))["id"].clone();
    for name in ["Ada", "Bob", "Cyd"] {
        let join = json!({
            "event": event, "ticket_type": "Regular", "quantity": 1, "name": name,
            "email": format!("{name}@example.org").to_lowercase(),
        });
        write("join_waitlist", join);
    }
    // Nobody calls anything else: what comes free is offered, mailed, and what Bob does not want goes to Cyd.
    write("release_hold", json!({"hold": hold}));
    until("both mails are files", || {
        offer_to("ada@example.org").is_some() && offer_to("bob@example.org").is_some()
    });
    let path = offer_to("ada@example.org").unwrap();
    let (status, page) = server.get(&path).unwrap();
    assert_eq!(status, 200, "{page}");
    for said in [
        "Rust &lt;Night&gt;",
        "1 × Regular",
        "25.00 EUR",
        "It is your turn",
        "ada@example.org",
    ] {
        assert!(page.contains(said), "{said} is missing: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    for bad in [
        &path[..path.len() - 2],
        "/waitlist/x",
        &path.replace("/waitlist/", "/waitlist/00"),
    ] {
        assert_eq!(server.get(bad).unwrap().0, 404, "{bad}");
        assert_eq!(server.post_form(bad, "decision=take").0, 404, "{bad}");
    }
    // What says nothing changes nothing.
    for nothing in ["", "decision=perhaps"] {
        let (status, page) = server.post_form(&path, nothing);
        assert!(status == 200 && page.contains("It is your turn"), "{page}");
    }
    // Sent on to the order.
    assert_eq!(server.post_form(&path, "decision=take").0, 303);
    let (status, page) = server.post_form(&path, "decision=take");
    assert!(
        status == 200 && page.contains("Here is your order"),
        "{page}"
    );
    let orders = call("list_orders", json!({"event": event}));
    assert_eq!(orders["items"].as_array().unwrap().len(), 1, "{orders}");
    let bob = offer_to("bob@example.org").unwrap();
    let (_, page) = server.post_form(&bob, "decision=leave");
    assert!(page.contains("not on the waiting list any more"), "{page}");
    until("Cyd has a mail", || offer_to("cyd@example.org").is_some());
    assert!(server.stop());
}
