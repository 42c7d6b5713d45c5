//! For tests: an organization whose orders are paid through the simulator of Stripe, over HTTP.

use domain::{Cx, EventId, Permission};
use payments::simulator::Simulator;

use super::{CheckPayment, ExpireOrder, StartCheckout};
use crate::{
    buyers,
    orders::{GetOrder, OrderDetail, OrderStatus, PlaceOrder},
    testing::{Scene, Till, buying, noon},
};

/// A scene whose orders are paid through a processor.
pub(crate) struct Shop {
    pub(crate) scene: Scene,
    pub(crate) simulator: Simulator,
    pub(crate) event: EventId,
    _till: Till,
}

impl Shop {
    /// An event with so many places at 25.00, and a processor whose webhooks are lost.
    pub(crate) async fn new(places: i32) -> Self {
        let mut scene = Scene::new().await;
        let till = Till::open().await;
        scene.app = scene.app.clone().with_payments(Some(till.payments()));
        let (event, _) = scene.on_sale(2500, places).await;
        Self {
            scene,
            simulator: till.simulator.clone(),
            event: event.id,
            _till: till,
        }
    }

    pub(crate) fn buyer(&self) -> Cx {
        let may = [
            Permission::OrdersWrite,
            Permission::OrdersRead,
            Permission::AttendeesPersonal,
        ];
        buyers::context(self.scene.cx.organization_id, may, self.scene.cx.now)
    }

    /// An order that a buyer places.
    pub(crate) async fn order(&self, quantity: i32) -> OrderDetail {
        let wanted: PlaceOrder = buying(self.event, "Regular", quantity);
        let placed = self.scene.app.run(&self.buyer(), wanted).await;
        placed.unwrap().order
    }

    /// The processor's page of an order, by its id there.
    pub(crate) async fn page(&self, order: &OrderDetail) -> String {
        let started = self.scene.app.run(&self.buyer(), paying(order)).await;
        let url = started.unwrap().page_url.unwrap();
        url.rsplit('/').next().unwrap().to_owned()
    }

    /// What a buyer does on a page.
    pub(crate) fn choose(&self, page: &str, action: &str) {
        self.simulator
            .choose(page, action)
            .expect("the page is there");
    }

    /// What is known of an order after the processor was asked.
    pub(crate) async fn checked(&self, order: &OrderDetail) -> OrderDetail {
        self.scene.run(checking(order)).await.unwrap().order
    }

    pub(crate) async fn seen(&self, order: &OrderDetail) -> OrderDetail {
        let id = order.order.id;
        self.scene.run(GetOrder { order: id.into() }).await.unwrap()
    }

    /// An order that was paid on the processor's page.
    pub(crate) async fn paid(&self, quantity: i32) -> OrderDetail {
        let order = self.order(quantity).await;
        let page = self.page(&order).await;
        self.choose(&page, "pay");
        let order = self.checked(&order).await;
        assert_eq!(order.order.status, OrderStatus::Paid);
        order
    }

    /// The scene after the time to pay is over.
    pub(crate) fn later(&self) -> Cx {
        self.scene.cx.clone().with_now(noon().plus_seconds(40 * 60))
    }

    /// An order whose time was over, and whose page was not closed: as if the processor had taken the money of a page
    /// that it had closed.
    pub(crate) async fn expired_by_hand(&self, order: &OrderDetail) {
        let places = order.order.ticket_count;
        let statements = format!(
            "begin; update orders set status = 'expired' where number = '{}'; \
             update capacity_pool set held_count = held_count - {places}; commit",
            order.order.number
        );
        self.scene.database.tell(&statements).await;
    }

    pub(crate) async fn count(&self, what: &str) -> i64 {
        self.scene.database.count(what).await
    }
}

pub(crate) fn paying(order: &OrderDetail) -> StartCheckout {
    StartCheckout {
        order: order.order.id.into(),
    }
}

pub(crate) fn checking(order: &OrderDetail) -> CheckPayment {
    CheckPayment {
        order: order.order.id.into(),
    }
}

pub(crate) fn expiring(order: &OrderDetail) -> ExpireOrder {
    ExpireOrder {
        order: order.order.id.into(),
    }
}
