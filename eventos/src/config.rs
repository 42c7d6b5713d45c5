//! Settings: one TOML file, then the environment, then the command line; the later wins.
//!
//! Every key of the file can be set as `EVENTOS_<KEY>`, with two underscores for a dot: `EVENTOS_LIMITS__BURST=50`.
//! `DATABASE_URL` and `DATABASE_REPLICA_URL` are taken under the names that hosts set.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use domain::{Currency, EmailAddress, Zone};
use serde::{Deserialize, Serialize};

/// Text that is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(set)" })
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

/// All settings.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the server listens.
    pub(crate) listen: SocketAddr,
    /// Where data is kept: the embedded database, keys.
    pub(crate) data_dir: PathBuf,
    /// The address people reach the server under, when it is not the one it listens on.
    pub(crate) public_url: Option<String>,
    /// The database.
    pub(crate) store: StoreConfig,
    /// What the first organization takes as defaults.
    pub(crate) organization: OrganizationConfig,
    /// Limits on what one caller may ask for.
    pub(crate) limits: LimitsConfig,
    /// Mail.
    pub(crate) mail: MailConfig,
    /// Text messages.
    pub(crate) sms: SmsConfig,
    /// Payments through Stripe.
    pub(crate) stripe: StripeConfig,
    /// Webhooks.
    pub(crate) webhooks: WebhooksConfig,
    /// The worker that executes workflows.
    pub(crate) workflows: WorkflowsConfig,
    /// The language model that agents ask.
    pub(crate) models: ModelsConfig,
    /// The MCP server.
    pub(crate) mcp: McpConfig,
    /// Logs.
    pub(crate) log: LogConfig,
    /// Where these settings came from.
    #[serde(skip)]
    pub(crate) sources: Sources,
}

/// Where settings came from, as far as another start of the program would have to be told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    /// The settings file, with its absolute path.
    pub(crate) file: Option<PathBuf>,
    /// The environment variable that named the database.
    pub(crate) database: Option<&'static str>,
}

impl Sources {
    fn new<'a>(file: Option<&Path>, get: &impl Fn(&str) -> Option<&'a str>) -> Self {
        let of_the_database = [
            "DATABASE_URL",
            "DATABASE_REPLICA_URL",
            "EVENTOS_STORE__URL",
            "EVENTOS_STORE__REPLICA_URL",
        ];
        Self {
            file: file.and_then(|file| std::path::absolute(file).ok()),
            database: of_the_database.into_iter().find(|key| get(key).is_some()),
        }
    }
}

/// The database.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreConfig {
    /// A PostgreSQL of your own; without it EventOS starts one. Usually set as `DATABASE_URL`.
    pub(crate) url: Option<Secret>,
    /// A streaming replica for reads that tolerate staleness. Usually set as `DATABASE_REPLICA_URL`.
    pub(crate) replica_url: Option<Secret>,
    /// Connections kept at most.
    pub(crate) max_connections: u32,
    /// The folder of PostgreSQL's programs, when they are not to be looked for (`EVENTOS_PG_BIN`).
    pub(crate) binaries: Option<PathBuf>,
}

/// What the first organization takes as defaults.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OrganizationConfig {
    /// Its name in addresses; also which one commands mean when there are several.
    pub(crate) slug: String,
    /// What it is called.
    pub(crate) name: String,
    /// The currency new events take.
    pub(crate) currency: Currency,
    /// The zone new venues take; the machine's when left out.
    pub(crate) zone: Option<Zone>,
    /// The first owner's address: what waits for a decision and mails to the team go there.
    pub(crate) owner_email: EmailAddress,
    /// The first owner's name.
    pub(crate) owner_name: String,
}

/// The owner's address until there is a real one; nobody reads it.
pub(crate) const NOBODY: &str = "owner@eventos.invalid";

