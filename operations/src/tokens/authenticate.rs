//! From a bearer token to a context.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Actor, Cx, OrganizationId, Permissions, Timestamp, context::Mode};
use store::StoreError;

use super::{create_token::hash, sql};
use crate::{App, Toolset};

/// Seconds for which a token's rights are taken from memory: the longest a revoked token goes on working.
const REMEMBERED: i64 = 3;
/// Seconds after which the last use is written down again.
const NOTED: i64 = 60;
/// Tokens remembered at most; beyond it the memory is emptied, which costs each token one query.
const CAPACITY: usize = 10_000;

/// What a token grants.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The organization it works on.
    pub organization_id: OrganizationId,
    /// The token, on behalf of its maker.
    pub actor: Actor,
    /// Its scopes, as far as its maker's present role goes.
    pub permissions: Permissions,
    /// The groups of tools it sees; `None` for all.
    pub toolsets: Option<Vec<Toolset>>,
    /// Whether every write is refused.
    pub read_only: bool,
    expires_at: Option<Timestamp>,
}

impl Grant {
    /// What a member's own program on the same machine may do: what a token with all scopes may, and no more,
    /// because the program may be an agent.
    pub fn local(organization_id: OrganizationId, user_id: domain::UserId) -> Self {
        let actor = Actor::Member { user_id };
        let permissions = Permissions::all_for_tokens();
        Self {
            organization_id,
            actor,
            permissions,
            toolsets: None,
            read_only: false,
            expires_at: None,
        }
    }

    /// What an agent's run may look at: what its context may, and nothing is written.
    pub fn looking(cx: &Cx) -> Self {
        Self {
            organization_id: cx.organization_id,
            actor: cx.actor.clone(),
            permissions: cx.permissions,
            toolsets: None,
            read_only: true,
            expires_at: None,
        }
    }

    /// A context for one request.
    pub fn context(&self) -> Cx {
        let mut cx = Cx::new(self.organization_id, self.actor.clone(), self.permissions);
        if self.read_only {
            cx.mode = Mode::ReadOnly;
        }
        cx
    }
}

/// Grants by the hash of their token, with the time at which they were looked up.
type Known = HashMap<[u8; 32], (Grant, Timestamp)>;

/// Checks tokens, remembering the answer for a few seconds.
#[derive(Clone)]
pub struct Authenticator {
    app: App,
    known: Arc<Mutex<Known>>,
}

impl Authenticator {
    /// An authenticator that has seen nothing yet.
    pub fn new(app: App) -> Self {
        Self {
            app,
            known: Arc::default(),
        }
    }

    /// What a token grants at a time; `None` when it is unknown, revoked or expired.
    pub async fn authenticate(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<Grant>, StoreError> {
        let hash = hash(secret);
        let known = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&hash)
            .cloned();
        let fresh = known.filter(|(_, at)| now < at.plus_seconds(REMEMBERED));
        let grant = match fresh {
            Some((grant, _)) => Some(grant),
            None => self.look_up(&hash, now).await?,
        };
        Ok(grant.filter(|grant| grant.expires_at.is_none_or(|at| now < at)))
    }

    async fn look_up(&self, hash: &[u8; 32], now: Timestamp) -> Result<Option<Grant>, StoreError> {
        let mut tx = self.app.store().system("authenticate").await?;
        let Some(stored) = sql::find_by_hash(tx.conn(), hash).await? else {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(hash);
            return Ok(None);
        };
        if stored
            .last_used_at
            .is_none_or(|at| at.plus_seconds(NOTED) < now)
        {
            sql::note_use(tx.conn(), stored.id, now).await?;
            tx.commit().await?;
        }
        let scopes: Permissions = stored
            .scopes
            .iter()
            .filter_map(|scope| scope.parse().ok())
            .collect();
        let grant = Grant {
            organization_id: stored.organization_id,
            actor: Actor::Token {
                token_id: stored.id,
                user_id: stored.user_id,
            },
            permissions: scopes
                .intersect(stored.role.permissions())
                .intersect(Permissions::all_for_tokens()),
            toolsets: stored
                .toolsets
                .map(|names| names.iter().filter_map(|n| Toolset::find(n)).collect()),
            read_only: stored.read_only,
            expires_at: stored.expires_at,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CAPACITY {
            known.clear();
        }
        known.insert(*hash, (grant.clone(), now));
        Ok(Some(grant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::Scene,
        tokens::{CreateToken, ListTokens},
    };
    use domain::Permission;

    async fn secret(scene: &Scene, command: CreateToken) -> String {
        scene
            .run(CreateToken {
                name: "x".to_owned(),
                ..command
            })
            .await
            .unwrap()
            .secret
    }

    #[tokio::test]
    async fn grants_what_was_asked_for_and_no_more() {
        let scene = Scene::new().await;
        let scopes = vec!["events:read".to_owned(), "reports:read".to_owned()];
        let toolsets = Some(vec!["events".to_owned()]);
        let secret = secret(
            &scene,
            CreateToken {
                scopes,
                toolsets,
                read_only: true,
                ..CreateToken::default()
            },
        )
        .await;
        let authenticator = Authenticator::new(scene.app.clone());
        let grant = authenticator
            .authenticate(&secret, scene.cx.now)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(grant.organization_id, scene.cx.organization_id);
        assert_eq!(
            grant.permissions.iter().collect::<Vec<_>>(),
            [Permission::EventsRead, Permission::ReportsRead]
        );
        assert_eq!(grant.toolsets.as_deref(), Some(&[Toolset::Events][..]));
        assert_eq!(grant.context().mode, Mode::ReadOnly);
        assert!(
            scene.run(ListTokens {}).await.unwrap().tokens[0]
                .last_used_at
                .is_some()
        );
    }

    #[tokio::test]
    async fn refuses_unknown_and_expired_tokens() {
        let scene = Scene::new().await;
        let expires_at = Some(scene.cx.now.plus_seconds(60));
        let secret = secret(
            &scene,
            CreateToken {
                scopes: vec!["all".to_owned()],
                expires_at,
                ..CreateToken::default()
            },
        )
        .await;
        let authenticator = Authenticator::new(scene.app.clone());
        assert!(
            authenticator
                .authenticate("eos_0000", scene.cx.now)
                .await
                .unwrap()
                .is_none()
        );
        let just_before = scene.cx.now.plus_seconds(59);
        assert!(
            authenticator
                .authenticate(&secret, just_before)
                .await
                .unwrap()
                .is_some()
        );
        let after = scene.cx.now.plus_seconds(60);
        assert!(
            authenticator
                .authenticate(&secret, after)
                .await
                .unwrap()
                .is_none()
        );
    }
}
