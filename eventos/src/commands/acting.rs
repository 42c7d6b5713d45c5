//! Commands that act as the organization's first owner, and how they write down times and refusals.

use std::{fmt::Display, process::ExitCode};

use anyhow::Result;
use domain::{Actor, Cx, Fault, Timestamp, Zone, fault::Failure};
use operations::{Operation, RunError, organizations::GetContext, permission::Role};
use serde::Serialize;

use super::{Opened, Organization};
use crate::{config::Config, home::Home};

/// EventOS as the person at the keyboard uses it.
pub(super) struct Acting {
    pub(super) opened: Opened,
    pub(super) home: Home,
    pub(super) cx: Cx,
    /// The organization's zone, in which times are shown.
    pub(super) zone: Zone,
}

impl Acting {
    pub(super) async fn begin(
        config: &Config,
        organization: &Organization,
        client: &str,
    ) -> Result<Self> {
        let opened = Opened::new(config).await?;
        let home = opened.home(config, organization).await?;
        let owner = Actor::Member {
            user_id: home.owner_id,
        };
        let cx =
            Cx::new(home.organization_id, owner, Role::Owner.permissions()).with_client(client);
        let zone = opened.app.run(&cx, GetContext {}).await?.organization.zone;
        Ok(Self {
            opened,
            home,
            cx,
            zone,
        })
    }

    pub(super) async fn run<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, RunError<O::Error>> {
        self.opened.app.run(&self.cx, operation).await
    }

    pub(super) async fn end(self) -> Result<()> {
        self.opened.database.close().await
    }

    /// `Mon 11 Jan 2027, 10:00`, as the clock in the organization's zone shows it.
    pub(super) fn local(&self, at: Timestamp) -> String {
        at.in_zone(&self.zone).readable()
    }
}

/// Says how an operation refused, and what to do; the command fails.
pub(super) fn refused<E: Fault>(error: &RunError<E>) -> ExitCode {
    let failure = Failure::of(error);
    eprintln!("{}", failure.message);
    if !failure.next.is_empty() {
        eprintln!("{}", failure.next);
    }
    ExitCode::FAILURE
}

/// Prints an answer as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// `  name     value` in one column.
pub(super) fn field(name: &str, value: impl Display) {
    println!("  {name:<11} {value}");
}