/// Limits on what one caller may ask for.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Operations per minute and caller; 0 for no limit.
    pub(crate) operations_per_minute: u32,
    /// How many of them may come at once.
    pub(crate) burst: u32,
    /// How many minutes places are kept for somebody who buys: 1 to 1440.
    pub(crate) hold_minutes: u32,
    /// The most holds, or orders, of one event that share a transaction; 1 for a transaction each.
    pub(crate) most_together: u16,
    /// Requests of buyers, who have no login, per minute and address; 0 for no limit.
    pub(crate) public_per_minute: u32,
    /// How many of them may come at once.
    pub(crate) public_burst: u32,
    /// Whether a proxy stands before the server that writes the client's address at the end of `X-Forwarded-For`.
    pub(crate) behind_proxy: bool,
}

/// Mail.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MailConfig {
    /// The mail server, as `smtps://user:password@host`; without it mails are kept as files in the data directory.
    pub(crate) smtp_url: Option<Secret>,
    /// The address mails come from.
    pub(crate) from: EmailAddress,
    /// Messages per minute; 0 for no limit.
    pub(crate) per_minute: u32,
}

/// Text messages, through a service that speaks as Twilio does.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SmsConfig {
    /// The service's address; Twilio's when left out.
    pub(crate) url: Option<String>,
    /// The account's id; without it no text messages are sent.
    pub(crate) account: Option<String>,
    /// The account's secret.
    pub(crate) token: Option<Secret>,
    /// The number or name that messages come from.
    pub(crate) from: Option<String>,
}

/// Payments through Stripe. Only whoever runs the server decides where money goes: no operation changes it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StripeConfig {
    /// Stripe's secret key; without it orders are paid to the organizer.
    pub(crate) key: Option<Secret>,
    /// What Stripe signs its webhooks to `/webhooks/stripe` with; several, separated by commas, while one replaces another.
    pub(crate) webhook_secret: Option<Secret>,
    /// The connected account (`acct_…`) to act for, if not the key's own.
    pub(crate) account: Option<String>,
    /// Stripe's address; its own when left out, a simulator's on this machine for development.
    pub(crate) url: Option<String>,
}

/// Webhooks.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebhooksConfig {
    /// Whether this machine itself may be told, and without https: for development.
    pub(crate) allow_loopback: bool,
}

/// The worker that executes workflows.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WorkflowsConfig {
    /// Whether `serve` has a worker inside; without one, `eventos work` must run somewhere.
    pub(crate) worker: bool,
    /// How many runs a worker works on at once.
    pub(crate) concurrency: u32,
    /// How many runs of one organization all workers together work on at once.
    pub(crate) per_organization: u32,
    /// Hosts that workflows may call over https, such as `hooks.example.org`; none when left out.
    pub(crate) http_hosts: Vec<String>,
    /// What their calls are signed with (`EventOS-Signature`, HMAC-SHA-256 as for webhooks); needed to call at all.
    pub(crate) http_secret: Option<Secret>,
}

/// The language model that agents ask.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ModelsConfig {
    /// Provider and model, such as `anthropic/claude-sonnet-5-5`.
    pub(crate) model: String,
    /// The provider's key; without one agents say what to set. Usually set as `ANTHROPIC_API_KEY`.
    pub(crate) key: Option<Secret>,
    /// Where the provider is reached, if not at its own address.
    pub(crate) url: Option<String>,
    /// The revision of the provider's interface, for gateways that speak an older one (`2023-06-01`).
    pub(crate) version: Option<String>,
    /// Whether its calls cost nothing, as those of a model on a machine of your own.
    pub(crate) unmetered: bool,
    /// A file with more prices, in the form of `llm/prices.toml`.
    pub(crate) prices: Option<PathBuf>,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            model: "anthropic/claude-sonnet-5-5".to_owned(),
            key: None,
            url: None,
            version: None,
            unmetered: false,
            prices: None,
        }
    }
}

/// The MCP server.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct McpConfig {
    /// Refuse every write.
    pub(crate) read_only: bool,
    /// Only these groups of tools.
    pub(crate) toolsets: Option<Vec<String>>,
    /// The newest protocol revision offered, for clients that stumble over newer ones (`2025-11-25`).
    pub(crate) max_protocol: Option<String>,
    /// Origins of browser clients that may connect, beside the server's own; any when there are none here.
    pub(crate) allowed_origins: Vec<String>,
}

