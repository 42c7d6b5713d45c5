//! Logs: to standard error, so that standard output belongs to protocols and scripts.

use std::io::{self, IsTerminal as _};

use anyhow::{Context as _, Result};
use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts logging for the rest of the process.
pub(crate) fn start(config: &LogConfig) -> Result<()> {
    let filter = std::env::var_os("RUST_LOG")
        .and_then(|v| v.into_string().ok())
        .unwrap_or_else(|| config.filter.clone());
    let filter =
        EnvFilter::try_new(&filter).with_context(|| format!("{filter:?} is not a log filter"))?;
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match config.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
