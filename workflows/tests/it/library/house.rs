//! An organization as an organizer gets it: the library, a worker, a mail server that takes everything, and a clock
//! that is moved by hand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use delivery::{Email, EmailSender, Refusal, SendError, Sending};
use domain::{Permission, Timestamp};
use operations::{
    App, buyers, catalog,
    messages::sending::{self, Senders, send_due},
    testing::{Scene, Till},
};
use serde_json::{Value, json};
use store::Store;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workflows::{Options, StoredDefinitions, Worker};

/// How long a test waits for what must come before it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// What signs links in mails.
pub(super) const KEY: [u8; 32] = [7; 32];

pub(super) const ADA: &str = "ada@example.org";
pub(super) const GRACE: &str = "grace@example.org";
/// Has unsubscribed from news.
pub(super) const HEDY: &str = "hedy@example.org";
/// The organization's only member.
pub(super) const OWNER: &str = "owner@scene.example";

/// An organization with the library, a worker and a mail server.
pub(super) struct House {
    pub(super) scene: Scene,
    clock: Arc<AtomicI64>,
    mails: Mails,
    worker: JoinSet<()>,
    pub(super) till: Till,
}

/// A mail server that keeps what it takes, and refuses one address for good.
#[derive(Default)]
struct Mails {
    taken: Mutex<Vec<Email>>,
    refused: Mutex<Option<String>>,
}

impl EmailSender for Mails {
    fn send<'a>(&'a self, email: &'a Email) -> Sending<'a, String> {
        let refused = self.refused.lock().unwrap().clone();
        if refused.as_deref() == Some(email.to.address.as_str()) {
            let refusal = Refusal::unanswered("the mailbox is full");
            return Box::pin(async move { Err(SendError::Permanent(refusal)) });
        }
        self.taken.lock().unwrap().push(email.clone());
        Box::pin(async { Ok(String::new()) })
    }
}

/// To whom, and under which subject.
pub(super) fn mail(to: &str, subject: &str) -> (String, String) {
    (to.to_owned(), subject.to_owned())
}

/// A line of the calendar file that came with a mail.
pub(super) fn calendar(email: &Email, property: &str) -> String {
    let [file] = email.attachments.as_slice() else {
        panic!("{} files instead of one", email.attachments.len());
    };
    let text = String::from_utf8(file.content.clone()).unwrap();
    let text = text.replace("\r\n ", "");
    let line = text.lines().find_map(|line| line.strip_prefix(property));
    line.unwrap_or_else(|| panic!("no {property} in {text}"))
        .trim_start_matches(':')
        .to_owned()
}

impl House {
    pub(super) async fn new() -> Self {
        let mut scene = Scene::new().await;
        let till = Till::open().await;
        scene.app = scene.app.clone().with_payments(Some(till.payments()));
        let clock = Arc::new(AtomicI64::new(scene.cx.now.as_microseconds()));
        let mut house = Self {
            scene,
            clock,
            mails: Mails::default(),
            worker: JoinSet::new(),
            till,
        };
        // Like the first start of a server, before anything happens.
        let library = workflows::library();
        house
            .run("sync_library", json!({"workflows": library}))
            .await;
        house.start_worker();
        house
    }

    /// A house in which one workflow is on, and none of those that are on from the start.
    pub(super) async fn with(workflow: &str) -> Self {
        let house = Self::new().await;
        for workflow in workflows::library() {
            if workflow.enabled_by_default {
                house.disable(&workflow.name).await;
            }
        }
        house
            .run("enable_workflow", json!({"workflow": workflow}))
            .await;
        house
    }

    pub(super) async fn disable(&self, workflow: &str) {
        self.run("disable_workflow", json!({"workflow": workflow}))
            .await;
    }

    fn start_worker(&mut self) {
        let store = Store::connect(&store::Options::new(self.scene.database.url())).unwrap();
        let app = App::new(store.clone(), operations::Options::unlimited());
        let app = app.with_payments(Some(self.till.payments()));
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

    /// Ends the worker in the middle of whatever it does, without a word.
    pub(super) fn end_worker(&mut self) {
        self.worker.abort_all();
    }

    /// Ends the worker like that and starts another.
    pub(super) fn replace_worker(&mut self) {
        self.end_worker();
        self.start_worker();
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.clock.load(Ordering::SeqCst))
    }

