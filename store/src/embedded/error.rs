//! What can go wrong with the private Postgres, each as a sentence for the person at the
//! keyboard: what happened, and what to do next.

use std::{io, path::PathBuf};

/// Why the private Postgres could not be opened or closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// Nothing usable is installed, and fetching did not work either.
    #[error(
        "EventOS needs PostgreSQL 15 or later and found none it can use.\n{looked}\
         Do one of these and start again:\n  \
         macOS            brew install postgresql@18\n  \
         Debian, Ubuntu   apt install postgresql\n  \
         Fedora           dnf install postgresql-server postgresql-contrib\n  \
         anywhere         set DATABASE_URL to a PostgreSQL 15 or later that already runs"
    )]
    NoBinaries {
        /// What was tried, one line each.
        looked: String,
    },

    /// The folder of binaries that was asked for cannot be used.
    #[error(
        "The PostgreSQL binaries in {} cannot be used: {reason}. Point EVENTOS_PG_BIN at a folder \
         that holds `initdb` and `postgres` of version 15 or later, or unset it to have one found.",
        path.display()
    )]
    BinariesUnusable {
        /// The folder that was asked for.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// The data were written by another major version than any at hand.
    #[error(
        "The database in {} was made by PostgreSQL {needed}, and only {found} is at hand. Install \
         PostgreSQL {needed} (Debian, Ubuntu: apt install postgresql-{needed}; macOS: brew install \
         postgresql@{needed}) or point EVENTOS_PG_BIN at its binaries. To move to another version, \
         dump with pg_dumpall of {needed}, move the directory away, start EventOS once, and \
         restore with psql.",
        cluster.display()
    )]
    OtherMajor {
        /// The data directory.
        cluster: PathBuf,
        /// The major version that wrote it.
        needed: u32,
        /// What is installed instead.
        found: String,
    },

    /// The data were written by a version older than the oldest supported.
    #[error(
        "The database in {} was made by PostgreSQL {major}; EventOS needs 15 or later. Dump it \
         with pg_dumpall of {major}, move the directory away, start EventOS once, and restore the \
         dump with psql.",
        cluster.display()
    )]
    TooOld {
        /// The data directory.
        cluster: PathBuf,
        /// The major version that wrote it.
        major: u32,
    },

    /// The directory is somebody else's.
    #[error(
        "{} belongs to the account {owner}, not to the one EventOS runs as. Run EventOS as {owner}, \
         or give it another data directory.",
        path.display()
    )]
    BelongsToAnother {
        /// The directory or file.
        path: PathBuf,
        /// The account that owns it.
        owner: String,
    },

    /// Postgres refuses to run as root, and there is no other account.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither a `postgres` nor a `nobody` \
         account to run it as. Create one (useradd --system postgres), run EventOS as an ordinary \
         user, or set DATABASE_URL."
    )]
    NoAccount,

    /// The account Postgres runs as cannot get to its files.
    #[error(
        "PostgreSQL runs as the account {account}, which may not enter {}. Let it in \
         (chmod o+x), or give EventOS a data directory elsewhere.",
        closed.display()
    )]
    Unreachable {
        /// The account Postgres runs as.
        account: String,
        /// The directory that keeps it out.
        closed: PathBuf,
    },

    /// There are files where the database should be, and they are no database.
    #[error(
        "{} holds files that are not a complete PostgreSQL database, so EventOS leaves it alone. \
         Restore it from a backup, or move it away to begin with an empty database.",
        path.display()
    )]
    NotACluster {
        /// The directory.
        path: PathBuf,
    },

    /// The note that leads to the data leads nowhere.
    #[error(
        "{} says that the database is kept in {}, which cannot be used: {reason}. Bring it back, \
         or delete the note to begin with an empty database.",
        note.display(),
        path.display()
    )]
    Astray {
        /// The file that names the place.
        note: PathBuf,
        /// The place it names.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },

    /// `initdb` failed.
    #[error("PostgreSQL could not create a database in {}. Its last words:\n{output}", path.display())]
    Initdb {
        /// Where the database was to be.
        path: PathBuf,
        /// The end of what it printed.
        output: String,
    },

    /// The server ended while starting.
    #[error(
        "PostgreSQL ended while starting ({status}). The last lines of its log, {}:\n{tail}",
        log.display()
    )]
    DidNotStart {
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },

    /// The server is there and does not do what it should.
    #[error(
        "PostgreSQL {what} for {seconds} s and is left to itself: a large database may need longer, \
         so try again in a while. {advice} The last lines of its log, {}:\n{tail}",
        log.display()
    )]
    NotReady {
        /// What it has been doing.
        what: &'static str,
        /// For how long that was watched.
        seconds: u64,
        /// How to end it.
        advice: String,
        /// Its log.
        log: PathBuf,
        /// The end of the log.
        tail: String,
    },

    /// Another program holds the start lock.
    #[error(
        "Another EventOS has been starting or stopping the database for {seconds} s (it holds {}). \
         Wait for it, or end it.",
        path.display()
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },

    /// No directory is fit for the socket.
    #[error(
        "There is no private place for PostgreSQL's socket:\n{tried}Give EventOS a data directory with a shorter path."
    )]
    NoSocketDir {
        /// Each directory with what is wrong with it, one line each.
        tried: String,
    },

    /// The system refused something.
    #[error("EventOS could not {doing} {}.", path.display())]
    Io {
        /// What was being done, as in "could not ...".
        doing: &'static str,
        /// To which file or program.
        path: PathBuf,
        /// The system's own words.
        source: io::Error,
    },
}

/// Says what was being done when the system refused.
pub(super) trait Doing<T> {
    fn doing(self, what: &'static str, path: impl Into<PathBuf>) -> Result<T, EmbeddedError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, doing: &'static str, path: impl Into<PathBuf>) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io {
            doing,
            path: path.into(),
            source,
        })
    }
}
