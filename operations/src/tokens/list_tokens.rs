//! `list_tokens`: which programs have a token.

use domain::{ApiTokenId, Cx, Permission, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{App, Effect, Operation};

/// All tokens of the organization, revoked ones too, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListTokens {}

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenRecord {
    /// Its id.
    pub id: ApiTokenId,
    /// What it is for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// The groups of tools it sees; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolsets: Option<Vec<String>>,
    /// Whether every write is refused.
    pub read_only: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// The tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TokenList {
    /// All of them, oldest first.
    pub tokens: Vec<TokenRecord>,
}

impl Operation for ListTokens {
    const NAME: &'static str = "list_tokens";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::TokensManage;
    type Output = TokenList;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<TokenList, StoreError> {
        let mut tx = app.store().read(cx).await?;
        Ok(TokenList {
            tokens: sql::list(tx.conn()).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::Scene, tokens::CreateToken};

    #[tokio::test]
    async fn shows_everything_but_the_secret() {
        let scene = Scene::new().await;
        let scopes = vec!["events:read".to_owned()];
        let new = scene
            .run(CreateToken {
                name: "Board".to_owned(),
                scopes,
                read_only: true,
                ..CreateToken::default()
            })
            .await
            .unwrap();
        let list = scene.run(ListTokens {}).await.unwrap();
        assert_eq!(list.tokens, [new.token]);
        assert!(
            !serde_json::to_string(&list)
                .unwrap()
                .contains(&new.secret[4..])
        );
    }
}
