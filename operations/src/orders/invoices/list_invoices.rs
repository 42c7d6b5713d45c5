//! `list_invoices`: what was issued.

use domain::{Cursor, Cx, EventId, OrderId, Page, PageRequest, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{InvoiceKind, InvoiceSummary},
    sql,
};
use crate::{App, Effect, Operation, codes::CodeLookupError, events, orders::sql as orders};

/// Invoices and credit notes, newest first: of an order, of an event, or all.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListInvoices {
    /// Order: id or number.
    pub order: Option<Reference<OrderId>>,
    /// Event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Only these.
    pub kind: Option<InvoiceKind>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListInvoices {
    const NAME: &'static str = "list_invoices";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Page<InvoiceSummary>;
    type Error = CodeLookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<InvoiceSummary>, CodeLookupError> {
        let mut tx = app.store().read(cx).await?;
        let order_id = match &self.order {
            Some(reference) => Some(orders::resolve(tx.conn(), reference).await?.id),
            None => None,
        };
        let event_id = match &self.event {
            Some(reference) => Some(events::resolve(tx.conn(), cx, reference).await?.id),
            None => None,
        };
        let rows = sql::list(tx.conn(), (order_id, event_id), self.kind, self.page).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.issued_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.summary()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::invoices::tests::{listing, paid, refunding, trading},
        testing::{Scene, assert_refused},
    };

    #[tokio::test]
    async fn what_was_issued_is_listed_newest_first_and_nobody_elses() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let event = trading(&scene).await;
        let order = paid(&scene, event, 1).await;
        paid(&scene, event, 2).await;
        scene.run(refunding(&order, 100)).await.unwrap();
        let numbers = async |list: ListInvoices| {
            let items = scene.run(list).await.unwrap().items.into_iter();
            items.map(|one| one.number).collect::<Vec<_>>()
        };
        let of_event = ListInvoices {
            event: Some(event.into()),
            ..ListInvoices::default()
        };
        let mut all = numbers(of_event.clone()).await;
        all.sort();
        assert_eq!(all, ["2027-00001", "2027-00002", "C2027-00001"]);
        let of_order = ListInvoices {
            kind: Some(InvoiceKind::CreditNote),
            ..listing(order.order.id)
        };
        assert_eq!(numbers(of_order).await, ["C2027-00001"]);
        assert_refused(
            scene.app.run(&other, listing(order.order.id)).await,
            "not_found",
        );
        assert_refused(scene.app.run(&other, of_event).await, "not_found");
        let theirs = scene
            .app
            .run(&other, ListInvoices::default())
            .await
            .unwrap();
        assert!(theirs.items.is_empty());
    }
}
