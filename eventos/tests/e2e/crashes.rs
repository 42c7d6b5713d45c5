//! kill -9 of the server, and of the database, while orders come in: whatever was acknowledged is there afterwards.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use serde_json::{Value, json};

use crate::program::{DataDir, Server, call, signal, until};

/// A server with an event on sale.
fn on_sale(data: &DataDir) -> (Server, String) {
    let server = Server::start(data, &[]);
    let token = data
        .stdout(&["token", "create", "--name", "e2e", "--quiet"])
        .trim()
        .to_owned();
    let call = |tool: &str, arguments: Value| {
        server
            .call(&token, tool, &arguments)
            .unwrap()
            .unwrap_or_else(|e| panic!("{tool}: {e}"))
    };
    call(
        "save_venue",
        json!({"name": "Hall", "zone": "Europe/Berlin"}),
    );
    call(
        "create_event",
        json!({"title": "Rush", "starts": "2999-06-01T20:00", "venue": "Hall"}),
    );
    call(
        "save_ticket_type",
        json!({"event": "rush", "name": "Free", "price": {"amount": 0, "currency": "EUR"}, "quantity": 100_000}),
    );
    call("publish_event", json!({"event": "rush"}));
    (server, token)
}

/// Buyers who order until told to stop and note the numbers they were given.
struct Buyers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Buyers {
    fn start(server: &Server, token: &str) -> Self {
        let (stop, acknowledged) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(BTreeSet::new())),
        );
        let threads = (0..6).map(|n| {
            let (stop, acknowledged, token, address) = (stop.clone(), acknowledged.clone(), token.to_owned(), server.address);
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let order = json!({"event": "rush", "items": [{"ticket_type": "Free", "quantity": 1}],
                        "buyer": {"name": "Ada", "email": format!("ada{n}@example.org")}});
                    if let Ok(Ok(answer)) = call(address, &token, "place_order", &order) {
                        let number = answer["order"]["number"].as_str().expect("an order has a number").to_owned();
                        acknowledged.lock().unwrap().insert(number);
                    }
                }
            })
        });
        Self {
            threads: threads.collect(),
            stop,
            acknowledged,
        }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    fn stop(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        self.acknowledged.lock().unwrap().clone()
    }
}

/// All order numbers, page by page, and the tickets the pool counts as sold.
fn orders(server: &Server, token: &str) -> (BTreeSet<String>, u64) {
    let mut numbers = BTreeSet::new();
    let mut arguments = json!({"event": "rush", "limit": 200});
    loop {
        let page = server
            .call(token, "list_orders", &arguments)
            .unwrap()
            .unwrap();
        let items = page["items"].as_array().unwrap();
        numbers.extend(
            items
                .iter()
                .map(|order| order["number"].as_str().unwrap().to_owned()),
        );
        match page.get("next") {
            Some(next) => arguments["cursor"] = next.clone(),
            None => break,
        }
    }
    let types = server
        .call(token, "list_ticket_types", &json!({"event": "rush"}))
        .unwrap()
        .unwrap();
    let sold = types["ticket_types"][0]["availability"]["sold"]
        .as_u64()
        .unwrap_or_else(|| panic!("{types}"));
    (numbers, sold)
}

fn assert_nothing_lost(server: &Server, token: &str, acknowledged: &BTreeSet<String>) {
    let (found, sold) = orders(server, token);
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    assert!(
        lost.is_empty(),
        "{} of {} acknowledged orders are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    assert_eq!(
        sold,
        found.len() as u64,
        "the pool counts what the orders say"
    );
}

#[test]
fn a_killed_server_loses_no_acknowledged_order() {
    let data = DataDir::new("kill-server");
    let (server, token) = on_sale(&data);
    let buyers = Buyers::start(&server, &token);
    until("some orders are in", || buyers.count() > 40);
    server.kill();
    let acknowledged = buyers.stop();
    let again = Server::start(&data, &[]);
    assert_nothing_lost(&again, &token, &acknowledged);
    assert!(again.stop());
    assert_eq!(
        data.postmaster(),
        None,
        "the next program adopts the database and stops it at the end"
    );
}

#[test]
fn a_killed_database_comes_back_by_itself_with_every_acknowledged_order() {
    let data = DataDir::new("kill-database");
    let (server, token) = on_sale(&data);
    let buyers = Buyers::start(&server, &token);
    until("some orders are in", || buyers.count() > 40);
    signal(data.postmaster().unwrap(), "-9");
    let before = buyers.count();
    until("orders come in again", || buyers.count() > before + 40);
    let acknowledged = buyers.stop();
    assert_nothing_lost(&server, &token, &acknowledged);
    assert!(
        server.said().contains("it was started again"),
        "{}",
        server.said()
    );
    assert!(server.stop());
}

#[test]
fn a_server_killed_between_hold_and_order_loses_and_doubles_neither() {
    let data = DataDir::new("kill-holding");
    let (server, token) = on_sale(&data);
    let wanted = json!({"event": "rush", "items": [{"ticket_type": "Free", "quantity": 1}]});
    let ordering = |hold: &Value| {
        json!({"event": "rush", "hold": hold["id"],
            "buyer": {"name": "Ada", "email": "ada@example.org"}})
    };
    let given = Mutex::new(Vec::new());
    let killed = AtomicBool::new(false);
    let address = server.address;
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !killed.load(Ordering::Relaxed) {
                    if let Ok(Ok(hold)) = call(address, &token, "hold_tickets", &wanted) {
                        given.lock().unwrap().push(hold.clone());
                        // What becomes of it is seen afterwards.
                        drop(call(address, &token, "place_order", &ordering(&hold)));
                    }
                }
            });
        }
        until("some places are held", || given.lock().unwrap().len() > 40);
        server.kill();
        killed.store(true, Ordering::Relaxed);
    });
    let given = given.into_inner().unwrap();
    let again = Server::start(&data, &[]);
    let mut late = 0;
    for hold in &given {
        let show = json!({"hold": hold["id"]});
        let seen = again.call(&token, "get_hold", &show).unwrap().unwrap();
        if seen["status"] == "live" {
            let order = again.call(&token, "place_order", &ordering(hold));
            order.unwrap().unwrap();
            late += 1;
        } else {
            assert_eq!(seen["status"], "ordered", "{seen}");
        }
    }
    eprintln!(
        "{} held, {late} of them ordered after the kill",
        given.len()
    );
    let (orders, sold) = orders(&again, &token);
    // A hold whose answer the kill swallowed may be there too; an order beside those held may not.
    assert_eq!((orders.len(), sold), (given.len(), given.len() as u64));
    assert!(again.stop());
}
