//! `get_order`: one order with everything that belongs to it.

use domain::{Cx, OrderId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    detail::{OrderDetail, detail_of},
    sql,
};
use crate::{App, Effect, Operation, codes::CodeLookupError};

/// One order with its items, payments, refunds and tickets. When only a name or address is known, use `list_orders`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetOrder {
    /// Order: id or number, such as K7M2PQX.
    pub order: Reference<OrderId>,
}

impl Operation for GetOrder {
    const NAME: &'static str = "get_order";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = OrderDetail;
    type Error = CodeLookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<OrderDetail, CodeLookupError> {
        let mut tx = app.store().read(cx).await?;
        let order = sql::resolve(tx.conn(), &self.order).await?;
        Ok(detail_of(tx.conn(), cx, order).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::ConfirmPayment,
        permission::Role,
        testing::{Scene, assert_refused},
    };

    fn getting(order: &OrderDetail) -> GetOrder {
        GetOrder {
            order: order.order.number.to_lowercase().parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_viewer_sees_no_names_addresses_or_codes() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        let pay = ConfirmPayment {
            reference: Some("from Ada Lovelace".parse().unwrap()),
            ..ConfirmPayment::of(order.order.id.into())
        };
        scene.run(pay).await.unwrap();
        let full = scene.run(getting(&order)).await.unwrap();
        assert_eq!(full.order.buyer_name.as_str(), "Ada Lovelace");
        let masked = scene
            .app
            .run(&scene.as_role(Role::Viewer), getting(&order))
            .await
            .unwrap();
        assert_eq!(masked.order.buyer_name.as_str(), "A… L…");
        assert_eq!(masked.order.buyer_email.as_str(), "a…@e….org");
        assert_eq!(masked.payments[0].reference, None);
        let end = &full.tickets[0].code[17..];
        assert_eq!(masked.tickets[0].code, format!("…{end}"));
    }

    #[tokio::test]
    async fn refuses_an_unknown_one_and_another_organizations() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let order = scene.order(event.id, 2).await;
        assert_refused(scene.app.run(&other, getting(&order)).await, "not_found");
        let malformed = GetOrder {
            order: "Lovelace".parse().unwrap(),
        };
        assert_refused(scene.run(malformed).await, "code_malformed");
    }
}
