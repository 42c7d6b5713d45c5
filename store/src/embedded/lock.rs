//! The lock files that let several programs share one cluster.
//!
//! - `start.lock`, exclusive: only one program at a time starts, adopts or stops the server.
//! - `users.lock`, shared: held by every program for as long as it uses the server. Whoever gets
//!   it exclusively is the last one and stops the server.
//! - `server.lock`, exclusive: inherited by the server as its standard input, and so by all of
//!   its processes. It is free exactly when none of them is left, whatever killed them, which
//!   process numbers cannot tell: those are reused, and a dead postmaster may have live children.
//!
//! The system drops all three when their holders die, so none is ever left over.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    error::{Doing, EmbeddedError},
    place::follow_owner,
};

/// How long another program's start, which may include a download, is waited for.
const PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(10);

/// A lock held until dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the exclusive lock.
    pub(super) fn exclusive(path: &Path, progress: &dyn Fn(&str)) -> Result<Self, EmbeddedError> {
        let file = open(path)?;
        let began = Instant::now();
        let mut told = false;
        while !tried(file.try_lock(), path)? {
            let waited = began.elapsed();
            if waited > PATIENCE {
                let seconds = waited.as_secs();
                return Err(EmbeddedError::Busy {
                    path: path.to_owned(),
                    seconds,
                });
            }
            if !told && waited > Duration::from_secs(1) {
                progress("Waiting for another EventOS that is starting or stopping the database");
                told = true;
            }
            thread::sleep(PAUSE);
        }
        Ok(Self(file))
    }

    /// Takes a lock that others may share. It is held exclusively only by a program that is
    /// leaving and so holds the start lock too: who holds that does not wait here.
    pub(super) fn shared(path: &Path) -> Result<Self, EmbeddedError> {
        let file = open(path)?;
        file.lock_shared().doing("lock", path)?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do, were it not for a child that another thread is just starting: until it
        // executes its program it holds a copy of every open file. Failing leaves us to closing.
        let _ = self.0.unlock();
    }
}

/// The lock as an open file to hand to a child, or nothing while somebody holds it.
pub(super) fn try_exclusive(path: &Path) -> Result<Option<File>, EmbeddedError> {
    let file = open(path)?;
    Ok(tried(file.try_lock(), path)?.then_some(file))
}

fn tried(outcome: Result<(), TryLockError>, path: &Path) -> Result<bool, EmbeddedError> {
    match outcome {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(source).doing("lock", path),
    }
}

fn open(path: &Path) -> Result<File, EmbeddedError> {
    let mut options = OpenOptions::new();
    options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600);
    let file = options.open(path).map_err(|source| refused(path, source))?;
    follow_owner(path).doing("change the owner of", path)?;
    Ok(file)
}

/// A lock file that may not be opened is almost always one that another account made.
fn refused(path: &Path, source: io::Error) -> EmbeddedError {
    use std::os::unix::fs::MetadataExt;
    let owner = [path, path.parent().unwrap_or(path)]
        .into_iter()
        .find_map(|path| Some((path, path.symlink_metadata().ok()?.uid())));
    match owner {
        Some((path, uid)) if source.kind() == io::ErrorKind::PermissionDenied => {
            EmbeddedError::BelongsToAnother {
                path: path.to_owned(),
                owner: uid.to_string(),
            }
        }
        _ => EmbeddedError::Io {
            doing: "open",
            path: path.to_owned(),
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_lock_is_had_only_when_no_shared_one_is_left() {
        let path = std::env::temp_dir().join(format!("eventos-lock-test-{}", std::process::id()));
        let one = Lock::shared(&path).expect("nobody else uses it");
        let two = Lock::shared(&path).expect("shared locks share");
        assert!(try_exclusive(&path).expect("trying works").is_none());
        drop(one);
        assert!(try_exclusive(&path).expect("trying works").is_none());
        drop(two);
        assert!(try_exclusive(&path).expect("trying works").is_some());
        std::fs::remove_file(&path).expect("it was there");
    }
}
