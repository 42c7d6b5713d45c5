//! The workflows that ship with the program, and bringing them to every organization.

use domain::{Actor, Cx, OrganizationId, fault::Failure};
use operations::{
    App, RunError,
    organizations::organizations_behind,
    permission::Role,
    workflows::{LibraryWorkflow, SyncLibrary},
};
use store::StoreError;

macro_rules! library {
    ($($name:literal $on:literal)+) => {
        /// Each with its definition, and whether it is on from the start: only those that tell people what they
        /// asked for, or the team what it should know.
        const LIBRARY: &[(&str, &str, bool)] = &[$((
            $name,
            include_str!(concat!("../library/", $name, ".yaml")),
            $on,
        )),+];
    };
}

library! {
    "abandoned-checkout" false
    "data-retention" false
    "door-briefing" false
    "event-cancelled" false
    "event-changed" false
    "event-reminder-24h" false
    "event-reminder-2h" false
    "failed-mail-digest" true
    "launch-announcement" false
    "low-sales-alert" true
    "no-show-follow-up" false
    "order-confirmation" true
    "payment-reconciliation" true
    "payment-reminder" false
    "price-tier-notice" true
    "reconciliation" true
    "settlement-statement" false
    "sold-out-alert" true
    "speaker-follow-up" false
    "thank-you-survey" false
    "waitlist-offers" true
    "weekly-sales-report" false
}

/// The library, as `sync_library` takes it.
pub fn library() -> Vec<LibraryWorkflow> {
    let workflow = |(name, source, on): &(&str, &str, bool)| LibraryWorkflow {
        name: (*name).to_owned(),
        source: (*source).to_owned(),
        enabled_by_default: *on,
    };
    LIBRARY.iter().map(workflow).collect()
}

/// Brings the library to every organization. Called when a server starts.
pub async fn sync(app: &App) -> Result<(), SyncError> {
    let mut last = None;
    loop {
        let page = organizations_behind(app, last).await?;
        for (organization_id, slug) in &page {
            bring(app, *organization_id, slug).await?;
        }
        match page.last() {
            Some((organization_id, _)) => last = Some(*organization_id),
            None => return Ok(()),
        }
    }
}

async fn bring(app: &App, organization_id: OrganizationId, slug: &str) -> Result<(), SyncError> {
    let actor = Actor::System {
        reason: "workflow library",
    };
    let cx = Cx::new(organization_id, actor, Role::Manager.permissions());
    let command = SyncLibrary {
        workflows: library(),
    };
    let done = app.run(&cx, command).await.map_err(|error| match &error {
        RunError::Operation(fault) => SyncError::Refused(Failure::of(fault).message),
        other => SyncError::Refused(Failure::of(other).message),
    })?;
    if !done.added.is_empty() || !done.updated.is_empty() {
        tracing::info!(
            organization.slug = slug,
            added = done.added.len(),
            updated = done.updated.len(),
            "The workflow library is up to date"
        );
    }
    Ok(())
}

/// Why the library could not be brought to an organization.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition was refused.
    #[error("the workflow library was refused: {0}")]
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use operations::workflows::Definition;

    #[test]
    fn every_workflow_of_the_library_is_right_and_named_like_its_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, LIBRARY.len(), "a file is not listed");
        for (name, source, _) in LIBRARY {
            let definition = Definition::parse(source).unwrap_or_else(|problems| {
                let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
                panic!("{name}:\n{}", problems.join("\n"))
            });
            assert_eq!(definition.name(), *name);
        }
    }
}
