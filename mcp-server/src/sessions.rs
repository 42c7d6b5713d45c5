//! Sessions of the older era, kept in `PostgreSQL` so that a restart goes unnoticed, and bound to the token that
//! opened them.

use std::pin::Pin;

use operations::Sessions;
use rmcp::transport::streamable_http_server::session::store::{
    SessionState, SessionStore, SessionStoreError,
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
