//! The library on a real database, as an organizer gets it: real operations, the stored definitions, mails as files.
//! The clock is moved by hand.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use delivery::Folder;
use domain::Timestamp;
use operations::{
    App, catalog,
    messages::sending::{self, Senders, send_due},
    testing::Scene,
};
use serde_json::{Value, json};
use store::Store;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflows::{Options, StoredDefinitions, Worker};

/// How long a test waits for what must come before it fails.
const PATIENCE: Duration = Duration::from_secs(15);

/// An organization with the library, a worker and an outbox.
struct House {
    scene: Scene,
    clock: Arc<AtomicI64>,
    outbox: TempDir,
    worker: JoinSet<()>,
}

impl House {
    async fn new() -> Self {
        let scene = Scene::new().await;
        let clock = Arc::new(AtomicI64::new(scene.cx.now.as_microseconds()));
        let mut house = Self {
            scene,
            clock,
            outbox: TempDir::new().unwrap(),
            worker: JoinSet::new(),
        };
        // Like the first start of a server, before anything happens.
        let library = workflows::library();
        house
            .run("sync_library", json!({"workflows": library}))
            .await;
        house.start_worker();
        house
    }

    fn start_worker(&mut self) {
        let store = Store::connect(&store::Options::new(self.scene.database.url())).unwrap();
        let unlimited = operations::Options {
            operations_per_minute: 0,
            burst: 0,
        };
        let app = App::new(store.clone(), unlimited);
        let mut options = Options::new("house");
        let clock = Arc::clone(&self.clock);
        options.clock =
            Arc::new(move || Timestamp::from_microseconds(clock.load(Ordering::SeqCst)));
        options.poll = Duration::from_millis(30);
        options.lease = Duration::from_millis(500);
        let definitions = Arc::new(StoredDefinitions::new(app.clone()));
        let worker = Worker::new(app, store, definitions, options).unwrap();
        self.worker.spawn(worker.run(CancellationToken::new()));
    }

