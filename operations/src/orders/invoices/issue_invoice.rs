//! `issue_invoice`: the invoice of an order that has none.

use domain::{Cx, OrderId, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::InvoiceError,
    keep_up::{self, keep_up},
    model::Invoice,
    set_invoice_address::invoiced_already,
    sql,
};
use crate::{
    App, Effect, Operation,
    orders::{model::OrderStatus, sql as orders},
};

/// Issue the invoice of an order that is paid and has none: it was paid before invoices were set up, or they are issued on
/// demand. It never changes; what was given back meanwhile is on a credit note.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct IssueInvoice {
    /// Order: id or number.
    pub order: Reference<OrderId>,
}

/// The invoice that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IssuedInvoice {
    /// The invoice.
    pub invoice: Invoice,
}

impl Operation for IssueInvoice {
    const NAME: &'static str = "issue_invoice";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrdersWrite;
    type Output = IssuedInvoice;
    type Error = InvoiceError;

    async fn run(self, app: &App, cx: &Cx) -> Result<IssuedInvoice, InvoiceError> {
        let mut tx = app.store().write(cx).await?;
        let found = orders::resolve(tx.conn(), &self.order).await?;
        let order = orders::lock(tx.conn(), found.id).await?;
        let invoicing = sql::invoicing(tx.conn()).await?;
        let invoicing = invoicing.ok_or(InvoiceError::NotSetUp("name, address and tax number"))?;
        let documents = sql::of_order(tx.conn(), order.id).await?;
        if let Some(invoice) = documents.iter().rev().find(|row| row.left() > 0) {
            return Err(invoiced_already(order.number, invoice));
        }
        let was_paid = matches!(order.status, OrderStatus::Paid | OrderStatus::Cancelled);
        if !was_paid || keep_up::kept(&order) <= 0 {
            return Err(InvoiceError::NothingPaid {
                kept: order.refundable(),
                number: order.number,
                status: order.status,
            });
        }
        let row = keep_up::issue(&mut tx, &order, &invoicing, None).await?;
        keep_up(&mut tx, order.id).await?;
        let invoice = sql::resolve(tx.conn(), &row.id.into()).await?.seen(cx);
        Ok(tx.unchanged(IssuedInvoice { invoice }).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::invoices::tests::{documents, paid, refunding, reissuing},
        testing::{Scene, assert_refused, invoicing},
    };

    #[tokio::test]
    async fn an_invoice_on_demand_comes_with_what_was_given_back_before() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        let order = paid(&scene, event.id, 2).await;
        let issue = IssueInvoice {
            order: order.order.id.into(),
        };
        assert_refused(scene.run(issue.clone()).await, "invoicing_not_set_up");
        assert_refused(scene.run(reissuing(&order)).await, "not_invoiced");
        scene.run(refunding(&order, 1500)).await.unwrap();
        scene.run(invoicing()).await.unwrap();
        let other = scene.other_organization().await;
        assert_refused(scene.app.run(&other, issue.clone()).await, "not_found");
        scene.assert_idempotent(issue.clone()).await;
        assert_refused(scene.run(issue).await, "invoiced_already");
        let amounts: Vec<_> = documents(&scene, &order)
            .await
            .iter()
            .map(|d| d.gross.amount)
            .collect();
        assert_eq!(amounts, [5000, 1500]);
        let unpaid = scene.order(event.id, 1).await;
        let issue = IssueInvoice {
            order: unpaid.order.id.into(),
        };
        assert_refused(scene.run(issue).await, "nothing_to_invoice");
        scene.reconcile().await;
    }
}
