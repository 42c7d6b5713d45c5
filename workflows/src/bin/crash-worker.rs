//! A worker process for tests to kill: `crash-worker URL NAME LEASE_MS CONCURRENCY HTTP_HOST [abort:PLACE@N]
//! [stop:PLACE@N] [without:GUARD]…`. It ends with an abort, or stops itself, the Nth time it comes to a place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use operations::App;
use rustix::process::{Signal, getpid, kill_process};
use store::{Store, rig::Rig};
use tokio_util::sync::CancellationToken;
use workflows::{Options, Worker, testing::Scripts};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, name, lease, concurrency, host, rest @ ..] = arguments.as_slice() else {
        panic!("crash-worker URL NAME LEASE_MS CONCURRENCY HTTP_HOST [..]");
    };
    let mut rig = Rig::default();
    for argument in rest {
        match argument.split_once(':') {
            Some(("without", guard)) => {
                rig.without.insert(guard.to_owned().leak());
            }
            Some((how @ ("abort" | "stop"), place)) => {
                let (place, number) = place.split_once('@').expect("PLACE@N");
                let number = number.parse().expect("a number");
                rig.hook = Some(hook(how == "stop", place.to_owned(), number));
            }
            _ => panic!("{argument} is not understood"),
        }
    }
    let store = Store::connect(&store::Options::new(url))
        .expect("a URL")
        .with_rig(rig);
    let app = App::new(store.clone(), operations::Options::unlimited());
    let mut options = Options::new(name);
    options.lease = Duration::from_millis(lease.parse().expect("milliseconds"));
    options.concurrency = concurrency.parse().expect("a number");
    options.per_organization = 1_000;
    options.poll = Duration::from_millis(50);
    options.http.hosts = vec![format!("http://{host}")];
    options.http.secret = Some("secret".to_owned());
    let worker = Worker::new(app, store, Arc::new(Scripts::default()), options);
    let worker = worker.unwrap_or_else(|error| panic!("{}", error.message));
    // Whoever started it is gone when its input ends.
    let stop = CancellationToken::new();
    let parent = stop.clone();
    std::thread::spawn(move || {
        drop(std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        parent.cancel();
    });
    worker.run(stop).await;
}

fn hook(stops: bool, wanted: String, number: u32) -> store::rig::Hook {
    let crossed = Arc::new(AtomicU32::new(0));
    Arc::new(move |place| {
        if place == wanted && crossed.fetch_add(1, Ordering::SeqCst) + 1 == number {
            if stops {
                kill_process(getpid(), Signal::STOP).expect("it may stop itself");
            } else {
                std::process::abort();
            }
        }
        Box::pin(async {})
    })
}