    /// Moves the clock, once what is due now is done, and waits until what was due then is done.
    pub(super) async fn at(&self, now: &str) {
        self.settle().await;
        let now: Timestamp = now.parse().unwrap();
        self.clock.store(now.as_microseconds(), Ordering::SeqCst);
        self.settle().await;
    }

    /// Moves the clock without waiting.
    pub(super) fn set_now(&self, now: &str) {
        let now: Timestamp = now.parse().unwrap();
        self.clock.store(now.as_microseconds(), Ordering::SeqCst);
    }

    /// An operation as the owner, at the house's time.
    pub(super) async fn run(&self, name: &str, input: Value) -> Value {
        self.try_run(name, input)
            .await
            .unwrap_or_else(|code| panic!("{name}: {code}"))
    }

    /// The same, or the code with which it refuses.
    pub(super) async fn try_run(&self, name: &str, input: Value) -> Result<Value, String> {
        let cx = self.scene.cx.clone().with_now(self.now());
        let entry = catalog::find(name).unwrap();
        let done = entry.run(&self.scene.app, &cx, input, None).await;
        done.map_err(|failure| format!("{}: {}", failure.code, failure.message))
    }

    /// A draft at 19:00 in Berlin on a day, with so many places.
    pub(super) async fn draft(&self, title: &str, day: &str, places: i32) -> String {
        let event = json!({
            "title": title, "starts": format!("{day}T19:00"), "ends": format!("{day}T22:00"),
            "zone": "Europe/Berlin", "format": "online", "online_url": "https://live.example.org",
        });
        let created = self.run("create_event", event).await;
        let id = created["event"]["id"].as_str().unwrap().to_owned();
        let offer = json!({
            "event": id, "name": "Regular", "quantity": places,
            "price": {"amount": 2500, "currency": "EUR"},
        });
        self.run("save_ticket_type", offer).await;
        id
    }

    /// An order that is not paid.
    pub(super) async fn order(&self, event: &str, email: &str, quantity: i32) -> Value {
        let order = json!({
            "event": event, "items": [{"ticket_type": "Regular", "quantity": quantity}],
            "buyer": {"name": "Some Body", "email": email},
        });
        self.run("place_order", order).await["order"].clone()
    }

    /// An order that a buyer places, to be paid online.
    pub(super) async fn buyers_order(&self, event: &str, email: &str) -> Value {
        let may = [Permission::OrdersWrite, Permission::OrdersRead];
        let cx = buyers::context(self.scene.cx.organization_id, may, self.now());
        let order = json!({
            "event": event, "items": [{"ticket_type": "Regular", "quantity": 1}],
            "buyer": {"name": "Some Body", "email": email},
        });
        let entry = catalog::find("place_order").unwrap();
        let placed = entry.run(&self.scene.app, &cx, order, None).await.unwrap();
        placed["order"].clone()
    }

