//! How orders are paid, from the settings.

use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use operations::{Payments, buyers::OrderPages};
use payments::{
    Secret,
    stripe::{Stripe, StripeOptions},
};

use crate::config::Config;

/// The processor of the settings; asks nobody yet. None when orders are paid to the organizer.
pub(crate) fn prepare(config: &Config, key: [u8; 32]) -> Result<Option<Payments>> {
    let settings = &config.stripe;
    let Some(api_key) = settings.key.as_ref().map(|key| Secret::new(key.reveal())) else {
        return Ok(None);
    };
    let mut options = StripeOptions::new(api_key);
    options.account.clone_from(&settings.account);
    if let Some(url) = &settings.url {
        options.url.clone_from(url);
    }
    let stripe = Stripe::new(options).map_err(|error| anyhow!(error));
    let stripe = stripe.context("stripe.key or stripe.url does not fit")?;
    Ok(Some(Payments {
        processor: Arc::new(stripe),
        return_to: OrderPages::new(&config.url(), key),
    }))
}

/// What Stripe signs its webhooks with.
pub(crate) fn webhook_secrets(config: &Config) -> Vec<Secret> {
    let secrets = config.stripe.webhook_secret.as_ref();
    let secrets = secrets.map_or("", |secrets| secrets.reveal()).split(',');
    let secrets = secrets.map(Secret::new);
    secrets
        .filter(|secret| !secret.reveal().is_empty())
        .collect()
}
