//! `get_context`: who and where the caller is.

use domain::{Cx, LocalTime, Permission, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{model::Organization, sql};
use crate::{App, Effect, Operation};

/// Who you act for and what you may do: the organization, its default currency and zone, the present time
/// there, and your permissions. Call it first; relative dates ("next Friday") count from its `now_local`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetContext {}

/// The answer of `get_context`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Context {
    /// The organization all tools work on.
    pub organization: Organization,
    /// The present instant.
    pub now: Timestamp,
    /// The present time in the organization's zone.
    pub now_local: LocalTime,
    /// The day of the week there.
    pub weekday: String,
    /// What this connection may do.
    pub permissions: Vec<Permission>,
}

impl Operation for GetContext {
    const NAME: &'static str = "get_context";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrganizationRead;
    type Output = Context;
    type Error = StoreError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Context, StoreError> {
        let mut tx = app.store().read(cx).await?;
        let organization = sql::current(tx.conn()).await?;
        let now_local = cx.now.in_zone(&organization.zone);
        Ok(Context {
            now: cx.now,
            now_local,
            weekday: now_local.weekday().to_owned(),
            permissions: cx.permissions.iter().collect(),
            organization,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{permission::Role, testing::Scene};

    #[tokio::test]
    async fn tells_who_where_and_when() {
        let scene = Scene::new().await;
        let context = scene.run(GetContext {}).await.unwrap();
        assert_eq!(context.organization.id, scene.cx.organization_id);
        assert_eq!(
            context.now_local,
            scene.cx.now.in_zone(&context.organization.zone)
        );
        assert_eq!(context.weekday, "Monday");
        assert!(context.permissions.contains(&Permission::EventsWrite));
    }

    #[tokio::test]
    async fn shows_each_organization_only_itself() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let context = scene.app.run(&other, GetContext {}).await.unwrap();
        assert_eq!(context.organization.id, other.organization_id);
        assert_ne!(context.organization.id, scene.cx.organization_id);
    }

    #[tokio::test]
    async fn shows_a_viewer_fewer_permissions() {
        let scene = Scene::new().await;
        let context = scene
            .app
            .run(&scene.as_role(Role::Viewer), GetContext {})
            .await
            .unwrap();
        assert!(!context.permissions.contains(&Permission::EventsWrite));
    }
}
