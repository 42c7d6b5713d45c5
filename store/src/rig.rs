//! Places where a test may stop a worker, and guards that a test may take away to show that they are needed.
//!
//! Without the feature `testing` there is nothing here: crossing a place does nothing and every guard stands.

#[cfg(feature = "testing")]
use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc};

/// What happens at a place.
#[cfg(feature = "testing")]
pub type Hook = Arc<dyn Fn(&'static str) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a test has set up.
#[cfg(feature = "testing")]
#[derive(Clone, Default)]
pub struct Rig {
    /// Called at every place with its name, such as `checkpoint.before`.
    pub hook: Option<Hook>,
    /// Names of guards that are off.
    pub without: HashSet<&'static str>,
}

/// Nothing.
#[cfg(not(feature = "testing"))]
#[derive(Clone, Copy, Default)]
pub(crate) struct Rig;

impl Rig {
    /// Passes a place.
    #[cfg(feature = "testing")]
    pub async fn cross(&self, place: &'static str) {
        if let Some(hook) = &self.hook {
            hook(place).await;
        }
    }

    /// Passes a place.
    #[cfg(not(feature = "testing"))]
    #[expect(clippy::unused_async, reason = "the same shape as with the feature")]
    pub(crate) async fn cross(&self, _place: &'static str) {}

    /// Whether a guard is off.
    #[cfg(feature = "testing")]
    pub fn lacks(&self, guard: &str) -> bool {
        self.without.contains(guard)
    }

    /// Whether a guard is off.
    #[cfg(not(feature = "testing"))]
    #[expect(
        clippy::unused_self,
        clippy::trivially_copy_pass_by_ref,
        reason = "the same shape as with the feature"
    )]
    pub(crate) fn lacks(&self, _guard: &str) -> bool {
        false
    }
}
