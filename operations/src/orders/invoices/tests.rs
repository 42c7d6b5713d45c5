//! Invoices in the life of orders; numbers without gaps, whoever issues at the same time.

use std::sync::Arc;

use domain::{Money, OrderId, Patch};
use sqlx::Row as _;

use super::*;
use crate::{
    events::StatusMove,
    orders::{
        CancelOrder, ConfirmPayment, OrderDetail, ReactivateOrder, RefundChoice,
        changing::{CancelTickets, SwapPrice, SwapTickets},
        event_refunds::tests::{going_on, refunding as refunding_event},
        payments::{RefundOrder, shop::Shop},
    },
    testing::{Scene, assert_refused, buying, eur, fee, invoicing, selling, vat},
    ticket_types::SetTicketTypeTax,
};

pub(super) fn listing(order: OrderId) -> ListInvoices {
    ListInvoices {
        order: Some(order.into()),
        ..ListInvoices::default()
    }
}

pub(super) async fn documents(scene: &Scene, order: &OrderDetail) -> Vec<InvoiceSummary> {
    let mut listed = scene.run(listing(order.order.id)).await.unwrap().items;
    listed.reverse();
    listed
}

pub(super) async fn invoice(scene: &Scene, number: &str) -> Invoice {
    let get = GetInvoice {
        invoice: number.parse().unwrap(),
    };
    scene.run(get).await.unwrap()
}

/// An event that charges 19 % on tickets and 1.50 for service, with invoices on.
pub(super) async fn trading(scene: &Scene) -> domain::EventId {
    let (event, _) = scene.on_sale(2499, 100).await;
    scene.taxed(event.id, "VAT 19 %", "19").await;
    scene.run(fee(event.id, "Service", 150)).await.unwrap();
    scene.run(invoicing()).await.unwrap();
    event.id
}

pub(super) async fn paid(scene: &Scene, event: domain::EventId, quantity: i32) -> OrderDetail {
    let order = scene.order(event, quantity).await;
    let pay = ConfirmPayment::of(order.order.id.into());
    scene.run(pay).await.unwrap().order
}

pub(super) fn refunding(order: &OrderDetail, amount: i64) -> RefundOrder {
    RefundOrder {
        order: order.order.id.into(),
        amount: Some(Money::new(amount, eur())),
        reason: Some("ill".parse().unwrap()),
    }
}

pub(super) fn address(order: &OrderDetail) -> SetInvoiceAddress {
    SetInvoiceAddress {
        order: order.order.id.into(),
        name: "Analytical Engines Ltd".parse().unwrap(),
        address: "12 St James's Square, London".parse().unwrap(),
        tax_id: Some("GB123".parse().unwrap()),
    }
}

pub(super) fn reissuing(order: &OrderDetail) -> ReissueInvoice {
    ReissueInvoice {
        order: order.order.id.into(),
        reason: "wrong company".parse().unwrap(),
        name: Some("Difference Engines Ltd".parse().unwrap()),
        address: None,
        tax_id: None,
    }
}

#[tokio::test]
async fn a_payment_brings_an_invoice_and_refunds_bring_credit_notes() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let order = scene.order(event, 2).await;
    scene.run(address(&order)).await.unwrap();
    assert!(documents(&scene, &order).await.is_empty());
    let pay = ConfirmPayment::of(order.order.id.into());
    scene.run(pay).await.unwrap();
    let whole = invoice(&scene, "2027-00001").await;
    assert_eq!(
        (
            whole.summary.net.amount,
            whole.summary.tax.amount,
            whole.summary.gross.amount
        ),
        (4350, 798, 5148)
    );
    assert_eq!(
        (whole.issued_on.as_str(), whole.supplied_on.as_str()),
        ("2027-01-11", "2027-02-04")
    );
    assert_eq!(whole.buyer.name.as_str(), "Analytical Engines Ltd");
    assert_eq!(whole.seller.tax_id, "DE123456789");
    assert_eq!(whole.lines.len(), 2);
    assert_eq!(
        whole
            .taxes
            .iter()
            .map(|rate| rate.gross.amount)
            .sum::<i64>(),
        5148
    );
    let kinds: Vec<_> = scene.changes().await.into_iter().map(|c| c.kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], ["order.paid", "invoice.issued"]);
    assert_refused(scene.run(address(&order)).await, "invoiced_already");

    scene.run(refunding(&order, 1000)).await.unwrap();
    let note = invoice(&scene, "C2027-00001").await;
    assert_eq!(note.summary.of_invoice.as_deref(), Some("2027-00001"));
    assert_eq!(note.summary.gross.amount, 1000);
    assert_eq!(note.reason.as_deref(), Some("money was given back"));
    let cancel = CancelOrder {
        refund: Some(RefundChoice::Full),
        ..CancelOrder::of(order.order.id.into())
    };
    scene.run(cancel).await.unwrap();
    let all = documents(&scene, &order).await;
    assert_eq!(all[0].credited, Some(Money::new(5148, eur())));
    // What was credited adds up to the invoice, the tax of it too.
    let credited: i64 = all[1..].iter().map(|note| note.tax.amount).sum();
    assert_eq!((all.len(), credited), (3, 798));
    assert_eq!(invoice(&scene, "2027-00001").await.lines, whole.lines);
    scene.reconcile().await;
}

