//! How long to wait before the next try.

use std::time::Duration;

use domain::WorkflowRunId;
use operations::workflows::Retry;

/// The pause after so many tries: doubled each time, at most the cap, and up to a quarter more or less so that runs
/// that failed together do not come back together. The same run waits equally long on every machine.
pub fn delay(retry: Retry, tries: u32, run: WorkflowRunId, path: &str) -> Duration {
    let doubled = retry.backoff.saturating_mul(
        1_u32
            .checked_shl(tries.saturating_sub(1))
            .unwrap_or(u32::MAX),
    );
    let pause = doubled.min(retry.cap);
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let id = uuid::Uuid::from(run);
    for byte in id
        .as_bytes()
        .iter()
        .chain(path.as_bytes())
        .chain(&tries.to_be_bytes())
    {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let per_mille = 750 + u32::try_from(hash % 501).unwrap_or(0);
    pause.saturating_mul(per_mille) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_cap_and_scatters() {
        let retry = Retry {
            tries: 8,
            backoff: Duration::from_secs(2),
            cap: Duration::from_mins(1),
        };
        let run = WorkflowRunId::from(uuid::Uuid::from_u128(7));
        let pauses: Vec<u128> = (1..=40)
            .map(|tries| delay(retry, tries, run, "send").as_millis())
            .collect();
        assert!((1_500..=2_500).contains(&pauses[0]), "{pauses:?}");
        assert!((6_000..=10_000).contains(&pauses[2]), "{pauses:?}");
        assert!(pauses.iter().all(|p| *p <= 75_000), "{pauses:?}");
        assert!(pauses[5..].iter().any(|p| p != &pauses[5]), "{pauses:?}");
        assert_eq!(delay(retry, 3, run, "send"), delay(retry, 3, run, "send"));
    }
}
