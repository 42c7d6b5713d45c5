//! `remove_suppression`: an address gets mail again.

use domain::{Cx, Permission, SuppressionId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{changes::SuppressionRemoved, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// Take an address off the list of those that get no mail: when a mailbox works again, or its owner asks for it.
/// Never to reach somebody who has unsubscribed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RemoveSuppression {
    /// The row, from `list_suppressions`.
    pub suppression: SuppressionId,
}

/// An address that gets mail again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedSuppression {
    /// The row that is gone.
    pub suppression_id: SuppressionId,
}

impl Operation for RemoveSuppression {
    const NAME: &'static str = "remove_suppression";
    const EFFECT: Effect = Effect::Destructive;
    const NEEDS: Permission = Permission::MessagesWrite;
    type Output = RemovedSuppression;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<RemovedSuppression, LookupError> {
        let mut tx = app.store().write(cx).await?;
        let removed = sql::unsuppress(tx.conn(), self.suppression).await?;
        let (reason, scope) = removed.ok_or_else(|| LookupError::NotFound {
            noun: "suppression",
            given: self.suppression.to_string(),
            candidates: Vec::new(),
        })?;
        let change = SuppressionRemoved {
            suppression_id: self.suppression,
            reason,
            scope,
        };
        let answer = RemovedSuppression {
            suppression_id: self.suppression,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        messages::{ListSuppressions, SaveSuppression},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn takes_it_off_the_list_once() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let saved = scene
            .run(SaveSuppression::of("ada@example.org"))
            .await
            .unwrap();
        let command = RemoveSuppression {
            suppression: saved.id,
        };
        assert_refused(scene.app.run(&other, command.clone()).await, "not_found");
        scene.assert_idempotent(command.clone()).await;
        assert!(
            scene
                .run(ListSuppressions::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
        assert_refused(scene.run(command).await, "not_found");
    }
}
