//! The contestants take turns on one PostgreSQL, each with an event of its own, and what was sold is counted.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use store::embedded::{Cluster, Options as ClusterOptions};
use uuid::Uuid;

use super::{
    Settings,
    buyers::{Connection, Crowd, crowd},
    scenario::Scenario,
    sql::{Ceiling, Stall},
};
use crate::{
    program::{Installed, Served},
    stats::Sample,
};

/// A sale's figures, a number per round.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) scenario: Scenario,
    /// Confirmed orders a minute.
    pub(crate) orders: Vec<f64>,
    /// Looking, holding, ordering: milliseconds within which half, 95 and 99 of 100 were answered.
    pub(crate) steps: [[Vec<f64>; 3]; 3],
    /// Memory of the server afterwards, in MB.
    pub(crate) resident: Vec<f64>,
    pub(crate) refused: BTreeMap<String, usize>,
    /// Tickets beyond what there was, and what nobody got although somebody was refused; over all rounds.
    pub(crate) oversold: i64,
    pub(crate) undersold: i64,
}

/// Everything the sales brought.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) figures: Vec<Figures>,
    /// Places for all once more, beside very many orders of another event: how many, and the figures.
    pub(crate) history: Option<(i64, Figures)>,
    /// Orders a minute of one function call each.
    pub(crate) ceiling: Vec<f64>,
    /// The same of those who lock and count.
    pub(crate) recount: Vec<f64>,
    pub(crate) postgres: String,
}

/// Lets all take turns.
pub(crate) fn hold(installed: &Installed, settings: &Settings) -> Result<Outcome> {
    // Makes the database and the organization.
    drop(installed.serve(&["--no-worker"])?);
    let token = installed.token("home")?;
    let cluster = Cluster::open(&ClusterOptions::new(&installed.data_dir), &|_| {})?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let ceiling = Ceiling::new(&cluster.url("eventos")).await?;
        let mut sales = Sales {
            installed,
            token,
            ceiling: &ceiling,
            settings,
            count: 0,
        };
        let mut outcome = Outcome {
            figures: Scenario::ALL.map(Figures::of).into(),
            history: None,
            ceiling: Vec::new(),
            recount: Vec::new(),
            postgres: ceiling.server().await?,
        };
        let lasting = Duration::from_secs_f64(settings.ceiling_seconds);
        for round in 0..settings.rounds {
            eprintln!("round {} of {}", round + 1, settings.rounds);
            // Another one is first each time.
            outcome.figures.rotate_left(usize::from(round > 0));
            for figures in &mut outcome.figures {
                sales.turn(figures).await?;
            }
            let stall = sales.stall().await?;
            outcome
                .ceiling
                .push(ceiling.rate("buy", stall, lasting).await?);
            let stall = sales.stall().await?;
            outcome
                .recount
                .push(ceiling.rate("recount", stall, lasting).await?);
        }
        outcome.figures.sort_by_key(|figures| figures.scenario);
        if settings.history > 0 {
            outcome.history = sales.with_history().await?;
        }
        Ok(outcome)
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    cluster.close()?;
    outcome
}

impl Figures {
    fn of(scenario: Scenario) -> Self {
        Self {
            scenario,
            orders: Vec::new(),
            steps: Default::default(),
            resident: Vec::new(),
            refused: BTreeMap::new(),
            oversold: 0,
            undersold: 0,
        }
    }

    fn add(&mut self, crowd: Crowd) {
        #[expect(clippy::cast_precision_loss, reason = "some thousand orders")]
        let orders = crowd.orders as f64;
        self.orders
            .push(orders / crowd.selling.as_secs_f64() * 60.0);
        for (figures, times) in self.steps.iter_mut().zip(crowd.steps) {
            let sample = Sample::new(times, Duration::ZERO);
            for (figure, share) in figures.iter_mut().zip([0.5, 0.95, 0.99]) {
                figure.push(sample.percentile(share));
            }
        }
        for (code, count) in crowd.refused {
            *self.refused.entry(code).or_default() += count;
        }
    }
}

struct Sales<'a> {
    installed: &'a Installed,
    token: String,
    ceiling: &'a Ceiling,
    settings: &'a Settings,
    count: u32,
}

