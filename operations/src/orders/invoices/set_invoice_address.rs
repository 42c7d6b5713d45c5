//! `set_invoice_address`: whom an order's invoice is made out to.

use domain::{Cx, LongText, Name, OrderId, Permission, Reference, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    changes::InvoiceAddressSaved,
    error::InvoiceError,
    model::{InvoiceParty, InvoiceRow},
    sql,
};
use crate::{App, Effect, Operation, orders::sql as orders};

/// Say whom an order's invoice is made out to, such as a company with its tax number, until it is issued. Without it, it is
/// made out to the buyer.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetInvoiceAddress {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// A company or person.
    pub name: Name,
    /// Street, place, country.
    pub address: LongText,
    /// Their tax number.
    pub tax_id: Option<Name>,
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for SetInvoiceAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SetInvoiceAddress({})", self.order)
    }
}

impl Operation for SetInvoiceAddress {
    const NAME: &'static str = "set_invoice_address";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = InvoiceParty;
    type Error = InvoiceError;

    async fn run(self, app: &App, cx: &Cx) -> Result<InvoiceParty, InvoiceError> {
        let mut tx = app.store().write(cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        // Whoever pays it meanwhile has locked it, and issues with the one or the other.
        let order = orders::lock(tx.conn(), found.id).await?;
        let documents = sql::of_order(tx.conn(), order.id).await?;
        if let Some(invoice) = documents.iter().rev().find(|row| row.left() > 0) {
            return Err(invoiced_already(order.number, invoice));
        }
        let party = InvoiceParty {
            name: Untrusted::new(self.name.as_str()),
            address: Some(Untrusted::new(self.address.as_str())),
            tax_id: self.tax_id.as_ref().map(|id| Untrusted::new(id.as_str())),
        };
        sql::save_address(tx.conn(), cx, order.id, &party).await?;
        let change = InvoiceAddressSaved {
            order_id: order.id,
            event_id: order.event_id,
            number: order.number,
        };
        Ok(tx.commit(change, party).await?)
    }
}

pub(super) fn invoiced_already(number: String, invoice: &InvoiceRow) -> InvoiceError {
    InvoiceError::InvoicedAlready {
        number,
        invoice: invoice.number.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        orders::{
            ConfirmPayment,
            invoices::tests::{address, invoice, trading},
        },
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn an_invoice_is_made_out_to_it_and_not_changed_by_it() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = trading(&scene).await;
        let order = scene.order(event, 1).await;
        assert_refused(scene.app.run(&other, address(&order)).await, "not_found");
        scene.assert_idempotent(address(&order)).await;
        let pay = ConfirmPayment::of(order.order.id.into());
        scene.run(pay).await.unwrap();
        assert_eq!(
            invoice(&scene, "2027-00001").await.buyer.name.as_str(),
            "Analytical Engines Ltd"
        );
        assert_refused(scene.run(address(&order)).await, "invoiced_already");
        let summary = scene
            .changes()
            .await
            .into_iter()
            .map(|change| change.payload.to_string());
        assert!(
            summary.clone().count() > 5
                && !summary.into_iter().any(|text| text.contains("Analytical"))
        );
    }
}
