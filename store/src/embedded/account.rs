//! Whom Postgres runs as. It refuses root, so root hands it to somebody else; everyone else
//! runs it as themselves.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, lchown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use super::{
    error::{Doing, EmbeddedError},
    surroundings::Surroundings,
};

/// The account the server runs as and owns its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
    name: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The one this program runs as already.
    Ours,
    /// The person behind sudo, who will want to use the data without it.
    Person,
    /// An account for services, which should own no more than it must.
    Service,
}

impl Account {
    /// Chooses the account for a new cluster.
    pub(super) fn choose(surroundings: &Surroundings) -> Result<Self, EmbeddedError> {
        let own = geteuid().as_raw();
        if own != 0 {
            return Ok(Self::ours(own));
        }
        if let Some(uid) = surroundings.sudo_uid.filter(|uid| *uid != 0)
            && let Some(person) = Self::look_up(surroundings, &uid.to_string(), Kind::Person)
        {
            return Ok(person);
        }
        ["postgres", "_postgres", "nobody"]
            .into_iter()
            .find_map(|name| Self::look_up(surroundings, name, Kind::Service))
            .ok_or(EmbeddedError::NoAccount)
    }

    /// The owner of a cluster that exists: Postgres will not run it as anyone else.
    pub(super) fn owner_of(
        cluster: &Path,
        surroundings: &Surroundings,
    ) -> Result<Self, EmbeddedError> {
        let metadata = fs::symlink_metadata(cluster).doing("look at", cluster)?;
        let (own, owner) = (geteuid().as_raw(), metadata.uid());
        if own == owner && own != 0 {
            return Ok(Self::ours(own));
        }
        let kind = if surroundings.sudo_uid == Some(owner) {
            Kind::Person
        } else {
            Kind::Service
        };
        let account = Self::look_up(surroundings, &owner.to_string(), kind).unwrap_or(Self {
            uid: owner,
            gid: metadata.gid(),
            name: owner.to_string(),
            kind,
        });
        if own != 0 || owner == 0 {
            return Err(EmbeddedError::BelongsToAnother {
                path: cluster.to_owned(),
                owner: account.name,
            });
        }
        Ok(account)
    }

    /// Asks the system's `id`, which knows accounts from every source the machine uses.
    fn look_up(surroundings: &Surroundings, who: &str, kind: Kind) -> Option<Self> {
        let id = surroundings.programs("id").into_iter().next()?;
        let ask = |what: &str| {
            let answer = Command::new(&id).args([what, who]).output().ok()?;
            let text = String::from_utf8(answer.stdout).ok()?;
            answer.status.success().then(|| text.trim().to_owned())
        };
        let (uid, gid) = (ask("-u")?.parse().ok()?, ask("-g")?.parse().ok()?);
        Some(Self {
            uid,
            gid,
            name: ask("-un")?,
            kind,
        })
    }

    fn ours(uid: u32) -> Self {
        let gid = rustix::process::getegid().as_raw();
        Self {
            uid,
            gid,
            name: uid.to_string(),
            kind: Kind::Ours,
        }
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether running a program as this account means becoming somebody else.
    pub(super) fn is_other(&self) -> bool {
        self.kind != Kind::Ours
    }

    /// Whether the account should own the folder around the cluster too, and not only the cluster.
    pub(super) fn is_person(&self) -> bool {
        self.kind == Kind::Person
    }

    /// A command to be run as this account. It inherits nothing but the way to programs: `PG*`
    /// variables would redirect Postgres, a locale would change it, and the secrets in this program's
    /// environment are none of its business.
    pub(super) fn command(&self, program: &Path, surroundings: &Surroundings) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .current_dir("/");
        if let Some(search_path) = &surroundings.search_path {
            command.env("PATH", search_path);
        }
        if self.is_other() {
            // Setting the user also drops root's supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Makes a file or directory this program has just created the account's own.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        if self.is_other() {
            lchown(path, Some(self.uid), Some(self.gid)).doing("change the owner of", path)?;
        }
        Ok(())
    }

    /// The first directory on the way to `folder`, itself included, that the account may not
    /// enter.
    pub(super) fn kept_out_at(&self, folder: &Path) -> Option<PathBuf> {
        if !self.is_other() {
            return None;
        }
        let mut way: Vec<&Path> = folder.ancestors().collect();
        way.reverse();
        way.into_iter()
            .find(|step| !self.may_enter(step))
            .map(Path::to_owned)
    }

    fn may_enter(&self, folder: &Path) -> bool {
        let Ok(metadata) = fs::metadata(folder) else {
            return false;
        };
        let bit = if metadata.uid() == self.uid {
            0o100
        } else if metadata.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        metadata.mode() & bit != 0
    }
}
