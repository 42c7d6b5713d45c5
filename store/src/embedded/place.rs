//! Where everything of one cluster lies, and the search for a place that the account Postgres
//! runs as can get to. Directories that exist already are checked, never changed.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use sha2::{Digest, Sha256};

use super::{
    account::Account,
    error::{Doing, EmbeddedError},
    surroundings::Surroundings,
};

/// The directory of one cluster and the account that owns it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    home: PathBuf,
    pub(super) account: Account,
}

impl Place {
    /// Finds the place that belongs to `data_dir`, making it when there is none.
    pub(super) fn settle(
        data_dir: &Path,
        surroundings: &Surroundings,
        progress: &dyn Fn(&str),
    ) -> Result<Self, EmbeddedError> {
        let made = !data_dir.exists();
        if made {
            fs::create_dir_all(data_dir).doing("create the data directory", data_dir)?;
        }
        let data_dir = data_dir.canonicalize().doing("find", data_dir)?;
        let here = data_dir.join("postgres");
        let note = data_dir.join("postgres.elsewhere");

        if let Some(elsewhere) = read_note(&note)? {
            return Self::existing(&elsewhere, surroundings);
        }
        if here.is_dir() {
            return Self::existing(&here, surroundings);
        }
        let account = Account::choose(surroundings)?;
        if made && account.is_person() {
            account.give(&data_dir)?;
        }
        let Some(closed) = account.kept_out_at(&data_dir) else {
            return Self::make(here, account);
        };
        let (elsewhere, earlier) = elsewhere(&data_dir, surroundings)?;
        if account.kept_out_at(&elsewhere).is_some() {
            return Err(EmbeddedError::Unreachable {
                account: account.name().to_owned(),
                closed,
            });
        }
        if !write_note(&note, &elsewhere)? {
            // Another program was faster.
            fs::remove_dir(&elsewhere).doing("remove", &elsewhere)?;
            return Self::settle(&data_dir, surroundings, progress);
        }
        progress(&format!(
            "The database is kept in {}, because the account {} may not enter {}",
            elsewhere.display(),
            account.name(),
            closed.display()
        ));
        if let Some(earlier) = earlier {
            progress(&format!(
                "{} is left of a data directory that had the same path; remove it, or name it in {} to have it back",
                earlier.display(),
                note.display()
            ));
        }
        Self::make(elsewhere, account)
    }

    fn make(home: PathBuf, account: Account) -> Result<Self, EmbeddedError> {
        // A service account only passes through: what is around its cluster stays root's, so that
        // nobody else who runs as `nobody` can move files under root's feet.
        let through = account.is_other() && !account.is_person();
        if make_dir(&home, if through { 0o711 } else { 0o700 })? && account.is_person() {
            account.give(&home)?;
        }
        Ok(Self { home, account })
    }

    fn existing(home: &Path, surroundings: &Surroundings) -> Result<Self, EmbeddedError> {
        let cluster = home.join("cluster");
        let owner = fs::symlink_metadata(home).doing("look at", home)?.uid();
        let account = if cluster.symlink_metadata().is_ok() {
            Account::owner_of(&cluster, surroundings)?
        } else if owner == 0 && geteuid().is_root() {
            Account::choose(surroundings)?
        } else {
            Account::owner_of(home, surroundings)?
        };
        if owner != geteuid().as_raw() && owner != account.uid() {
            return Err(EmbeddedError::BelongsToAnother {
                path: home.to_owned(),
                owner: owner.to_string(),
            });
        }
        Ok(Self {
            home: home.to_owned(),
            account,
        })
    }

    /// The directory around the cluster.
    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// Postgres's own data directory.
    pub(super) fn cluster(&self) -> PathBuf {
        self.home.join("cluster")
    }

    pub(super) fn start_lock(&self) -> PathBuf {
        self.home.join("start.lock")
    }

    pub(super) fn users_lock(&self) -> PathBuf {
        self.home.join("users.lock")
    }

    pub(super) fn server_lock(&self) -> PathBuf {
        self.home.join("server.lock")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("server.log")
    }

