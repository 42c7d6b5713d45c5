//! The demonstration organization: three venues, eight events over a year in two zones, about three thousand orders.
//!
//! Made by the product's own operations at the times at which they would have happened, so every rule holds for it.
//! The same seed gives the same story.

mod booking;
mod people;
mod programme;

use anyhow::{Context as _, Result};
use domain::{Actor, Cx, Permissions, Timestamp};
use operations::{
    App,
    organizations::{FoundOrganization, found_organization},
    permission::Role,
};
use store::Store;

/// The demonstration organization's slug.
pub(crate) const SLUG: &str = "demo";

/// Loads the organization unless it is there; says what was made.
pub(crate) async fn load(store: &Store) -> Result<Option<String>> {
    // A year's sales in a minute are more than any one caller may ask for.
    let app = &App::new(store.clone(), operations::Options::unlimited());
    let command = FoundOrganization {
        name: "Harbour Lights".parse().expect("a short name"),
        slug: SLUG.to_owned(),
        currency: "EUR".parse().expect("a currency"),
        zone: "Europe/Berlin".parse().expect("a zone"),
        owner_email: "mara@harbour-lights.example".parse().expect("an address"),
        owner_name: "Mara Lindqvist".parse().expect("a name"),
    };
    let Some((organization_id, user_id)) = found_organization(app, &command).await? else {
        return Ok(None);
    };
    tracing::info!(
        "Loading the demonstration organization: 8 events and about 3,000 orders; this takes a minute"
    );
    let owner = Cx::new(
        organization_id,
        Actor::Member { user_id },
        Role::Owner.permissions(),
    )
    .with_client("eventos demo");
    let now = Timestamp::now();
    let shows = programme::create(app, &owner, now)
        .await
        .context("the demonstration events could not be made")?;
    // The events sell side by side, as they would; within one, orders come in order.
    let mut selling = tokio::task::JoinSet::new();
    for show in shows {
        let (app, owner) = (app.clone(), owner.clone());
        selling.spawn(async move { booking::sell(&app, &owner, &show, now).await });
    }
    let mut sum = booking::Sold::default();
    while let Some(sold) = selling.join_next().await {
        sum += sold.context("a demonstration task was interrupted")??;
        tracing::info!(
            orders = sum.orders,
            tickets = sum.tickets,
            "Demonstration orders so far"
        );
    }
    store
        .settle()
        .await
        .context("the demonstration was loaded, but the database could not be told")?;
    Ok(Some(format!(
        "Made {:?} with 8 events, {} orders ({} cancelled), {} tickets and {} check-ins.",
        command.name.as_str(),
        sum.orders,
        sum.cancelled,
        sum.tickets,
        sum.check_ins
    )))
}

/// A context of the owner at another time, with a request id of its own.
fn at(owner: &Cx, now: Timestamp) -> Cx {
    let Cx {
        organization_id,
        actor,
        ..
    } = owner.clone();
    let cx = Cx::at(
        organization_id,
        actor,
        Permissions::all(),
        now,
        domain::context::Entropy::System,
    );
    cx.with_client("eventos demo")
}
