//! Orders that are paid through a processor, the simulator of Stripe: webhooks twice, out of order, late and lost, and
//! kill -9 between a webhook and what follows from it.

use std::thread;

use domain::Timestamp;
use payments::simulator::{Simulator, SimulatorOptions, Webhooks};
use serde_json::{Value, json};
use tokio::{net::TcpListener, runtime::Builder};

use crate::program::{DataDir, Server, until};

/// A processor on this machine, for as long as the tests run.
struct Till {
    simulator: Simulator,
    url: String,
}

impl Till {
    fn open() -> Self {
        let (sender, receiver) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let url = format!("http://{}", listener.local_addr().unwrap());
                let options = SimulatorOptions::new(&url, Timestamp::now());
                let simulator = Simulator::new(options).unwrap();
                let till = Self {
                    simulator: simulator.clone(),
                    url,
                };
                sender.send(till).unwrap();
                simulator.serve(listener).await.unwrap();
            });
        });
        receiver.recv().unwrap()
    }

    fn serve(&self, data: &DataDir, arguments: &[&str]) -> Server {
        let variables = [
            ("EVENTOS_STRIPE__KEY", SimulatorOptions::API_KEY),
            ("EVENTOS_STRIPE__URL", &self.url),
            (
                "EVENTOS_STRIPE__WEBHOOK_SECRET",
                &format!("whsec_new,{}", SimulatorOptions::WEBHOOK_SECRET),
            ),
        ];
        Server::start_with(data, arguments, &variables)
    }

    /// Lets webhooks go to a server.
    fn tell(&self, server: &Server, webhooks: &Webhooks) {
        self.simulator.set_webhooks(Webhooks {
            url: Some(format!("http://{}/webhooks/stripe", server.address)),
            ..webhooks.clone()
        });
    }
}

/// A server with an event on sale at 25.00, and calls to it.
struct Shop {
    server: Server,
    token: String,
}

impl Shop {
    fn open(till: &Till, data: &DataDir, arguments: &[&str]) -> Self {
        let server = till.serve(data, arguments);
        let token = ["token", "create", "--name", "e2e", "--quiet"];
        let token = data.stdout(&token).trim().to_owned();
        let shop = Self { server, token };
        let event = json!({"title": "Rush", "starts": "2999-06-01T20:00", "online_url": "https://live.example.org"});
        shop.call("create_event", &event);
        let ticket_type = json!({"event": "rush", "name": "Regular", "quantity": 100,
            "price": {"amount": 2500, "currency": "EUR"}});
        shop.call("save_ticket_type", &ticket_type);
        shop.call("publish_event", &json!({"event": "rush"}));
        shop
    }

    /// The same data under another server.
    fn again(self, till: &Till, data: &DataDir) -> Self {
        self.server.kill();
        Self {
            server: till.serve(data, &[]),
            token: self.token,
        }
    }