/// Logs.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// `text` or `json`.
    pub(crate) format: LogFormat,
    /// As in `RUST_LOG`: `info`, `warn,operations=debug`.
    pub(crate) filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 4280)),
            data_dir: PathBuf::new(),
            public_url: None,
            store: StoreConfig::default(),
            organization: OrganizationConfig::default(),
            limits: LimitsConfig::default(),
            mail: MailConfig::default(),
            sms: SmsConfig::default(),
            stripe: StripeConfig::default(),
            webhooks: WebhooksConfig::default(),
            workflows: WorkflowsConfig::default(),
            models: ModelsConfig::default(),
            mcp: McpConfig::default(),
            log: LogConfig::default(),
            sources: Sources::default(),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: None,
            replica_url: None,
            max_connections: 16,
            binaries: None,
        }
    }
}

impl Default for OrganizationConfig {
    fn default() -> Self {
        let currency = "EUR".parse().expect("EUR is a currency");
        Self {
            slug: "home".to_owned(),
            name: "My organization".to_owned(),
            currency,
            zone: None,
            owner_email: NOBODY.parse().expect("a plain address"),
            owner_name: "Owner".to_owned(),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let options = operations::Options::default();
        let public = http_api::Options::new([0; 32]);
        Self {
            operations_per_minute: options.operations_per_minute,
            burst: options.burst,
            hold_minutes: options.hold_minutes,
            most_together: options.most_together,
            public_per_minute: public.public_per_minute,
            public_burst: public.public_burst,
            behind_proxy: public.behind_proxy,
        }
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            smtp_url: None,
            from: "tickets@eventos.invalid".parse().expect("a plain address"),
            per_minute: 120,
        }
    }
}

impl Default for WorkflowsConfig {
    fn default() -> Self {
        let options = workflows::Options::new("");
        Self {
            worker: true,
            concurrency: options.concurrency,
            per_organization: options.per_organization,
            http_hosts: Vec::new(),
            http_secret: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info,sqlx=warn,rmcp=warn".to_owned(),
        }
    }
}

/// What the command line may set over everything else.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Settings file; ./eventos.toml or the data directory's when left out.
    #[arg(long, global = true, value_name = "FILE", env = "EVENTOS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where data is kept.
    #[arg(long, global = true, value_name = "DIR", env = "EVENTOS_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Config {
    /// Reads the file and the environment and puts the command line over both.
    pub(crate) fn load(overrides: &Overrides) -> Result<Self> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let get = |key: &str| {
            environment
                .iter()
                .find(|(k, v)| k == key && !v.is_empty())
                .map(|(_, v)| v.as_str())
        };
        let data_dir = match &overrides.data_dir {
            Some(dir) => dir.clone(),
            None => default_data_dir(&get)?,
        };
        let file = match &overrides.config {
            Some(file) => Some(file.clone()),
            None => [PathBuf::from("eventos.toml"), data_dir.join("eventos.toml")]
                .into_iter()
                .find(|f| f.is_file()),
        };
        let mut table = match &file {
            None => toml::Table::new(),
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                text.parse()
                    .with_context(|| format!("{} is not valid TOML", file.display()))?
            }
        };
        for (key, value) in &environment {
            let taken = [
                "EVENTOS_CONFIG",
                "EVENTOS_DATA_DIR",
                "EVENTOS_PG_BIN",
                "EVENTOS_TOKEN",
            ];
            let Some(path) = key
                .strip_prefix("EVENTOS_")
                .filter(|_| !taken.contains(&key.as_str()))
            else {
                continue;
            };
            set(
                &mut table,
                &path.to_lowercase().split("__").collect::<Vec<_>>(),
                value,
            );
        }
        for (key, path) in [
            ("DATABASE_URL", ["store", "url"]),
            ("DATABASE_REPLICA_URL", ["store", "replica_url"]),
            ("EVENTOS_PG_BIN", ["store", "binaries"]),
            ("ANTHROPIC_API_KEY", ["models", "key"]),
        ] {
            if let Some(value) = get(key) {
                set(&mut table, &path, value);
            }
        }
        let sources = Sources::new(file.as_deref(), &get);
        let source = file.map_or("the environment".to_owned(), |file| {
            format!("{} and the environment", file.display())
        });
        let mut config: Self = table
            .try_into()
            .with_context(|| format!("the settings in {source} do not fit"))?;
        if overrides.data_dir.is_some() || config.data_dir.as_os_str().is_empty() {
            config.data_dir = data_dir;
        }
        config.data_dir = std::path::absolute(&config.data_dir)
            .context("the data directory has no absolute path")?;
        config.sources = sources;
        Ok(config)
    }

    /// The address people reach the server under.
    pub(crate) fn url(&self) -> String {
        self.public_url.as_ref().map_or_else(
            || format!("http://{}", self.listen),
            |url| url.trim_end_matches('/').to_owned(),
        )
    }
}

