//! `list_members`: who belongs to the organization.

use domain::{Cx, Permission, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::sql;
use crate::{App, Effect, Operation, permission::Role};

/// The members of the organization with their roles. Addresses are shown only to those who may see personal data.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListMembers {}

/// A person in the organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The person.
    pub user_id: UserId,
    /// What they are called.
    pub name: String,
    /// Where they are reached.
    pub email: String,
    /// What they are here.
    pub role: Role,
}

/// All members, the first first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct MemberList {
    /// The members.
    pub members: Vec<Member>,
}

impl Operation for ListMembers {
    const NAME: &'static str = "list_members";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrganizationRead;
    type Output = MemberList;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<MemberList, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let mut members = sql::members(tx.conn()).await?;
        if !cx.may(Permission::AttendeesPersonal) {
            for member in &mut members {
                member.email = String::new();
            }
        }
        Ok(MemberList { members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scene;

    #[tokio::test]
    async fn lists_the_owner_and_nobody_of_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let mine = scene.run(ListMembers {}).await.unwrap().members;
        assert_eq!(mine.len(), 1);
        assert_eq!(mine[0].role, Role::Owner);
        let theirs = scene.app.run(&other, ListMembers {}).await.unwrap().members;
        assert!(theirs.iter().all(|m| m.user_id != mine[0].user_id));
    }

    #[tokio::test]
    async fn hides_addresses_from_those_who_may_not_see_them() {
        let scene = Scene::new().await;
        let viewer = scene.as_role(Role::Viewer);
        assert_eq!(
            scene
                .app
                .run(&viewer, ListMembers {})
                .await
                .unwrap()
                .members[0]
                .email,
            ""
        );
        assert!(
            scene.run(ListMembers {}).await.unwrap().members[0]
                .email
                .contains('@')
        );
    }
}
