//! What can go wrong between a query and its rows, in the product's words.

use domain::{Facts, Fault, FaultKind, FaultSpec};

/// A failure of the store. The database's own words stay in `source`, for the log.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL cannot be reached, is starting or stopping, or has no free connection.
    #[error("the database is not available right now")]
    Unavailable(#[source] sqlx::Error),
    /// Another transaction was in the way (deadlock, serialization, lock timeout).
    #[error("someone else changed the same thing at the same moment")]
    Contended(#[source] sqlx::Error),
    /// The connection was lost while committing: the database may have done it or not.
    #[error("the connection to the database was lost while saving")]
    CommitUnknown(#[source] sqlx::Error),
    /// A statement ran longer than allowed.
    #[error("the request took too long and was stopped")]
    TooSlow(#[source] sqlx::Error),
    /// A write in a context that may only read.
    #[error("this connection may only read")]
    ReadOnly,
    /// The caller went away before the commit; nothing was kept.
    #[error("the request was cancelled before anything was saved")]
    Cancelled,
    /// What would be recorded is not what was confirmed; nothing was kept.
    #[error("what this would do has changed since it was shown")]
    PreviewChanged,
    /// A concurrent request with the same idempotency key committed first; its answer is the answer.
    #[error("a request with the same idempotency key has just finished")]
    AlreadyDone,
    /// A step of a run was to be written by a worker that no longer holds the run; nothing was kept.
    #[error("another worker has taken this run over, or it was stopped")]
    Fenced,
    /// An operation within a larger set wanted a second transaction beside the one that it was lent.
    #[error("this cannot be done together with other things")]
    JointBusy,
    /// An earlier operation of a larger set refused, so nothing of it may be kept.
    #[error("something that belongs to this was refused before")]
    JointEnded,
    /// A defect: a query or a row that does not fit the schema.
    #[error("the database refused a statement")]
    Internal(#[source] sqlx::Error),
}

const UNAVAILABLE: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "database_unavailable",
    "Try again in a few seconds; nothing was saved.",
);
const CONTENDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "contended",
    "Nothing was saved; send the same request again.",
);
const COMMIT_UNKNOWN: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "commit_unknown",
    "It is not known whether it was saved: repeat it under the same idempotency_key, or look first.",
);
const TOO_SLOW: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "too_slow",
    "Nothing was saved; ask for less at once, or try again later.",
);
const READ_ONLY: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "read_only",
    "Use a connection or token that is not read-only, or ask the organizer to do it.",
);
const CANCELLED: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "cancelled",
    "Send the request again if it is still wanted.",
);
const PREVIEW_CHANGED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "preview_changed",
    "Nothing was saved; call again without the confirmation, show the new preview and ask again.",
);
const ALREADY_DONE: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "already_done",
    "Send the same request again to get its answer.",
);
const FENCED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "fenced",
    "Nothing was saved; whoever holds the run now goes on.",
);
const JOINT_BUSY: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "not_together",
    "Nothing was saved; do it by itself.",
);
const JOINT_ENDED: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "refused_before",
    "Nothing was saved; mend what was refused first.",
);
const INTERNAL: FaultSpec = FaultSpec::new(
    FaultKind::Internal,
    "internal",
    "Try once more; if it stays, tell the people who run EventOS the time it happened.",
);

impl Fault for StoreError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            UNAVAILABLE,
            CONTENDED,
            COMMIT_UNKNOWN,
            TOO_SLOW,
            READ_ONLY,
            CANCELLED,
            PREVIEW_CHANGED,
            ALREADY_DONE,
            FENCED,
            JOINT_BUSY,
            JOINT_ENDED,
            INTERNAL,
        ]
    }

    fn facts(&self) -> Facts {
        let spec = match self {
            Self::Unavailable(_) => UNAVAILABLE,
            Self::Contended(_) => CONTENDED,
            Self::CommitUnknown(_) => COMMIT_UNKNOWN,
            Self::TooSlow(_) => TOO_SLOW,
            Self::ReadOnly => READ_ONLY,
            Self::Cancelled => CANCELLED,
            Self::PreviewChanged => PREVIEW_CHANGED,
            Self::AlreadyDone => ALREADY_DONE,
            Self::Fenced => FENCED,
            Self::JointBusy => JOINT_BUSY,
            Self::JointEnded => JOINT_ENDED,
            Self::Internal(_) => INTERNAL,
        };
        spec.into()
    }
}

/// `PostgreSQL`'s five-character code of an error, if it came from there.
pub(crate) fn sql_state(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// Whether the connection itself is gone, so that another one may do.
pub(crate) fn connection_died(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        // 57P01 admin_shutdown, 57P02 crash_shutdown: sent to idle connections when the server goes down.
        sqlx::Error::Database(e) => matches!(e.code().as_deref(), Some("57P01" | "57P02")),
        _ => false,
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = sql_state(&error);
        match code.as_deref() {
            Some("40001" | "40P01" | "55P03") => Self::Contended(error),
            Some("57014" | "25P03" | "25P04") => Self::TooSlow(error),
            Some("25006") => Self::ReadOnly,
            // Class 08 and 57P0x: connection trouble; 53xxx: out of connections, memory or disk.
            Some(c) if c.starts_with("08") || c.starts_with("57P") || c.starts_with("53") => {
                Self::Unavailable(error)
            }
            Some(_) => Self::Internal(error),
            None => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed => Self::Unavailable(error),
                other => Self::Internal(other),
            },
        }
    }
}

impl StoreError {
    /// What an error of the commit itself means. What the database refuses is not saved; when it falls silent, nobody
    /// knows.
    pub(crate) fn of_commit(error: sqlx::Error) -> Self {
        match Self::from(error) {
            Self::Unavailable(error) => Self::CommitUnknown(error),
            refused => refused,
        }
    }
}

/// Turns what the database refused into what it means.
pub trait ResultExt<T> {
    /// Maps the violation of one named constraint to a business fact, everything else to [`StoreError`].
    fn on_constraint<E: From<StoreError>>(
        self,
        name: &str,
        fact: impl FnOnce() -> E,
    ) -> Result<T, E>;
}

impl<T> ResultExt<T> for Result<T, sqlx::Error> {
    fn on_constraint<E: From<StoreError>>(
        self,
        name: &str,
        fact: impl FnOnce() -> E,
    ) -> Result<T, E> {
        self.map_err(|error| {
            let violated = error.as_database_error().and_then(|e| e.constraint()) == Some(name);
            if violated {
                fact()
            } else {
                StoreError::from(error).into()
            }
        })
    }
}
