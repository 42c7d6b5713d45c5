//! The organization the program works for, and the key it seals things with.

use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use domain::{OrganizationId, UserId, Zone, context::Entropy};
use operations::{
    App,
    organizations::{FoundOrganization, find_organization, found_organization},
};

use crate::config::Config;

/// An organization and the member the local program acts for.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// Its slug.
    pub(crate) slug: String,
    /// Its first owner.
    pub(crate) owner_id: UserId,
}

/// Founds the first organization when there is none at all; returns whether it did.
pub(crate) async fn found_first(app: &App, config: &Config) -> Result<bool> {
    if !find_organization(app, None).await?.is_empty() {
        return Ok(false);
    }
    let defaults = &config.organization;
    let command = FoundOrganization {
        name: defaults
            .name
            .parse()
            .context("organization.name does not fit")?,
        slug: defaults.slug.clone(),
        currency: defaults.currency,
        zone: defaults.zone.clone().unwrap_or_else(machine_zone),
        owner_email: defaults.owner_email.clone(),
        owner_name: defaults
            .owner_name
            .parse()
            .context("organization.owner_name does not fit")?,
    };
    Ok(found_organization(app, &command).await?.is_some())
}

/// The organization commands work on: the one named, else the configured one, else the only one.
pub(crate) async fn choose(app: &App, config: &Config, wanted: Option<&str>) -> Result<Home> {
    let mut all = find_organization(app, wanted).await?;
    if wanted.is_none() && all.len() > 1 {
        let configured = find_organization(app, Some(&config.organization.slug)).await?;
        if !configured.is_empty() {
            all = configured;
        }
    }
    let [(organization_id, slug, owner_id)] = all.as_slice() else {
        let slugs: Vec<&str> = all.iter().map(|(_, slug, _)| slug.as_str()).collect();
        match wanted {
            Some(wanted) => bail!("there is no organization {wanted:?}"),
            None if all.is_empty() => {
                bail!("there is no organization yet; start `eventos serve` once")
            }
            None => bail!(
                "there are several organizations ({}); choose one with --organization",
                slugs.join(", ")
            ),
        }
    };
    Ok(Home {
        organization_id: *organization_id,
        slug: slug.clone(),
        owner_id: *owner_id,
    })
}

/// The zone the machine is set to, or UTC.
fn machine_zone() -> Zone {
    let system = jiff::tz::TimeZone::system();
    system
        .iana_name()
        .and_then(|name| name.parse().ok())
        .unwrap_or_else(Zone::utc)
}

/// The key that seals confirmations, made on first use and kept readable for its owner only. Programs that share a
/// data directory share it, so a confirmation survives a restart.
pub(crate) fn sealing_key(data_dir: &Path) -> Result<[u8; 32]> {
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("cannot make {}", data_dir.display()))?;
    let path = data_dir.join("sealing.key");
    let mut fresh = [0; 32];
    Entropy::System.fill(&mut fresh);
    // Written under a name of its own, then linked: two programs starting at once agree on the first.
    let own = data_dir.join(format!("sealing.key.{}", std::process::id()));
    // What a program of the same number left behind is in the way; what it is does not matter.
    let _ = std::fs::remove_file(&own);
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&own);
    written
        .and_then(|mut file| file.write_all(&fresh))
        .with_context(|| format!("cannot write {}", own.display()))?;
    let linked = std::fs::hard_link(&own, &path);
    std::fs::remove_file(&own).with_context(|| format!("cannot remove {}", own.display()))?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot write {}", path.display()))
        }
        _ => {
            let bytes =
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            bytes.try_into().ok().with_context(|| {
                format!("{} is damaged; remove it to get a new key", path.display())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_stays_the_same_and_follows_no_link() {
        let folder = std::env::temp_dir().join(format!("eventos-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let elsewhere = folder.join("elsewhere");
        std::fs::write(&elsewhere, "precious").unwrap();
        let own = folder.join(format!("sealing.key.{}", std::process::id()));
        std::os::unix::fs::symlink(&elsewhere, &own).unwrap();
        let first = sealing_key(&folder).unwrap();
        assert_eq!(sealing_key(&folder).unwrap(), first);
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "precious");
        assert!(own.symlink_metadata().is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
