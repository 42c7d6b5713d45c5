//! `create_token`: a new bearer token, shown once.

use domain::{
    ApiTokenId, Cx, Facts, Fault, FaultKind, FaultSpec, Name, Permission, Permissions, Timestamp,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::StoreError;

use super::{changes::TokenCreated, list_tokens::TokenRecord, sql};
use crate::{App, Effect, Operation, Toolset, codes};

/// Make a bearer token for a program. The token is shown once; only its hash is kept. It can never do more
/// than the member who makes it, nor manage members or tokens.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct CreateToken {
    /// What it is for, for the list of tokens.
    pub name: String,
    /// Scopes such as `events:read`; `all` for everything a token may hold.
    pub scopes: Vec<String>,
    /// Limits the tools the program sees to these groups.
    pub toolsets: Option<Vec<String>>,
    /// Refuses every write, whatever the scopes say.
    #[serde(default)]
    pub read_only: bool,
    /// When it stops working; 90 days from now when absent.
    pub expires_at: Option<Timestamp>,
}

/// A token and what it may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NewToken {
    /// The token itself. It is not kept and cannot be shown again.
    pub secret: String,
    /// What is kept of it.
    pub token: TokenRecord,
}

/// Days a token works when nothing else is said.
const DEFAULT_DAYS: i64 = 90;

impl Operation for CreateToken {
    const NAME: &'static str = "create_token";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::TokensManage;
    type Output = NewToken;
    type Error = CreateTokenError;

    async fn run(self, app: &App, cx: &Cx) -> Result<NewToken, CreateTokenError> {
        let name: Name = self
            .name
            .parse()
            .map_err(|_| CreateTokenError::NameMissing)?;
        let user_id = cx.actor.user_id().ok_or(CreateTokenError::NoMember)?;
        let scopes = parse_scopes(&self.scopes)?.intersect(cx.permissions);
        if let Some(unknown) = self
            .toolsets
            .iter()
            .flatten()
            .find(|t| Toolset::find(t).is_none())
        {
            return Err(CreateTokenError::UnknownToolset(unknown.clone()));
        }
        let expires_at = self
            .expires_at
            .unwrap_or_else(|| cx.now.plus_seconds(DEFAULT_DAYS * 24 * 3600));
        if expires_at <= cx.now {
            return Err(CreateTokenError::ExpiresInThePast(expires_at));
        }
        let secret = codes::secret(cx, "eos_");
        let token = TokenRecord {
            id: cx.new_id::<ApiTokenId>(),
            name: name.to_string(),
            scopes: scopes.iter().collect(),
            toolsets: self.toolsets,
            read_only: self.read_only,
            created_at: cx.now,
            expires_at: Some(expires_at),
            last_used_at: None,
            revoked_at: None,
        };
        let mut tx = app.store().write(cx).await?;
        sql::insert(tx.conn(), cx, user_id, &hash(&secret), &token).await?;
        let change = TokenCreated {
            token_id: token.id,
            name: token.name.clone(),
            scopes,
            read_only: token.read_only,
        };
        Ok(tx.commit(change, NewToken { secret, token }).await?)
    }
}

/// The scopes as a set; `all` is everything a token may hold.
fn parse_scopes(scopes: &[String]) -> Result<Permissions, CreateTokenError> {
    let mut set = Permissions::NONE;
    for scope in scopes
        .iter()
        .flat_map(|s| s.split([',', ' ']))
        .filter(|s| !s.is_empty())
    {
        if scope == "all" {
            set = Permissions::all_for_tokens();
            continue;
        }
        let permission: Permission = scope
            .parse()
            .map_err(|_| CreateTokenError::UnknownScope(scope.to_owned()))?;
        if !Permissions::all_for_tokens().allows(permission) {
            return Err(CreateTokenError::ScopeRaisesRights(permission));
        }
        set = set.with(permission);
    }
    if set == Permissions::NONE {
        Err(CreateTokenError::NoScopes)
    } else {
        Ok(set)
    }
}

