//! Keeps a call answerable, whichever surface made it: panics and slowness become failures.

use std::{panic::AssertUnwindSafe, time::Duration};

use domain::{FaultKind, FaultSpec, fault::Failure};
use futures_util::FutureExt as _;

const TOO_SLOW: FaultSpec = FaultSpec::new(
    FaultKind::Unavailable,
    "too_slow",
    "Ask for less at once or try again later; repeat a write only under the same idempotency_key, \
     or after looking whether it was done.",
);
const INTERNAL: FaultSpec = FaultSpec::new(
    FaultKind::Internal,
    "internal",
    "Try once more; if it stays, tell the people who run EventOS the time it happened.",
);

/// Runs an operation, by its name, within the time it has, and catches its panics.
pub async fn within<T>(
    limit: Duration,
    operation: &'static str,
    running: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(limit, AssertUnwindSafe(running).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => {
            tracing::error!(operation.name = operation, "An operation panicked");
            Err(internal())
        }
        Err(_) => {
            tracing::error!(
                operation.name = operation,
                "An operation was too slow and was stopped"
            );
            let seconds = limit.as_secs();
            let message = format!("{operation} took longer than {seconds} s and was stopped.");
            Err(failure(TOO_SLOW, message))
        }
    }
}

/// What is said of a defect.
pub fn internal() -> Failure {
    failure(INTERNAL, "Something went wrong on our side.".to_owned())
}

fn failure(spec: FaultSpec, message: String) -> Failure {
    Failure {
        kind: spec.kind,
        code: spec.code,
        message,
        next: spec.next,
        field: None,
        candidates: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_panics_or_dawdles_is_answered() {
        let limit = Duration::from_millis(20);
        let outcome = within(limit, "x", async { Ok(1) }).await;
        assert_eq!(outcome.ok(), Some(1));
        let panicking = async {
            if limit.is_zero() {
                Ok(1)
            } else {
                panic!("a defect")
            }
        };
        let outcome = within(limit, "x", panicking).await;
        assert_eq!(outcome.err().map(|f| f.code), Some("internal"));
        let outcome = within::<()>(limit, "x", std::future::pending()).await;
        assert_eq!(outcome.err().map(|f| f.code), Some("too_slow"));
    }
}
