//! `revoke_token`: a token stops working.

use domain::{ApiTokenId, Cx, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes::TokenRevoked, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Make a token stop working, within seconds. It stays in the list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RevokeToken {
    /// Which one.
    pub token_id: ApiTokenId,
}

/// The token that stopped working.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedToken {
    /// Its id.
    pub token_id: ApiTokenId,
}

impl Operation for RevokeToken {
    const NAME: &'static str = "revoke_token";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::TokensManage;
    type Output = RevokedToken;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RevokedToken, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let Some(name) = sql::revoke(tx.conn(), self.token_id, cx.now).await? else {
            let given = self.token_id.to_string();
            return Err(LookupError::NotFound {
                noun: "active token",
                given,
                candidates: Vec::new(),
            });
        };
        let answer = RevokedToken {
            token_id: self.token_id,
        };
        Ok(tx
            .commit(
                TokenRevoked {
                    token_id: self.token_id,
                    name,
                },
                answer,
            )
            .await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{Scene, assert_refused},
        tokens::{Authenticator, CreateToken},
    };

    async fn token(scene: &Scene) -> (ApiTokenId, String) {
        let scopes = vec!["all".to_owned()];
        let new = scene
            .run(CreateToken {
                name: "x".to_owned(),
                scopes,
                ..CreateToken::default()
            })
            .await
            .unwrap();
        (new.token.id, new.secret)
    }

    #[tokio::test]
    async fn a_revoked_token_no_longer_works() {
        let scene = Scene::new().await;
        let (token_id, secret) = token(&scene).await;
        let authenticate = async || {
            Authenticator::new(scene.app.clone())
                .authenticate(&secret, scene.cx.now)
                .await
                .unwrap()
        };
        assert!(authenticate().await.is_some());
        scene.run(RevokeToken { token_id }).await.unwrap();
        assert!(authenticate().await.is_none());
        assert_refused(scene.run(RevokeToken { token_id }).await, "not_found");
    }

    #[tokio::test]
    async fn another_organization_cannot_revoke_it() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (token_id, _) = token(&scene).await;
        assert_refused(
            scene.app.run(&other, RevokeToken { token_id }).await,
            "not_found",
        );
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        let (token_id, _) = token(&scene).await;
        scene.assert_idempotent(RevokeToken { token_id }).await;
    }
}