    fn call(&self, tool: &str, arguments: &Value) -> Value {
        let answer = self.server.call(&self.token, tool, arguments).unwrap();
        answer.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// A new order and the processor's page for it.
    fn order(&self) -> (Value, String) {
        let order = json!({"event": "rush", "items": [{"ticket_type": "Regular", "quantity": 2}],
            "buyer": {"name": "Ada", "email": "ada@example.org"}});
        let order = self.call("place_order", &order)["order"]["id"].clone();
        let page = self.call("start_checkout", &json!({"order": order}));
        let page = page["page_url"].as_str().unwrap();
        (order, page.rsplit('/').next().unwrap().to_owned())
    }

    /// A person approves what waits.
    fn approve(&self, data: &DataDir) {
        let waiting = self.call("list_approvals", &json!({}));
        let approval = waiting["items"][0]["id"].as_str().unwrap().to_owned();
        data.stdout(&["approvals", "approve", &approval]);
    }

    fn seen(&self, order: &Value) -> Value {
        self.call("get_order", &json!({"order": order}))
    }

    fn until_paid(&self, order: &Value) -> Value {
        until("the order is paid", || self.seen(order)["status"] == "paid");
        self.seen(order)
    }
}

/// One payment, two tickets, and nothing given back.
fn assert_paid_once(order: &Value) {
    let count = |list: &str| order[list].as_array().unwrap().len();
    assert_eq!(
        (count("payments"), count("refunds"), count("tickets")),
        (1, 0, 2),
        "{order}"
    );
}

#[test]
fn an_order_is_paid_once_however_its_webhooks_come() {
    let (till, data) = (Till::open(), DataDir::new("paying"));
    let shop = Shop::open(&till, &data, &[]);
    let often = Webhooks {
        copies: 3,
        reversed: true,
        ..Webhooks::default()
    };
    let late = Webhooks {
        delay_ms: 1_500,
        ..often.clone()
    };
    for webhooks in [often, late] {
        till.tell(&shop.server, &webhooks);
        let (order, page) = shop.order();
        till.simulator.choose(&page, "decline").unwrap();
        till.simulator.choose(&page, "pay").unwrap();
        assert_paid_once(&shop.until_paid(&order));
    }
    // None comes at all: the buyer's own return finds it.
    let lost = Webhooks {
        lost: true,
        ..Webhooks::default()
    };
    till.tell(&shop.server, &lost);
    let (order, page) = shop.order();
    let back = till.simulator.choose(&page, "pay").unwrap();
    let path = back.split_once(&shop.server.address.to_string()).unwrap().1;
    let (status, page) = shop.server.get(path).unwrap();
    assert!(status == 200 && page.contains("Paid"), "{status} {page}");
    assert_paid_once(&shop.seen(&order));
    // A link that was tampered with leads nowhere, and an unsigned webhook is not believed.
    let (status, _) = shop
        .server
        .get(&path.replace("/orders/", "/orders/00"))
        .unwrap();
    assert_eq!(status, 404);
    let forged = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}",
        shop.server.address
    );
    let (status, _) = crate::program::exchange(shop.server.address, &forged).unwrap();
    assert_eq!(status, 400);
    assert!(shop.server.stop());
}

#[test]
fn a_kill_between_a_webhook_and_the_tickets_loses_and_doubles_nothing() {
    let (till, data) = (Till::open(), DataDir::new("kill-paying"));
    // Nobody works on what comes in: it is only kept.
    let shop = Shop::open(&till, &data, &["--no-worker"]);
    let twice = Webhooks {
        copies: 2,
        ..Webhooks::default()
    };
    till.tell(&shop.server, &twice);
    let paid: Vec<Value> = (0..5)
        .map(|_| {
            let (order, page) = shop.order();
            till.simulator.choose(&page, "pay").unwrap();
            order
        })
        .collect();
    let runs = json!({"workflow": "job:check_payment"});
    until("all webhooks are kept", || {
        let runs = shop.call("list_workflow_runs", &runs);
        runs["items"].as_array().unwrap().len() >= paid.len()
    });
    for order in &paid {
        assert_eq!(shop.seen(order)["status"], "pending");
    }
    let shop = shop.again(&till, &data);
    // The processor tells once more, and the jobs of before the kill are done, at the same time.
    till.tell(&shop.server, &twice);
    for order in &paid {
        assert_paid_once(&shop.until_paid(order));
    }
    let types = shop.call("list_ticket_types", &json!({"event": "rush"}));
    let left = &types["ticket_types"][0]["availability"];
    assert_eq!((&left["sold"], &left["held"]), (&json!(10), &json!(0)));
    assert!(shop.server.stop());
}

