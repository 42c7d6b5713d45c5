//! `get_invoice`: one document, whole.

use domain::{Cx, InvoiceId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{model::Invoice, sql};
use crate::{App, Effect, Operation, lookup::LookupError};

/// One invoice or credit note as it was issued: seller, buyer, lines, tax by rate.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct GetInvoice {
    /// Invoice or credit note: id or number.
    pub invoice: Reference<InvoiceId>,
}

impl Operation for GetInvoice {
    const NAME: &'static str = "get_invoice";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Invoice;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Invoice, LookupError> {
        let mut tx = app.store().read(cx).await?;
        Ok(sql::resolve(tx.conn(), &self.invoice).await?.seen(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{
            ConfirmPayment,
            invoices::tests::{address, trading},
        },
        permission::Role,
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn nobody_elses_is_seen_and_buyers_are_masked() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = trading(&scene).await;
        let order = scene.order(event, 1).await;
        scene.run(address(&order)).await.unwrap();
        let pay = ConfirmPayment::of(order.order.id.into());
        scene.run(pay).await.unwrap();
        let get = GetInvoice {
            invoice: "2027-00001".parse().unwrap(),
        };
        assert_refused(scene.app.run(&other, get.clone()).await, "not_found");
        let viewer = scene.as_role(Role::Viewer);
        let seen = scene.app.run(&viewer, get).await.unwrap();
        assert_eq!(seen.buyer.name.as_str(), "A… E… L…");
        assert_eq!(seen.buyer.address, None);
    }
}
