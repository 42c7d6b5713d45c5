//! Those who wait: on a waiting list, through the mail that offers places, to the page behind its link and the order that
//! comes of it; and in a waiting room, on the page of a turn, which sells in it.

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

#[test]
fn the_page_of_a_turn_waits_and_then_sells() {
    let data = DataDir::new("turns");
    let server = Server::start(&data, &[]);
    let token = data.stdout(&[
        "token", "create", "--name", "e2e", "--scopes", "all", "--quiet",
    ]);
    let call = |tool: &str, arguments: Value| {
        let done = server.call(token.trim(), tool, &arguments).unwrap();
        done.unwrap_or_else(|error| panic!("{tool}: {error}"))
    };
    let write = |tool: &str, arguments: Value| {
        let named = json!({"tool": tool, "arguments": arguments});
        call("run_write_tool", named)
    };
    let event = json!({
        "title": "Rust <Night>", "starts": "2031-02-04T19:00", "format": "online",
        "online_url": "https://live.example.org",
    });
    let event = call("create_event", event)["event"]["id"].clone();
    for (name, quantity, price) in [("Regular <A>", 2, 2500), ("Guests", 1, 0)] {
        let offer = json!({"event": event, "name": name, "quantity": quantity, "price": {"amount": price, "currency": "EUR"}});
        call("save_ticket_type", offer);
    }
    call("publish_event", json!({"event": event}));
    let most = json!({"amount": 5000, "currency": "EUR"});
    let choosing = json!({"event": event, "ticket_type": "Guests", "most": most});
    write("set_chosen_price", choosing);
    write("set_waiting_room", json!({"event": event, "at_once": 1}));
    let turns = format!("/v1/public/home/events/{}/turns", event.as_str().unwrap());
    let take = || {
        let turn = server.post_json(&turns, "", "{}").1;
        let page = turn["page"].as_str().unwrap();
        page[page.find("/turns/").unwrap()..].to_owned()
    };
    let (first, second) = (take(), take());
    let page = |path: &str| {
        let (status, page) = server.get(path).unwrap();
        assert_eq!(status, 200, "{page}");
        assert!(!page.contains("<script"), "{page}");
        page
    };
    let now = page(&first);
    for said in [
        "Rust &lt;Night&gt;",
        "It is your turn.",
        "Regular &lt;A&gt;",
        "25.00 EUR",
        "You choose what each costs, free to 50.00 EUR",
    ] {
        assert!(now.contains(said), "{said} is missing: {now}");
    }
    let waits = page(&second);
    assert!(waits.contains("Your position in the queue:"), "{waits}");
    assert!(!waits.contains("Regular"), "{waits}");
    let id = now.split("name=\"typ_").nth(1).unwrap();
    let id = format!("typ_{}", id.split('"').next().unwrap());
    let buy = format!("decision=buy&{id}=1&name=Ada%20Lovelace&email=ada%40example.org");
    // Whose turn it is not gets nothing, and is told so.
    let (status, told) = server.post_form(&second, &buy);
    assert!(status == 200 && told.contains("not this buyer"), "{told}");
    for (lacks, said) in [
        (buy.replace("=1&", "=0&"), "choose at least one"),
        (buy.replace("Ada%20Lovelace", "%20"), "give your name"),
        (buy.replace("%40", ""), "e-mail address that works"),
        (buy.replace("=1&", "=3&"), "are left"),
    ] {
        let (status, told) = server.post_form(&first, &lacks);
        assert!(status == 200 && told.contains(said), "{said}: {told}");
    }
    for bad in [
        &first[..first.len() - 2],
        "/turns/x",
        &first.replace("/turns/", "/orders/"),
    ] {
        assert_eq!(server.get(bad).unwrap().0, 404, "{bad}");
    }
    assert_eq!(server.post_form(&first, &buy).0, 303);
    let over = page(&first);
    assert!(over.contains("This turn is over."), "{over}");
    let orders = call("list_orders", json!({"event": event}));
    assert_eq!(orders["items"].as_array().unwrap().len(), 1, "{orders}");
    // The order made room for the next; who wants more stands in line again.
    until("the next is let in", || {
        page(&second).contains("It is your turn.")
    });
    assert_eq!(server.post_form(&first, "decision=again").0, 303);
    assert_eq!(
        server.post_form(&second, "decision=again").0,
        303,
        "they keep their turn"
    );
    let room = call(
        "run_read_tool",
        json!({"tool": "get_waiting_room", "arguments": {"event": event}}),
    );
    assert_eq!(
        (&room["waiting"], &room["inside"]),
        (&json!(1), &json!(1)),
        "{room}"
    );
    assert!(server.stop());
}
