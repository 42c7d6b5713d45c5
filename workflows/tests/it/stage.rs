//! What the tests share: a database with an organization, workers inside and outside the process, a system outside.

use std::{
    collections::HashMap,
    future::Future,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use delivery::webhook;
use domain::{OrganizationId, Timestamp, WorkflowRunId};
use operations::{App, testing::Scene};
use serde_json::{Value, json};
use store::{
    Store,
    rig::Rig,
    runs::{NewRun, Runs},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use workflows::{Options, Worker, testing::Scripts};

/// How long a test waits for what must come before it fails.
const PATIENCE: Duration = Duration::from_mins(2);
/// What calls to the system outside are signed with.
const SECRET: &str = "secret";

/// A database with an organization and a clock that tests move.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    pub(crate) scripts: Arc<Scripts>,
    pub(crate) outside: Outside,
    clock: Arc<AtomicI64>,
}

impl Stage {
    pub(crate) async fn new() -> Self {
        let scene = Scene::new().await;
        // The machine's time, as in the worker processes.
        let clock = Arc::new(AtomicI64::new(Timestamp::now().as_microseconds()));
        Self {
            scene,
            scripts: Arc::default(),
            outside: Outside::open().await,
            clock,
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_microseconds(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) fn set_now(&self, now: Timestamp) {
        self.clock.store(now.as_microseconds(), Ordering::SeqCst);
    }

    pub(crate) fn organization(&self) -> OrganizationId {
        self.scene.cx.organization_id
    }

    pub(crate) fn store(&self, rig: Rig) -> Store {
        let options = store::Options::new(self.scene.database.url());
        Store::connect(&options).unwrap().with_rig(rig)
    }

    pub(crate) fn runs(&self) -> Runs {
        self.store(Rig::default()).runs()
    }

    /// A run of a script, not started.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "scripts are written where they are used"
    )]
    pub(crate) fn new_run(&self, script: Value) -> NewRun {
        NewRun {
            organization_id: self.organization(),
            id: self.scene.cx.new_id(),
            workflow: "script".to_owned(),
            version: 1,
            definition: None,
            title: "Script".to_owned(),
            idempotency_key: None,
            concurrency: None,
            trigger: json!({"kind": "manual"}),
            params: json!({"script": script}),
            wake_at: self.now(),
            parent: None,
            on_behalf_of: None,
            since: None,
            created_at: self.now(),
        }
    }

    pub(crate) async fn start(&self, script: Value) -> WorkflowRunId {
        let run = self.new_run(script);
        self.runs().start(&run).await.unwrap().run_id
    }

    pub(crate) fn options(&self, name: &str) -> Options {
        let mut options = Options::new(name);
        let clock = Arc::clone(&self.clock);
        options.clock =
            Arc::new(move || Timestamp::from_microseconds(clock.load(Ordering::SeqCst)));
        options.poll = Duration::from_millis(30);
        options.lease = Duration::from_millis(500);
        options.grace = Duration::from_secs(5);
        options.expiring = Duration::from_millis(30);
        options.per_organization = 1_000;
        options.http.hosts = vec![format!("http://{}", self.outside.host)];
        options.http.secret = Some(SECRET.to_owned());
        options
    }

    pub(crate) fn worker(&self, options: Options, rig: Rig) -> Worker {
        let store = self.store(rig);
        let app = App::new(store.clone(), operations::Options::unlimited());
        let scripts = Arc::clone(&self.scripts);
        Worker::new(app, store, scripts, options).unwrap()
    }

    /// A worker at work inside the test.
    pub(crate) fn work(&self, options: Options, rig: Rig) -> Working {
        Working::new(self.worker(options, rig))
    }

    /// A worker at work in a process of its own.
    pub(crate) fn process(
        &self,
        name: &str,
        lease_ms: u32,
        concurrency: u32,
        rest: &[&str],
    ) -> Process {
        let child = Command::new(env!("CARGO_BIN_EXE_crash-worker"))
            .args([self.scene.database.url(), name])
            .args([lease_ms.to_string(), concurrency.to_string()])
            .arg(&self.outside.host)
            .args(rest)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Waits until no run is left that could go on.
    pub(crate) async fn all_ended(&self) {
        eventually(async || {
            self.count("select count(*) from workflow_run where finished_at is null")
                .await
                == 0
        })
        .await;
    }

    pub(crate) async fn has_status(&self, run: WorkflowRunId, status: &str) {
        eventually(async || self.run(run).await["status"] == status).await;
    }

    /// A run's row.
    pub(crate) async fn run(&self, run: WorkflowRunId) -> Value {
        let id = uuid::Uuid::from(run);
        let query = format!("select * from workflow_run where id = '{id}'");
        self.scene.database.ask(&query).await[0].clone()
    }

    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.scene.database.count(query).await
    }

    /// How many events of a title there are: the effect that must be there exactly once.
    pub(crate) async fn events(&self, title: &str) -> i64 {
        self.count(&format!(
            "select count(*) from event where title = '{title}'"
        ))
        .await
    }
}

/// A step that makes an event.
pub(crate) fn make_event(path: &str, title: &str) -> Value {
    let input = json!({"title": title, "starts": "2099-02-04T19:00"});
    json!({"path": path, "do": "operation", "name": "create_event", "input": input})
}

/// Waits for what must come.
pub(crate) async fn eventually<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("it never came");
}