/// What is kept of a token. A plain SHA-256 will do: the token has 256 random bits, so there is nothing to guess.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// How `create_token` refuses.
#[derive(Debug, thiserror::Error)]
pub enum CreateTokenError {
    /// The name is empty or too long.
    #[error("a token needs a name of 1 to 200 characters that says what it is for")]
    NameMissing,
    /// Nobody stands behind the request.
    #[error("a token acts for a member; this request comes from no member")]
    NoMember,
    /// No scope was given.
    #[error("a token without scopes can do nothing")]
    NoScopes,
    /// Not a scope.
    #[error("{given:?} is not a scope; scopes are {names}, or all", given = .0, names = scope_names())]
    UnknownScope(String),
    /// With this scope a token could raise its own rights.
    #[error("a token cannot hold {0}")]
    ScopeRaisesRights(Permission),
    /// Not a toolset.
    #[error("{given:?} is not a toolset; toolsets are {names}", given = .0, names = toolset_names())]
    UnknownToolset(String),
    /// It would never work.
    #[error("{0} is in the past")]
    ExpiresInThePast(Timestamp),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn scope_names() -> String {
    Permissions::all_for_tokens()
        .iter()
        .map(Permission::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

fn toolset_names() -> String {
    Toolset::ALL
        .iter()
        .map(|t| t.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

const NAME_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "token_name_missing",
    "Give it a name such as \"Claude Desktop\".",
);
const NO_MEMBER: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "no_member",
    "Let a member make the token.",
);
const NO_SCOPES: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "no_scopes",
    "Give at least one scope, or all.",
);
const UNKNOWN_SCOPE: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "unknown_scope",
    "Use names from the list.",
);
const SCOPE_RAISES_RIGHTS: FaultSpec = FaultSpec::new(
    FaultKind::Forbidden,
    "scope_raises_rights",
    "Leave it out; managing members and tokens is for people.",
);
const UNKNOWN_TOOLSET: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "unknown_toolset",
    "Use names from the list.",
);
const EXPIRES_IN_THE_PAST: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "expires_in_the_past",
    "Give a later time.",
);

impl Fault for CreateTokenError {
    fn specs() -> Vec<FaultSpec> {
        vec![
            NAME_MISSING,
            NO_MEMBER,
            NO_SCOPES,
            UNKNOWN_SCOPE,
            SCOPE_RAISES_RIGHTS,
            UNKNOWN_TOOLSET,
            EXPIRES_IN_THE_PAST,
        ]
    }

    fn facts(&self) -> Facts {
        match self {
            Self::NameMissing => NAME_MISSING.into(),
            Self::NoMember => NO_MEMBER.into(),
            Self::NoScopes => NO_SCOPES.into(),
            Self::UnknownScope(_) => UNKNOWN_SCOPE.into(),
            Self::ScopeRaisesRights(_) => SCOPE_RAISES_RIGHTS.into(),
            Self::UnknownToolset(_) => UNKNOWN_TOOLSET.into(),
            Self::ExpiresInThePast(_) => EXPIRES_IN_THE_PAST.into(),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for CreateTokenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};
    use domain::Actor;

    fn named(name: &str, scopes: &[&str]) -> CreateToken {
        let scopes = scopes.iter().map(ToString::to_string).collect();
        CreateToken {
            name: name.to_owned(),
            scopes,
            ..CreateToken::default()
        }
    }

    #[tokio::test]
    async fn makes_a_token_that_works_for_ninety_days() {
        let scene = Scene::new().await;
        let new = scene.run(named("Claude", &["all"])).await.unwrap();
        assert!(new.secret.starts_with("eos_") && new.secret.len() == 68);
        assert_eq!(
            new.token.expires_at,
            Some(scene.cx.now.plus_seconds(90 * 24 * 3600))
        );
        assert!(!new.token.scopes.contains(&Permission::TokensManage));
        let trail = serde_json::to_string(&scene.changes().await).unwrap();
        assert!(
            !trail.contains(&new.secret[4..]),
            "the trail must not hold the secret"
        );
    }

    #[tokio::test]
    async fn refuses_what_makes_no_sense() {
        let scene = Scene::new().await;
        assert_refused(scene.run(named("", &["all"])).await, "token_name_missing");
        assert_refused(scene.run(named("x", &[])).await, "no_scopes");
        assert_refused(
            scene.run(named("x", &["events:fly"])).await,
            "unknown_scope",
        );
        assert_refused(
            scene.run(named("x", &["tokens:manage"])).await,
            "scope_raises_rights",
        );
        let toolsets = Some(vec!["payments".to_owned()]);
        assert_refused(
            scene
                .run(CreateToken {
                    toolsets,
                    ..named("x", &["all"])
                })
                .await,
            "unknown_toolset",
        );
        let expires_at = Some(scene.cx.now);
        assert_refused(
            scene
                .run(CreateToken {
                    expires_at,
                    ..named("x", &["all"])
                })
                .await,
            "expires_in_the_past",
        );
        let nobody = scene
            .cx
            .clone()
            .with_actor(Actor::System { reason: "test" });
        assert_refused(
            scene.app.run(&nobody, named("x", &["all"])).await,
            "no_member",
        );
    }

    #[tokio::test]
    async fn a_token_cannot_make_tokens() {
        let scene = Scene::new().await;
        let cx = scene
            .cx
            .clone()
            .with_permissions(Permissions::all_for_tokens());
        assert_refused(scene.app.run(&cx, named("x", &["all"])).await, "forbidden");
    }

    #[tokio::test]
    async fn is_not_seen_by_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.run(named("Claude", &["all"])).await.unwrap();
        let theirs = scene
            .app
            .run(&other, crate::tokens::ListTokens {})
            .await
            .unwrap();
        assert!(theirs.tokens.is_empty());
    }
}