#[test]
fn a_refund_waits_for_a_person_and_goes_back_once() {
    let (till, data) = (Till::open(), DataDir::new("refunding"));
    let shop = Shop::open(&till, &data, &[]);
    till.tell(&shop.server, &Webhooks::default());
    let (order, page) = shop.order();
    till.simulator.choose(&page, "pay").unwrap();
    shop.until_paid(&order);
    let refund = json!({"order": order, "amount": {"amount": 2000, "currency": "EUR"}});
    let asked = shop
        .server
        .call(&shop.token, "refund_order", &refund)
        .unwrap();
    eprintln!("{asked:?}");
    assert_eq!(shop.seen(&order)["refunds"], json!([]));
    shop.approve(&data);
    until("the money is back", || {
        shop.seen(&order)["refunds"][0]["status"] == "done"
    });
    let done = shop.seen(&order);
    assert_eq!(done["refunds"][0]["amount"]["amount"], 2000);
    assert_eq!(done["status"], "paid");
    assert!(shop.server.stop());
}

#[test]
fn the_page_of_an_order_takes_a_gift_card_and_then_money() {
    let (till, data) = (Till::open(), DataDir::new("gift-cards"));
    let shop = Shop::open(&till, &data, &[]);
    till.tell(&shop.server, &Webhooks::default());
    let buy = || {
        let post = |path: &str, body: &str| shop.server.post_json(path, "", body).1;
        let items = r#"{"items": [{"ticket_type": "Regular", "quantity": 2}]}"#;
        let hold = post("/v1/public/home/events/rush/holds", items);
        let checkout = hold["checkout"].as_str().unwrap();
        let buyer = r#"{"buyer": {"name": "Ada", "email": "ada@example.org"}}"#;
        let order = post(&format!("/v1/public/holds/{checkout}/order"), buyer);
        let page = order["page"].as_str().unwrap();
        page[page.find("/orders/").unwrap()..].to_owned()
    };
    let read = |path: &str| shop.server.get(path).unwrap().1;
    let path = buy();
    let ask = "Do you have a gift card?";
    assert!(!read(&path).contains(ask), "nobody has one");
    for amount in [4000, 9000] {
        let issue = json!({"amount": {"amount": amount, "currency": "EUR"}});
        let asked = json!({"tool": "issue_gift_cards", "arguments": issue});
        shop.call("run_write_tool", &asked);
        shop.approve(&data);
    }
    let list = json!({"tool": "list_gift_cards", "arguments": {"codes": true}});
    let mut codes = Vec::new();
    until("both cards are there", || {
        let cards = shop.call("run_read_tool", &list);
        let cards = cards["items"].as_array().unwrap();
        let code = |card: &Value| card["code"].as_str().unwrap().to_owned();
        codes = cards.iter().map(code).collect();
        codes.len() == 2
    });
    let page = read(&path);
    assert!(page.contains(ask) && page.contains("Pay now"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let (status, page) = shop.server.post_form(&path, "gift_card=ABCD");
    assert!(
        status == 200 && page.contains("This code is not complete"),
        "{page}"
    );
    // The older card is the smaller one: 10.00 stay open, and go to the processor.
    let use_card =
        |path: &str, code: &str| shop.server.post_form(path, &format!("gift_card={code}")).0;
    assert_eq!(use_card(&path, &codes[1]), 303);
    let page = read(&path);
    assert!(
        page.contains("Still to be paid") && page.contains("10.00 EUR"),
        "{page}"
    );
    let (status, page) = shop
        .server
        .post_form(&path, &format!("gift_card={}", codes[1]));
    assert!(
        status == 200 && page.contains("Nothing is left on this gift card"),
        "{page}"
    );
    assert_eq!(shop.server.post_form(&path, "").0, 303, "sent on to pay");
    // The other pays another order alone, and its tickets are on the page.
    let path = buy();
    assert_eq!(use_card(&path, &codes[0]), 303);
    let page = read(&path);
    assert!(
        page.contains("Paid. Thank you!") && page.contains("Your tickets"),
        "{page}"
    );
    assert!(!page.contains(ask), "{page}");
    assert!(shop.server.stop());
}