/// A worker inside the test.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Working {
    pub(crate) fn new(worker: Worker) -> Self {
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(worker.run(stop.clone()));
        Self { stop, task }
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
    }

    /// Lets it vanish in the middle of what it does, as a crash would.
    pub(crate) async fn crash(mut self) {
        self.task.shutdown().await;
    }
}

/// A worker process. It ends with the value.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    /// Waits for its end without holding up the test's own tasks.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A system outside that keeps count of the keys it is called with.
pub(crate) struct Outside {
    pub(crate) host: String,
    calls: Arc<Mutex<HashMap<String, u32>>>,
    _serving: JoinSet<()>,
}

impl Outside {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let calls = Arc::<Mutex<HashMap<String, u32>>>::default();
        let mut serving = JoinSet::new();
        let counted = Arc::clone(&calls);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&counted)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            host,
            calls,
            _serving: serving,
        }
    }

    /// How often it was called, by key.
    pub(crate) fn calls(&self) -> HashMap<String, u32> {
        self.calls.lock().unwrap().clone()
    }
}

/// Answers requests: `/ok` with 200, `/fail/N` with 503 the first N times a key comes, `/refuse` with 422.
async fn serve(mut stream: tokio::net::TcpStream, calls: Arc<Mutex<HashMap<String, u32>>>) {
    let mut buffer = Vec::new();
    loop {
        let Some(head) = read_head(&mut stream, &mut buffer).await else {
            return;
        };
        let field = |name: &str| {
            head.lines()
                .find_map(|line| {
                    line.split_once(": ")
                        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                })
                .map(|(_, value)| value.trim().to_owned())
        };
        let length: usize = field("content-length").map_or(0, |l| l.parse().unwrap());
        while buffer.len() < length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let body: Vec<u8> = buffer.drain(..length).collect();
        let key = field("idempotency-key").unwrap();
        let seconds = field("eventos-timestamp").unwrap().parse().unwrap();
        let signed = webhook::keyed(&key, str::from_utf8(&body).unwrap());
        let signature = field("eventos-signature").unwrap();
        assert!(webhook::is_signed(&signature, SECRET, seconds, &signed));
        let count = {
            let mut calls = calls.lock().unwrap();
            let count = calls.entry(key).or_default();
            *count += 1;
            *count
        };
        let path = head.split(' ').nth(1).unwrap_or_default();
        let fails = path
            .strip_prefix("/fail/")
            .map_or(0, |n| n.parse().unwrap());
        let status = match path {
            "/refuse" => "422 Unprocessable Content",
            _ if count <= fails => "503 Service Unavailable",
            _ => "200 OK",
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut tokio::net::TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            return Some(head);
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// A sequence that is random and always the same: `SplitMix64`.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}