    /// Ends the worker in the middle of whatever it does, without a word, and starts another.
    fn replace_worker(&mut self) {
        self.worker.abort_all();
        self.start_worker();
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.clock.load(Ordering::SeqCst))
    }

    fn set_now(&self, now: &str) {
        let now: Timestamp = now.parse().unwrap();
        self.clock.store(now.as_microseconds(), Ordering::SeqCst);
    }

    /// An operation as the owner, at the house's time.
    async fn run(&self, name: &str, input: Value) -> Value {
        let cx = self.scene.cx.clone().with_now(self.now());
        let entry = catalog::find(name).unwrap();
        let done = entry.run(&self.scene.app, &cx, input, None).await;
        done.unwrap_or_else(|failure| panic!("{name}: {}", failure.message))
    }

    /// A published event at 19:00 in Berlin on a day, with one paid order of two tickets.
    async fn sold_event(&self, day: &str) -> String {
        let event = json!({
            "title": "Spring Gala", "starts": format!("{day}T19:00"), "ends": format!("{day}T22:00"),
            "zone": "Europe/Berlin", "format": "online", "online_url": "https://live.example.org",
        });
        let created = self.run("create_event", event).await;
        let id = created["event"]["id"].as_str().unwrap().to_owned();
        let offer = json!({
            "event": id, "name": "Regular", "quantity": 50,
            "price": {"amount": 2500, "currency": "EUR"},
        });
        self.run("save_ticket_type", offer).await;
        self.run("publish_event", json!({"event": id})).await;
        let order = json!({
            "event": id, "items": [{"ticket_type": "Regular", "quantity": 2}],
            "buyer": {"name": "Ada Lovelace", "email": "ada@example.org"},
        });
        let placed = self.run("place_order", order).await;
        let order = placed["order"]["id"].clone();
        self.run("confirm_payment", json!({"order": order})).await;
        id
    }

    /// Sends what is due and returns the subjects of everything ever sent, in order.
    async fn mails(&self) -> Vec<String> {
        let from = "tickets@example.org".parse().unwrap();
        let mut options = sending::Options::new(from, "https://tickets.example.org/", [7; 32]);
        options.per_minute = 0;
        let folder = Folder::new(self.outbox.path());
        let senders = Senders {
            email: &folder,
            sms: None,
        };
        send_due(&self.scene.app, senders, &options, self.now())
            .await
            .unwrap();
        subjects(self.outbox.path())
    }

    /// Waits until so many mails with a subject were sent; more than that fails at once.
    async fn until_sent(&self, subject: &str, count: usize) {
        let started = tokio::time::Instant::now();
        loop {
            let mails = self.mails().await;
            let sent = mails.iter().filter(|mail| mail.contains(subject)).count();
            assert!(sent <= count, "{sent} mails {subject:?}: {mails:?}");
            if sent == count {
                break;
            }
            let runs = self.run("list_workflow_runs", json!({})).await;
            assert!(
                started.elapsed() < PATIENCE,
                "{sent} of {count} mails {subject:?}: {mails:?}, runs {runs:#}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives the worker time to do what it should not do.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(700)).await;
        self.mails().await;
    }

    async fn dead_runs(&self) -> Value {
        self.run("list_workflow_runs", json!({"status": "dead"}))
            .await["items"]
            .clone()
    }
}

fn subjects(folder: &Path) -> Vec<String> {
    let mut subjects: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .filter_map(|mail| {
            let line = mail.lines().find_map(|line| line.strip_prefix("Subject: "));
            line.map(ToOwned::to_owned)
        })
        .collect();
    subjects.sort_unstable();
    subjects
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_is_confirmed_once() {
    let house = House::new().await;
    house.sold_event("2027-02-04").await;
    house.until_sent("Your tickets for Spring Gala", 1).await;
    house.settle().await;
    house.until_sent("Your tickets for Spring Gala", 1).await;
    assert_eq!(house.dead_runs().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reminders_move_with_the_event_and_come_once() {
    let mut house = House::new().await;
    house
        .run("enable_workflow", json!({"workflow": "event-reminder-24h"}))
        .await;
    let event = house.sold_event("2027-02-04").await;
    house.until_sent("Your tickets", 1).await;
    let to = json!({"event": event, "starts": "2027-02-06T20:00"});
    house.run("update_event", to).await;
    house.settle().await;
    // A day before the time it had at first.
    house.set_now("2027-02-03T18:00:30Z");
    house.settle().await;
    house.until_sent("is tomorrow", 0).await;
    house.replace_worker();
    house.set_now("2027-02-05T19:00:10Z");
    house.until_sent("Spring Gala is tomorrow", 1).await;
    house.replace_worker();
    house.settle().await;
    house.until_sent("Spring Gala is tomorrow", 1).await;
    assert_eq!(house.dead_runs().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_event_reminds_nobody() {
    let house = House::new().await;
    house
        .run("enable_workflow", json!({"workflow": "event-reminder-24h"}))
        .await;
    let event = house.sold_event("2027-02-04").await;
    house.until_sent("Your tickets", 1).await;
    let cancel = json!({"event": event, "reason": "The hall is flooded."});
    house.run("cancel_event", cancel).await;
    house.settle().await;
    house.set_now("2027-02-03T18:00:30Z");
    house.settle().await;
    house.until_sent("is tomorrow", 0).await;
    assert_eq!(house.dead_runs().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_mondays_bring_three_reports() {
    let mut house = House::new().await;
    house
        .run(
            "enable_workflow",
            json!({"workflow": "weekly-sales-report"}),
        )
        .await;
    house.settle().await;
    for (week, monday) in ["2027-01-18", "2027-01-25", "2027-02-01"]
        .iter()
        .enumerate()
    {
        // Nine in the morning in Berlin.
        house.set_now(&format!("{monday}T08:00:05Z"));
        house.until_sent("Sales:", week + 1).await;
        if week == 1 {
            house.replace_worker();
        }
        house.settle().await;
        house.until_sent("Sales:", week + 1).await;
    }
    assert_eq!(house.dead_runs().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unpaid_order_is_reminded_of_and_then_expires() {
    let house = House::new().await;
    house
        .run("enable_workflow", json!({"workflow": "payment-reminder"}))
        .await;
    let event = house.sold_event("2027-03-04").await;
    let order = json!({
        "event": event, "items": [{"ticket_type": "Regular", "quantity": 1}],
        "buyer": {"name": "Grace Hopper", "email": "grace@example.org"},
    });
    let placed = house.run("place_order", order).await;
    house.settle().await;
    house.set_now("2027-01-14T09:01:00Z");
    house.until_sent("not paid", 1).await;
    house.set_now("2027-01-18T09:01:00Z");
    house.until_sent("has expired", 1).await;
    let order = json!({"order": placed["order"]["id"]});
    let order = house.run("get_order", order).await;
    assert_eq!(order["status"], "cancelled");
    assert_eq!(house.dead_runs().await, json!([]));
}

#[tokio::test]
async fn every_organization_gets_the_library_however_many_there_are() {
    let scene = Scene::new().await;
    scene
        .database
        .tell(
            "insert into organization (id, name, slug, currency, zone, created_at, updated_at) \
             select gen_random_uuid(), 'O', 'o-' || n, 'EUR', 'Europe/Berlin', now(), now() from generate_series(1, 104) n",
        )
        .await;
    workflows::sync_library(&scene.app).await.unwrap();
    let with =
        "select count(distinct organization_id) from workflow where name = 'order-confirmation'";
    assert_eq!(scene.database.count(with).await, 105);
    workflows::sync_library(&scene.app).await.unwrap();
    assert_eq!(scene.database.count(with).await, 105);
}
