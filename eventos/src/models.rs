//! The language model that agents ask, from the settings.

use std::sync::Arc;

use agents::{Agents, Books, Roster};
use anyhow::{Context as _, Result, anyhow, bail};
use llm::{
    ChatModel, Metered, ModelId, Prices, Retrying,
    anthropic::{self, Anthropic, Version},
};
use operations::App;

use crate::{
    config::{Config, ModelsConfig, Secret},
    web,
};

/// What agents say when nobody has given them a model.
const NO_KEY: &str = "No model is set, so the assistant cannot answer: put ANTHROPIC_API_KEY into the environment and start again. \
     Everything else works without, and your own Claude can connect over MCP.";

/// All agents, with the model of the settings.
pub(crate) fn agents(app: &App, config: &Config, key: [u8; 32]) -> Result<Agents> {
    let model = model(app, &config.models)?;
    let tools = web::mcp_options(config, key)?;
    Ok(Agents::new(app.clone(), Roster::builtin(), model, tools))
}

/// The model; or what to set, where none is.
fn model(app: &App, config: &ModelsConfig) -> Result<Result<Arc<dyn ChatModel>, String>> {
    let Some(key) = config.key.as_ref().map(Secret::reveal) else {
        return Ok(Err(NO_KEY.to_owned()));
    };
    let id: ModelId = config
        .model
        .parse()
        .map_err(|error: String| anyhow!("models.model: {error}"))?;
    if id.provider != anthropic::PROVIDER {
        bail!(
            "models.model: there is no provider {:?}; there is {:?}",
            id.provider,
            anthropic::PROVIDER
        );
    }
    let mut options = anthropic::Options::new(&id.model, key);
    if let Some(url) = &config.url {
        options.base_url.clone_from(url);
    }
    options.version = match config.version.as_deref() {
        None | Some("2026-10-21") => Version::V2026_10_21,
        Some("2023-06-01") => Version::V2023_06_01,
        Some(other) => bail!("models.version: {other:?} is none; use 2026-10-21 or 2023-06-01"),
    };
    let mut prices = Prices::builtin();
    if let Some(file) = &config.prices {
        let table = std::fs::read_to_string(file);
        let table = table.with_context(|| format!("cannot read {}", file.display()))?;
        prices = prices.with(&table)?;
    }
    if config.unmetered {
        prices = prices.with_unmetered(&id);
    }
    let adapter = Anthropic::new(options).map_err(|error| anyhow!("models: {error}"))?;
    let metered = Metered::new(adapter, Arc::new(prices), Arc::new(Books::new(app.clone())));
    Ok(Ok(Arc::new(Retrying::new(metered))))
}