/// Sets a key of the settings from text, as a number, truth value or list where it reads as one. Names that are
/// no setting are left alone: other `EVENTOS_` variables belong to tests and wrappers.
fn set(table: &mut toml::Table, path: &[&str], value: &str) {
    match path {
        [leaf @ ("listen" | "data_dir" | "public_url")] => {
            table.insert((*leaf).to_owned(), value.into());
        }
        [
            section @ ("store" | "organization" | "limits" | "mail" | "sms" | "stripe" | "webhooks"
            | "workflows" | "models" | "mcp" | "log"),
            leaf,
        ] => {
            let section = table
                .entry((*section).to_owned())
                .or_insert_with(|| toml::Table::new().into());
            if let toml::Value::Table(section) = section {
                section.insert((*leaf).to_owned(), scalar(value));
            }
        }
        _ => {}
    }
}

fn scalar(value: &str) -> toml::Value {
    if let Ok(truth) = value.parse::<bool>() {
        return truth.into();
    }
    if let Ok(number) = value.parse::<i64>() {
        return number.into();
    }
    if let Some(list) = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
        return list
            .split(',')
            .map(|item| toml::Value::from(item.trim().trim_matches('"')))
            .collect::<Vec<_>>()
            .into();
    }
    value.into()
}

/// The platform's own place for data, per user.
fn default_data_dir<'a>(get: &impl Fn(&str) -> Option<&'a str>) -> Result<PathBuf> {
    if let Some(dir) = get("XDG_DATA_HOME") {
        return Ok(Path::new(dir).join("eventos"));
    }
    let Some(home) = get("HOME") else {
        bail!(
            "there is no home directory to keep data in; set EVENTOS_DATA_DIR or give --data-dir"
        );
    };
    let below = if cfg!(target_os = "macos") {
        "Library/Application Support/eventos"
    } else {
        ".local/share/eventos"
    };
    Ok(Path::new(home).join(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> Result<Config> {
        let mut table = toml::Table::new();
        for (path, value) in pairs {
            set(&mut table, &path.split('.').collect::<Vec<_>>(), value);
        }
        Ok(table.try_into()?)
    }

    #[test]
    fn the_environment_reaches_nested_keys() {
        let config = from(&[
            ("limits.burst", "50"),
            ("mcp.read_only", "true"),
            ("mcp.toolsets", "[events,orders]"),
        ])
        .unwrap();
        assert_eq!((config.limits.burst, config.mcp.read_only), (50, true));
        assert_eq!(config.mcp.toolsets.unwrap(), ["events", "orders"]);
    }

    #[test]
    fn secrets_are_never_printed() {
        let config = from(&[("store.url", "postgres://u:hunter2@localhost/db")]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!toml::to_string(&config).unwrap().contains("hunter2"));
        let config = from(&[
            ("mail.smtp_url", "smtps://u:hunter2@mail.example.org"),
            ("sms.token", "hunter2"),
            ("stripe.key", "sk_live_hunter2"),
            ("stripe.webhook_secret", "whsec_hunter2"),
        ])
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!toml::to_string(&config).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_misspelled_key_is_refused() {
        let text = "listen = \"127.0.0.1:1\"\nlisten_on = \"x\"";
        let table: toml::Table = text.parse().unwrap();
        assert!(table.try_into::<Config>().is_err());
    }
}