impl Sales<'_> {
    async fn turn(&mut self, figures: &mut Figures) -> Result<()> {
        let scenario = figures.scenario;
        let limits = [("EVENTOS_LIMITS__MOST_TOGETHER", scenario.most_together())];
        // Mails and workflows wait in their queue; a worker elsewhere would see to them.
        let (served, _) = self.installed.serve_with(&["--no-worker"], &limits)?;
        let event = self.put_on_sale(&served, scenario).await?;
        let Settings {
            buyers, at_once, ..
        } = *self.settings;
        let wanted = scenario.wanted();
        let crowd = crowd(
            served.address,
            &event,
            &wanted,
            buyers,
            usize::from(at_once),
        );
        let crowd = crowd.await?;
        figures.resident.extend(served.resident());
        let sold = self.ceiling.sold(uuid(&event)?).await?;
        let counted = i64::try_from(crowd.orders)?;
        ensure!(
            sold == counted,
            "{counted} were told of a ticket, {sold} have one"
        );
        if let Some(most) = scenario.most() {
            figures.oversold += (sold - most).max(0);
            figures.undersold += (most.min(i64::try_from(buyers)?) - sold).max(0);
        }
        figures.add(crowd);
        Ok(())
    }

    /// The sale with places for all, once more in every round, after very many orders of another event.
    async fn with_history(&mut self) -> Result<Option<(i64, Figures)>> {
        let stall = self.stall().await?;
        eprintln!("{} orders are written", self.settings.history);
        self.ceiling.fill(stall, self.settings.history).await?;
        let mut figures = Figures::of(Scenario::Unlimited);
        for _ in 0..self.settings.rounds {
            self.turn(&mut figures).await?;
        }
        Ok(Some((self.ceiling.orders().await?, figures)))
    }

    /// An event of a scenario, its id.
    async fn put_on_sale(&mut self, served: &Served, scenario: Scenario) -> Result<String> {
        self.count += 1;
        let mut api = Connection::open(served.address).await?;
        api.headers = format!("Authorization: Bearer {}\r\n", self.token);
        let event = json!({
            "title": format!("On-sale {} of {}", self.count, std::process::id()),
            "starts": "2031-06-01T19:00", "ends": "2031-06-01T22:00", "zone": "Europe/Berlin",
            "format": "online", "online_url": "https://live.example.org",
        });
        let created = call(&mut api, "create_event", &event).await?;
        let id = created["event"]["id"].as_str().context("no id")?.to_owned();
        for (operation, mut input) in scenario.set_up() {
            input["event"] = id.as_str().into();
            call(&mut api, operation, &input).await?;
        }
        call(&mut api, "publish_event", &json!({"event": id})).await?;
        if scenario == Scenario::Storm {
            // Everything is in carts that are left alone, and no worker frees it.
            for _ in 0..scenario.most().unwrap_or_default() / 10 {
                let path = format!("/v1/public/home/events/{id}/holds");
                let ten = r#"{"items":[{"ticket_type":"Regular","quantity":10}]}"#;
                let (status, body) = api.ask("POST", &path, ten).await?;
                ensure!(status < 300, "a hold answered {status}: {body}");
            }
            self.ceiling.run_out(uuid(&id)?).await?;
        }
        Ok(id)
    }

    /// An event for those that only ask PostgreSQL.
    async fn stall(&mut self) -> Result<Stall> {
        let (served, _) = self.installed.serve(&["--no-worker"])?;
        let event = uuid(&self.put_on_sale(&served, Scenario::Unlimited).await?)?;
        self.ceiling.stall(event).await
    }
}

fn uuid(id: &str) -> Result<Uuid> {
    let (_, digits) = id.split_once('_').context("an id has a prefix")?;
    Ok(Uuid::parse_str(digits)?)
}

/// Calls an operation; what wants to be seen first is confirmed as it was shown.
async fn call(api: &mut Connection, operation: &str, input: &Value) -> Result<Value> {
    let mut path = format!("/v1/{operation}");
    for _ in 0..2 {
        let (status, body) = api.ask("POST", &path, &input.to_string()).await?;
        let answer: Value = serde_json::from_str(&body)?;
        match (status, answer["confirm"].as_str()) {
            (200..300, _) => return Ok(answer),
            (428, Some(digest)) => path = format!("/v1/{operation}?confirm={digest}"),
            _ => bail!("{operation} answered {status}: {body}"),
        }
    }
    bail!("{operation} wants to be confirmed again and again")
}