    /// Binaries that were fetched.
    pub(super) fn binaries(&self) -> PathBuf {
        self.home.join("binaries")
    }

    /// Fails when the account cannot walk to its cluster, which Postgres would only call
    /// "permission denied".
    pub(super) fn check_reachable(&self) -> Result<(), EmbeddedError> {
        match self.account.kept_out_at(&self.home) {
            None => Ok(()),
            Some(closed) => Err(EmbeddedError::Unreachable {
                account: self.account.name().to_owned(),
                closed,
            }),
        }
    }
}

/// A short name for a path, the same on every run.
pub(super) fn short_name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    hex::encode(&Sha256::digest(path.as_os_str().as_bytes())[..8])
}

/// Makes a directory with exactly this mode, and says whether it was made.
pub(super) fn make_dir(path: &Path, mode: u32) -> Result<bool, EmbeddedError> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            // The umask may have taken some of it away.
            fs::set_permissions(path, Permissions::from_mode(mode))
                .doing("set the mode of", path)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
        Err(error) => Err(error).doing("create the directory", path),
    }
}

/// Makes a file in the home belong to whoever owns the home, so that what root made there today
/// can be opened tomorrow by the person who was root with sudo.
pub(super) fn follow_owner(path: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let (folder, file) = (fs::symlink_metadata(folder)?, fs::symlink_metadata(path)?);
    if folder.uid() == file.uid() {
        return Ok(());
    }
    lchown(path, Some(folder.uid()), Some(folder.gid()))
}

/// A new directory of root's own that everyone may walk to, and the last one that was made for the same path: a data
/// directory that was removed and made again is empty, whatever was in it before.
fn elsewhere(
    data_dir: &Path,
    surroundings: &Surroundings,
) -> Result<(PathBuf, Option<PathBuf>), EmbeddedError> {
    let parent = surroundings.well_known("var/lib");
    fs::create_dir_all(&parent).doing("create the directory", &parent)?;
    let shared = parent.join("eventos");
    make_dir(&shared, 0o755)?;
    let shared = shared.canonicalize().doing("find", &shared)?;
    let owner = fs::symlink_metadata(&shared)
        .doing("look at", &shared)?
        .uid();
    if owner != geteuid().as_raw() {
        return Err(EmbeddedError::BelongsToAnother {
            path: shared,
            owner: owner.to_string(),
        });
    }
    let name = short_name(data_dir);
    let mut earlier = None;
    let mut folder = shared.join(&name);
    for number in 2.. {
        if make_dir(&folder, 0o711)? {
            break;
        }
        let next = shared.join(format!("{name}-{number}"));
        earlier = Some(std::mem::replace(&mut folder, next));
    }
    Ok((folder, earlier))
}

fn read_note(note: &Path) -> Result<Option<PathBuf>, EmbeddedError> {
    let text = match fs::read_to_string(note) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing("read", note),
    };
    let path = PathBuf::from(text.lines().next().unwrap_or_default());
    let astray = |reason: &str| {
        let (note, path) = (note.to_owned(), path.clone());
        Err(EmbeddedError::Astray {
            note,
            path,
            reason: reason.to_owned(),
        })
    };
    // Root believes no note that somebody else could have written.
    let writer = fs::symlink_metadata(note).doing("look at", note)?.uid();
    if geteuid().is_root() && writer != 0 {
        return astray("the note was not written by root");
    }
    if !path.is_absolute() || !path.is_dir() {
        return astray("there is no such directory");
    }
    Ok(Some(path))
}

/// Writes the note, unless another program wrote it in the meantime; whether it did.
fn write_note(note: &Path, elsewhere: &Path) -> Result<bool, EmbeddedError> {
    let text = format!(
        "{}\nEventOS keeps its database there, where the account that runs PostgreSQL can get to.\n",
        elsewhere.display()
    );
    // Under another name first: another program may be reading it.
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let draft = note.with_extension(format!("elsewhere.{process}.{thread:?}"));
    fs::write(&draft, text).doing("write", &draft)?;
    let linked = fs::hard_link(&draft, note);
    fs::remove_file(&draft).doing("remove", &draft)?;
    match linked {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).doing("write", note),
    }
}