    /// The ids of the tickets of an order that is paid.
    pub(super) async fn paid(&self, event: &str, email: &str, quantity: i32) -> Vec<String> {
        let order = self.order(event, email, quantity).await;
        let paid = self
            .run("confirm_payment", json!({"order": order["id"]}))
            .await;
        let tickets = paid["order"]["tickets"].as_array().unwrap().iter();
        tickets
            .map(|ticket| ticket["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A published event with two tickets of Ada's and one each of Grace's and Hedy's, and the mail about that read.
    pub(super) async fn gala(&self, day: &str) -> String {
        let event = self.draft("Spring Gala", day, 50).await;
        self.run("publish_event", json!({"event": event})).await;
        self.paid(&event, ADA, 2).await;
        self.paid(&event, GRACE, 1).await;
        self.paid(&event, HEDY, 1).await;
        let leaves = json!({"address": HEDY, "scope": "marketing", "reason": "unsubscribed"});
        self.run("save_suppression", leaves).await;
        self.settle().await;
        self.read().await;
        event
    }

    /// Lets everyone in whose tickets a buyer has.
    pub(super) async fn admit(&self, event: &str, email: &str) {
        let listed = self
            .run("list_attendees", json!({"event": event, "query": email}))
            .await;
        // The search forgives typos, and finds others, too.
        let attendees = listed["items"].as_array().unwrap().iter();
        let theirs: Vec<&Value> = attendees.filter(|one| one["email"] == email).collect();
        assert!(!theirs.is_empty());
        for attendee in theirs {
            let scan = json!({"ticket": attendee["ticket_id"], "event": event});
            let scanned = self.run("check_in", scan).await;
            assert_eq!(scanned["admitted"], true, "{scanned}");
        }
    }

    /// From now on the mail server refuses this address for good.
    pub(super) fn refuse(&self, address: &str) {
        *self.mails.refused.lock().unwrap() = Some(address.to_owned());
    }

    /// Waits until the workers have nothing left to do at this time.
    pub(super) async fn settle(&self) {
        let started = tokio::time::Instant::now();
        let mut calm = 0;
        while calm < 4 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let busy = self.busy().await;
            calm = if busy == 0 { calm + 1 } else { 0 };
            if started.elapsed() > PATIENCE {
                let runs = self.run("list_workflow_runs", json!({})).await;
                panic!("{busy} things are still to be done: {runs:#}");
            }
        }
        assert_eq!(self.dead_runs().await, json!([]));
    }

    /// Waits until the run of a workflow that the clock has just started is over.
    pub(super) async fn until_run(&self, workflow: &str) {
        let now = self.now();
        let query = format!(
            "select count(*) from workflow_run where workflow = '{workflow}' and finished_at is not null
               and created_at > '{now}'::timestamptz - interval '10 seconds'"
        );
        let started = tokio::time::Instant::now();
        while self.scene.database.count(&query).await == 0 {
            assert!(started.elapsed() < PATIENCE, "{workflow} was not started");
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        self.settle().await;
    }

    /// How many runs are due or at work, and how many changes nobody has looked at yet.
    async fn busy(&self) -> i64 {
        let now = self.now();
        let query = format!(
            "select (select count(*) from workflow_run where status = 'running'
                       or status in ('queued', 'waiting') and wake_at <= '{now}')
               + (select count(*) from change, workflow_cursor
                  where name = 'dispatch' and transaction_id::text::bigint > position)"
        );
        self.scene.database.count(&query).await
    }

    /// Sends what is due and takes everything that was sent since this was asked last, in order of addresses.
    pub(super) async fn read(&self) -> Vec<Email> {
        let from = "tickets@example.org".parse().unwrap();
        let mut options = sending::Options::new(from, "https://tickets.example.org/", KEY);
        options.per_minute = 0;
        let senders = Senders {
            email: &self.mails,
            sms: None,
        };
        // A round is a batch; all are wanted.
        for _ in 0..3 {
            send_due(&self.scene.app, senders, &options, self.now())
                .await
                .unwrap();
        }
        let mut taken = std::mem::take(&mut *self.mails.taken.lock().unwrap());
        taken.sort_by_key(|email| (email.to.address.to_string(), email.subject.clone()));
        taken
    }

    /// The same as address and subject.
    pub(super) async fn sent(&self) -> Vec<(String, String)> {
        let mails = self.read().await.into_iter();
        mails
            .map(|email| (email.to.address.to_string(), email.subject))
            .collect()
    }

    /// Asserts who got what since this was asked last: exactly these, and nothing more when looked at once again.
    #[track_caller]
    pub(super) fn assert_sent(
        &self,
        expected: &[(String, String)],
    ) -> impl Future<Output = ()> + '_ {
        let place = std::panic::Location::caller();
        let expected = expected.to_vec();
        async move {
            assert_eq!(self.sent().await, expected, "{place}");
            self.settle().await;
            assert_eq!(self.sent().await, [], "twice, {place}");
        }
    }

    /// The one question that waits for a person.
    pub(super) async fn question(&self) -> Value {
        let listed = self.run("list_approvals", json!({})).await;
        let items = listed["items"].as_array().unwrap();
        assert_eq!(items.len(), 1, "{listed:#}");
        items[0].clone()
    }

    async fn dead_runs(&self) -> Value {
        let dead = self.run("list_workflow_runs", json!({"status": "dead"}));
        dead.await["items"].clone()
    }

    /// How the runs of a workflow ended, oldest first.
    pub(super) async fn ends(&self, workflow: &str) -> Vec<String> {
        let runs = json!({"workflow": workflow, "limit": 200});
        let listed = self.run("list_workflow_runs", runs).await;
        let runs = listed["items"].as_array().unwrap().iter().rev();
        runs.map(|run| run["status"].as_str().unwrap().to_owned())
            .collect()
    }
}
