//! `reissue_invoice`: an invoice is corrected.

use domain::{Cx, LongText, Name, OrderId, Permission, Reference, Untrusted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::InvoiceError, issue_invoice::IssuedInvoice, keep_up::reissue, model::InvoiceParty, sql,
};
use crate::{App, Effect, Operation, orders::sql as orders};

/// Correct whom an order's invoice is made out to, or the organization's own details on it: a credit note takes the invoice
/// back, and a new one is issued. The amounts stay.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
pub struct ReissueInvoice {
    /// Order: id or number.
    pub order: Reference<OrderId>,
    /// Why, for the credit note.
    pub reason: Name,
    /// A company or person; as before when absent.
    pub name: Option<Name>,
    /// Street, place, country; as before when absent.
    pub address: Option<LongText>,
    /// Their tax number; as before when absent.
    pub tax_id: Option<Name>,
}

// Personal data: a debug print ends up in logs.
impl std::fmt::Debug for ReissueInvoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReissueInvoice({})", self.order)
    }
}

impl Operation for ReissueInvoice {
    const NAME: &'static str = "reissue_invoice";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersCancel;
    type Output = IssuedInvoice;
    type Error = InvoiceError;

    async fn run(self, app: &App, cx: &Cx) -> Result<IssuedInvoice, InvoiceError> {
        let mut tx = app.store().write(cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        let documents = sql::of_order(tx.conn(), order.id).await?;
        let last = documents.iter().rev().find(|row| row.left() > 0);
        let last = last.ok_or_else(|| InvoiceError::NotInvoiced(order.number.clone()))?;
        if self.name.is_some() || self.address.is_some() || self.tax_id.is_some() {
            sql::save_address(tx.conn(), cx, order.id, &self.onto(&last.buyer)).await?;
        }
        let new = reissue(&mut tx, order.id, self.reason.as_str()).await?;
        let new = new.ok_or_else(|| InvoiceError::NotInvoiced(order.number.clone()))?;
        let invoice = sql::resolve(tx.conn(), &new.into()).await?.seen(cx);
        Ok(tx.unchanged(IssuedInvoice { invoice }).await?)
    }
}

impl ReissueInvoice {
    fn onto(&self, before: &InvoiceParty) -> InvoiceParty {
        let given = |text: Option<&str>| text.map(Untrusted::new);
        InvoiceParty {
            name: given(self.name.as_ref().map(Name::as_str))
                .unwrap_or_else(|| before.name.clone()),
            address: given(self.address.as_ref().map(LongText::as_str))
                .or_else(|| before.address.clone()),
            tax_id: given(self.tax_id.as_ref().map(Name::as_str)).or_else(|| before.tax_id.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        orders::invoices::tests::{documents, invoice, paid, refunding, reissuing, trading},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn a_correction_is_a_credit_note_and_a_new_invoice() {
        let scene = Scene::new().await;
        let event = trading(&scene).await;
        let order = paid(&scene, event, 2).await;
        scene.run(refunding(&order, 777)).await.unwrap();
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, reissuing(&order)).await, "not_found");
        scene.assert_idempotent(reissuing(&order)).await;
        let numbers: Vec<_> = documents(&scene, &order)
            .await
            .into_iter()
            .map(|d| d.number)
            .collect();
        assert_eq!(
            numbers,
            [
                "2027-00001",
                "C2027-00001",
                "C2027-00002",
                "2027-00002",
                "C2027-00003"
            ]
        );
        assert_eq!(
            invoice(&scene, "2027-00001").await.buyer.name.as_str(),
            "Ada Lovelace"
        );
        let new = invoice(&scene, "2027-00002").await;
        assert_eq!(new.buyer.name.as_str(), "Difference Engines Ltd");
        assert_eq!(new.summary.gross.amount, 5148);
        scene.reconcile().await;
    }
}
