//! The worker of the program: in `serve`, or alone as `eventos work`.

use std::sync::Arc;

use anyhow::{Result, anyhow, ensure};
use operations::App;
use store::Store;
use workflows::{Options, StoredDefinitions, Worker};

use crate::{
    config::{Config, Secret},
    models, payments,
};

/// A worker as the settings want it.
pub(crate) fn prepare(
    store: &Store,
    config: &Config,
    key: [u8; 32],
    name: Option<String>,
) -> Result<Worker> {
    ensure!(
        config.workflows.concurrency > 0,
        "a worker works on at least one run at once; `serve --no-worker` goes without"
    );
    let mut options = Options::new(name.unwrap_or_else(own_name));
    options.concurrency = config.workflows.concurrency;
    options.per_organization = config.workflows.per_organization;
    options.http.hosts.clone_from(&config.workflows.http_hosts);
    let secret = config.workflows.http_secret.as_ref().map(Secret::reveal);
    options.http.secret = secret.map(ToOwned::to_owned);
    // Every run is a caller of its own: limits are for people and programs outside.
    let app = App::new(store.clone(), operations::Options::unlimited());
    let app = app
        .with_key(key)
        .with_payments(payments::prepare(config, key)?);
    let definitions = Arc::new(StoredDefinitions::new(app.clone()));
    let agents = models::agents(&app, config, key)?;
    let worker = Worker::new(app, store.clone(), definitions, options);
    let worker = worker.map_err(|error| anyhow!(error.message))?;
    Ok(worker.with_agents(Arc::new(agents)))
}

/// The machine and the process, as people tell workers apart.
fn own_name() -> String {
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    format!("{machine}/{}", std::process::id())
}
