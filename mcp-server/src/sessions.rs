//! Sessions of the older era, kept in `PostgreSQL` so that a restart goes unnoticed, bound to the token that opened
//! them, and counted.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use operations::Sessions;
use rmcp::transport::streamable_http_server::session::{
    local::LocalSessionManager,
    store::{SessionState, SessionStore, SessionStoreError},
};

use crate::keys;

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// The SDK's view of the kept sessions.
pub(crate) struct Kept(pub(crate) Sessions);

// The trait is declared with `async_trait`; these are the signatures it stands for.
impl SessionStore for Kept {
    fn load<'a, 'b, 'c>(&'a self, id: &'b str) -> Answer<'c, Option<SessionState>>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            match self.0.load(id).await? {
                // A row that an older version wrote and this one cannot read is a session that has ended.
                Some(kept) => Ok(serde_json::from_value(kept).ok()),
                None => Ok(None),
            }
        })
    }

    fn store<'a, 'b, 'c, 'd>(&'a self, id: &'b str, state: &'c SessionState) -> Answer<'d, ()>
    where
        'a: 'd,
        'b: 'd,
        'c: 'd,
        Self: 'd,
    {
        Box::pin(async move { Ok(self.0.save(id, &serde_json::to_value(state)?).await?) })
    }

    fn delete<'a, 'b, 'c>(&'a self, id: &'b str) -> Answer<'c, ()>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move { Ok(self.0.delete(id).await?) })
    }
}

/// Makes session ids that work only for whoever opened the session: the SDK would let any caller use any id.
#[derive(Clone)]
pub(crate) struct Binding {
    key: [u8; 32],
}

impl Binding {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: keys::derive(secret, "sessions"),
        }
    }

    /// The id as the owner gets it.
    pub(crate) fn outside(&self, owner: &str, id: &str) -> String {
        format!("{id}.{}", keys::tag(&self.key, &[owner, id]))
    }

    /// The id as the SDK knows it; nothing when it is somebody else's or made up.
    pub(crate) fn inside<'a>(&self, owner: &str, given: &'a str) -> Option<&'a str> {
        let (id, tag) = given.rsplit_once('.')?;
        keys::tag_fits(&self.key, &[owner, id], tag).then_some(id)
    }
}

/// How many sessions one caller may have in memory.
pub(crate) const MOST: usize = 100;

/// The sessions in this process's memory, by their owner. Each holds a task and buffers until it has been idle for
/// a while, so a caller that opens them without end would fill the memory.
pub(crate) struct Open {
    manager: Arc<LocalSessionManager>,
    owners: Mutex<HashMap<String, Seats>>,
}

#[derive(Default)]
struct Seats {
    taken: HashSet<String>,
    reserved: usize,
}

impl Open {
    pub(crate) fn new(manager: Arc<LocalSessionManager>) -> Self {
        Self {
            manager,
            owners: Mutex::default(),
        }
    }

    pub(crate) async fn is_open(&self, id: &str) -> bool {
        self.manager.sessions.read().await.contains_key(id)
    }

    /// A seat for one more session; nothing when the owner has too many.
    pub(crate) async fn reserve(&self, owner: &str) -> Option<Seat<'_>> {
        let open = self.manager.sessions.read().await;
        let mut owners = self.owners();
        owners.retain(|_, seats| {
            seats.taken.retain(|id| open.contains_key(id.as_str()));
            !seats.taken.is_empty() || seats.reserved > 0
        });
        let seats = owners.entry(owner.to_owned()).or_default();
        if seats.taken.len() + seats.reserved >= MOST {
            return None;
        }
        seats.reserved += 1;
        Some(Seat {
            open: self,
            owner: owner.to_owned(),
        })
    }

    fn owners(&self) -> MutexGuard<'_, HashMap<String, Seats>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place held for a session while it is being opened.
pub(crate) struct Seat<'a> {
    open: &'a Open,
    owner: String,
}

impl Seat<'_> {
    /// The session is there.
    pub(crate) fn take(self, id: &str) {
        if let Some(seats) = self.open.owners().get_mut(&self.owner) {
            seats.taken.insert(id.to_owned());
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(seats) = self.open.owners().get_mut(&self.owner) {
            seats.reserved -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_works_for_its_owner_only() {
        let binding = Binding::new(&[1; 32]);
        let given = binding.outside("org/ada", "7f3a");
        assert_eq!(binding.inside("org/ada", &given), Some("7f3a"));
        assert_eq!(binding.inside("org/bob", &given), None);
        assert_eq!(binding.inside("org/ada", "7f3a"), None);
        assert_eq!(binding.inside("org/ada", &given.replace("7f", "8f")), None);
    }
}