#[tokio::test]
async fn a_cancellation_without_refund_leaves_the_invoice_standing() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let order = paid(&scene, event, 1).await;
    let cancel = CancelOrder {
        refund: Some(RefundChoice::None),
        ..CancelOrder::of(order.order.id.into())
    };
    scene.run(cancel).await.unwrap();
    assert_eq!(documents(&scene, &order).await.len(), 1);
    scene.reconcile().await;
}

#[tokio::test]
async fn an_order_that_changed_is_invoiced_anew() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let books = selling(event, "Book", 1000, 9);
    scene.run(books).await.unwrap();
    scene.run(vat("VAT 7 %", "7")).await.unwrap();
    let reduced = SetTicketTypeTax {
        event: event.into(),
        ticket_type: "Book".parse().unwrap(),
        tax_rule: Patch::Set("VAT 7 %".parse().unwrap()),
    };
    scene.run(reduced).await.unwrap();
    let order = paid(&scene, event, 2).await;
    let swap = SwapTickets {
        order: order.order.id.into(),
        to: "Book".parse().unwrap(),
        ticket_type: None,
        quantity: Some(1),
        tickets: None,
        price: Some(SwapPrice::New),
        collected: false,
    };
    let swapped = scene.run(swap).await.unwrap();
    // The fee stays as it was charged.
    assert_eq!(swapped.order.order.total.amount, 2499 + 1000 + 150);
    let all = documents(&scene, &order).await;
    let said: Vec<_> = all
        .iter()
        .map(|d| (d.number.as_str(), d.gross.amount, d.tax.amount))
        .collect();
    let expected = [
        ("2027-00001", 5148, 798),
        ("C2027-00001", 5148, 798),
        ("2027-00002", 3649, 399 + 65),
    ];
    assert_eq!(said, expected);
    let anew = invoice(&scene, "2027-00002").await;
    let names: Vec<_> = anew.lines.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["Regular", "Book", "Service"]);
    assert_eq!(anew.reason.as_deref(), Some("tickets were exchanged"));

    // What is kept of a cancelled ticket stays charged, with its tax.
    let cancel = CancelTickets {
        order: order.order.id.into(),
        ticket_type: Some("Book".parse().unwrap()),
        quantity: Some(1),
        tickets: None,
        refund: Some(RefundChoice::None),
        reason: None,
        even_if_checked_in: false,
    };
    let kept = scene.run(cancel).await.unwrap().order;
    assert_eq!(kept.order.total.amount, 3649);
    let fees: Vec<_> = kept.fees.iter().map(|fee| fee.name.as_str()).collect();
    assert_eq!(fees, ["Service", "Cancelled: 1 × Book"]);
    let last = documents(&scene, &order).await.pop().unwrap();
    assert_eq!(
        (last.number.as_str(), last.gross.amount, last.tax.amount),
        ("2027-00003", 3649, 399 + 65)
    );
    scene.reconcile().await;
}

#[tokio::test]
async fn an_event_that_is_refunded_has_a_credit_note_for_each_invoice() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let (first, second) = (paid(&scene, event, 1).await, paid(&scene, event, 2).await);
    scene.move_event(event, StatusMove::Cancel(None)).await;
    scene.run(refunding_event(event)).await.unwrap();
    scene.run(going_on(event)).await.unwrap();
    for order in [&first, &second] {
        let all = documents(&scene, order).await;
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].credited, Some(all[0].gross));
    }
    scene.reconcile().await;
}

#[tokio::test]
async fn an_order_that_comes_back_is_invoiced_whole() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let order = paid(&scene, event, 1).await;
    let cancel = CancelOrder {
        refund: Some(RefundChoice::Full),
        ..CancelOrder::of(order.order.id.into())
    };
    scene.run(cancel).await.unwrap();
    let back = ReactivateOrder {
        order: order.order.id.into(),
        reason: None,
    };
    scene.run(back).await.unwrap();
    let pay = ConfirmPayment::of(order.order.id.into());
    scene.run(pay).await.unwrap();
    let all = documents(&scene, &order).await;
    let numbers: Vec<_> = all.iter().map(|d| d.number.as_str()).collect();
    assert_eq!(numbers, ["2027-00001", "C2027-00001", "2027-00002"]);
    let names = invoice(&scene, "2027-00002").await.lines;
    let names: Vec<_> = names.iter().map(|line| line.name.as_str()).collect();
    assert_eq!(names, ["Regular", "Service"]);
    scene.reconcile().await;
}

