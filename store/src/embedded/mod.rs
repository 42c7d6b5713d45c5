//! The private Postgres that is started when the program is given no database.
//!
//! A real server in a directory, reached through a socket that only its owner can get to; nothing
//! listens on the network. Every program that opens the same directory shares one server: the
//! first starts it, the last to leave stops it. A program that is killed leaves the server running
//! for the next one to adopt. What the database holds is no business of this module.
//!
//! Everything here blocks; asynchronous callers use a thread for blocking work. It runs on Linux
//! and macOS; on Windows, there has to be a `DATABASE_URL` or WSL.
//!
//! ```text
//! <data_dir>/postgres/            or what <data_dir>/postgres.elsewhere names
//!     cluster/                    Postgres's own directory
//!     run/                        its socket, unless the path is too long for one
//!     server.log                  what it says
//!     binaries/                   Postgres itself, if it had to be fetched
//!     start.lock users.lock server.lock
//! ```

mod account;
mod binaries;
mod error;
mod fetch;
mod initdb;
mod lock;
mod place;
mod postmaster;
mod server;
mod socket;
mod surroundings;

use std::{
    fmt::Write,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use self::{lock::Lock, place::Place, server::Running};

pub use self::{binaries::Version, error::EmbeddedError, surroundings::Surroundings};

/// The role that owns the cluster. It is a superuser, whom row-level security does not bind.
pub const OWNER: &str = "eventos_owner";

/// The number in the socket's name. There is no port of the network.
pub const PORT: u16 = 5432;

/// How much a commit promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// What is committed survives a power cut.
    #[default]
    Durable,
    /// What is committed survives a crash of the program or of Postgres, but not of the machine. For
    /// tests.
    Throwaway,
}

/// What kind of server is wanted, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of all data; the database gets a folder in it.
    pub data_dir: PathBuf,
    /// How much a commit promises. A server that runs already keeps what it was started with.
    pub durability: Durability,
    /// The folder of Postgres's programs, if they are not to be looked for.
    pub binaries: Option<PathBuf>,
    /// How many sessions there may be at once. A server that runs already keeps its number.
    pub max_connections: u32,
    /// The machine around: [`Surroundings::of_this_process`] outside tests.
    pub surroundings: Surroundings,
}

impl Options {
    /// A durable server of 100 sessions, from whatever binaries are found.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            durability: Durability::Durable,
            binaries: None,
            max_connections: 100,
            surroundings: Surroundings::of_this_process(),
        }
    }
}

/// What [`Cluster::ensure_running`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revival {
    /// The server was running and takes connections.
    WasRunning,
    /// The server was gone and there is another now; connections to the old one are dead.
    Restarted,
}

/// A share in a running server. The last one dropped, of all programs that hold one, stops it.
#[derive(Debug)]
pub struct Cluster {
    options: Options,
    place: Place,
    running: Mutex<Running>,
    /// Nothing after leaving.
    users: Option<Lock>,
}

impl Cluster {
    /// Opens the cluster in the data directory: makes it if there is none, and starts the server
    /// unless it runs. `progress` is told, in sentences for a person, what may take a while.
    pub fn open(options: &Options, progress: &dyn Fn(&str)) -> Result<Self, EmbeddedError> {
        let place = Place::settle(&options.data_dir, &options.surroundings, progress)?;
        let _start = Lock::exclusive(&place.start_lock(), progress)?;
        // Before the server is there, lest somebody leaving take it away between.
        let users = Some(Lock::shared(&place.users_lock())?);
        let running = Mutex::new(server::bring_up(&place, options, progress)?);
        Ok(Self {
            options: options.clone(),
            place,
            running,
            users,
        })
    }

    /// The address of a database in this cluster, for the owner role.
    pub fn url(&self, database: &str) -> String {
        let socket_dir = self.running().postmaster.socket_dir.clone();
        let host = percent_encoded(socket_dir.as_os_str().as_bytes());
        // Whatever is left out here, a client takes from the environment (`PGPORT`, `PGSSLMODE`), where it is meant
        // for another server.
        format!(
            "postgres://{OWNER}@{host}:{PORT}/{}?sslmode=disable",
            percent_encoded(database.as_bytes())
        )
    }

    /// The directory of the server's socket: what clients such as `pg_dump` take as its host.
    pub fn socket_dir(&self) -> PathBuf {
        self.running().postmaster.socket_dir.clone()
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.running().binaries.version
    }

    /// The folder of the server's programs, such as `pg_dump`.
    pub fn binaries(&self) -> PathBuf {
        self.running().binaries.folder.clone()
    }

    /// The server's main process, as long as it is alive.
    pub fn postmaster_pid(&self) -> Option<i32> {
        let postmaster = self.running().postmaster.clone();
        postmaster
            .is_alive(&self.place.cluster())
            .then_some(postmaster.pid)
    }

    /// The directory with the cluster, its log and its locks.
    pub fn directory(&self) -> &Path {
        self.place.home()
    }

    /// Sees to it that the server runs, and starts it again if it is gone. What was committed is
    /// there again; sessions are not.
    pub fn ensure_running(&self) -> Result<Revival, EmbeddedError> {
        let before = self.running().postmaster.clone();
        if before.is_alive(&self.place.cluster()) && before.accepts() {
            return Ok(Revival::WasRunning);
        }
        let progress = |step: &str| tracing::info!("{step}");
        let _start = Lock::exclusive(&self.place.start_lock(), &progress)?;
        let found = server::bring_up(&self.place, &self.options, &progress)?;
        let same = found.postmaster.pid == before.pid;
        *self.running() = found;
        Ok(if same {
            Revival::WasRunning
        } else {
            Revival::Restarted
        })
    }

    /// Gives up this share, and stops the server if it was the last one. Dropping does the same,
    /// but can only log what goes wrong.
    pub fn close(mut self) -> Result<(), EmbeddedError> {
        self.leave()
    }

    fn leave(&mut self) -> Result<(), EmbeddedError> {
        let Some(users) = self.users.take() else {
            return Ok(());
        };
        let progress = |step: &str| tracing::info!("{step}");
        let _start = Lock::exclusive(&self.place.start_lock(), &progress)?;
        drop(users);
        // Held until the server is gone, so that nobody counts on it meanwhile.
        match lock::try_exclusive(&self.place.users_lock())? {
            Some(_last) => server::stop(&self.place),
            None => Ok(()),
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // Only whole values are ever put in, so a panic elsewhere spoils nothing.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "left PostgreSQL running"
            );
        }
    }
}

fn percent_encoded(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len()), |mut text, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                text.push(char::from(*byte));
            } else {
                write!(text, "%{byte:02X}").expect("writing to a string cannot fail");
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_escapes_what_would_end_its_parts() {
        assert_eq!(percent_encoded(b"/tmp/a b"), "%2Ftmp%2Fa%20b");
        assert_eq!(percent_encoded("zoë-1".as_bytes()), "zo%C3%AB-1");
    }
}