#[tokio::test]
async fn a_refund_that_fails_is_invoiced_again() {
    let shop = Shop::new(5).await;
    shop.scene.taxed(shop.event, "VAT", "7").await;
    shop.scene.run(invoicing()).await.unwrap();
    let order = shop.paid(2).await;
    shop.scene.run(refunding(&order, 1500)).await.unwrap();
    let fail = "update refund set status = 'failed', failure = 'no', updated_at = now(); \
                update orders set refunded_amount = 0";
    shop.scene.database.tell(fail).await;
    // Whatever moves money next brings the documents up.
    shop.scene.run(refunding(&order, 500)).await.unwrap();
    let amounts: Vec<_> = documents(&shop.scene, &order)
        .await
        .iter()
        .map(|d| d.gross.amount)
        .collect();
    assert_eq!(amounts, [5000, 1500, 1000]);
    shop.scene.reconcile().await;
}

/// Pays orders at the same time; the numbers of their invoices.
async fn numbers(scene: &Arc<Scene>, count: usize) -> Vec<i32> {
    let event = trading(scene).await;
    let mut orders = Vec::new();
    for _ in 0..count {
        orders.push(
            scene
                .run(buying(event, "Regular", 1))
                .await
                .unwrap()
                .order
                .order
                .id,
        );
    }
    let mut paying = tokio::task::JoinSet::new();
    for order in orders {
        let scene = Arc::clone(scene);
        paying.spawn(async move { scene.run(ConfirmPayment::of(order.into())).await.is_ok() });
    }
    while let Some(done) = paying.join_next().await {
        let _ = done.unwrap();
    }
    let mut owner = scene.database.owner().await;
    let rows = sqlx::query("select sequence from invoice where kind = 'invoice' order by sequence");
    let rows = rows.fetch_all(&mut owner).await.unwrap();
    rows.into_iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn numbers_have_no_gaps_whoever_pays_at_the_same_time() {
    let scene = Arc::new(Scene::new().await);
    let numbers = numbers(&scene, 32).await;
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
    scene.reconcile().await;
}

#[tokio::test]
async fn a_transaction_that_is_given_up_leaves_no_gap() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    paid(&scene, event, 1).await;
    let order = scene.order(event, 1).await;
    let dry = scene.cx.clone().in_mode(domain::context::Mode::DryRun);
    let pay = ConfirmPayment::of(order.order.id.into());
    scene.app.run(&dry, pay.clone()).await.unwrap();
    scene.run(pay).await.unwrap();
    assert_eq!(documents(&scene, &order).await[0].number, "2027-00002");
}

/// The control: numbers of a sequence, without the row that is locked, have gaps where a transaction is given up.
#[tokio::test]
async fn without_the_locked_row_numbers_have_gaps() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    paid(&scene, event, 1).await;
    let off = "create sequence loose start 2; grant usage on sequence loose to eventos_app; \
        create function loose_number() returns trigger language plpgsql as \
          $$ begin new.sequence := nextval('loose'); return new; end $$; \
        drop trigger invoice_numbered on invoice; \
        create trigger invoice_loose before insert on invoice for each row execute function loose_number()";
    scene.database.tell(off).await;
    let order = scene.order(event, 1).await;
    let dry = scene.cx.clone().in_mode(domain::context::Mode::DryRun);
    let pay = ConfirmPayment::of(order.order.id.into());
    scene.app.run(&dry, pay.clone()).await.unwrap();
    scene.run(pay).await.unwrap();
    assert_eq!(documents(&scene, &order).await[0].number, "2027-00003");
}

#[tokio::test]
async fn the_database_keeps_documents_as_they_are_and_credits_within_them() {
    let scene = Scene::new().await;
    let event = trading(&scene).await;
    let order = paid(&scene, event, 1).await;
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let changed = sqlx::query("update invoice set gross_amount = 1")
        .execute(tx.conn())
        .await;
    assert!(
        changed
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
    drop(tx);
    scene.run(refunding(&order, 2000)).await.unwrap();
    let mut tx = scene.app.store().write(&scene.cx).await.unwrap();
    let twice = "insert into invoice (organization_id, id, order_id, event_id, kind, invoice_id, prefix, sequence, issued_at, \
           issued_on, supplied_on, currency, net_amount, tax_amount, gross_amount, order_number, event_title, seller, buyer, \
           lines, taxes, reason) \
         select organization_id, gen_random_uuid(), order_id, event_id, kind, invoice_id, prefix, sequence + 1, issued_at, \
           issued_on, supplied_on, currency, net_amount, tax_amount, gross_amount, order_number, event_title, seller, buyer, \
           lines, taxes, reason from invoice where kind = 'credit_note'";
    let over = sqlx::query(twice).execute(tx.conn()).await;
    let error = over.unwrap_err();
    let constraint = error
        .as_database_error()
        .and_then(|error| error.constraint());
    assert_eq!(constraint, Some("invoice_credited_within"));
}
