//! `list_orders`: who bought, and who has not paid.

use domain::{Cursor, Cx, EventId, Page, PageRequest, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{Order, OrderStatus},
    number::OrderNumber,
    sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// Orders, newest first. `query` searches order number, buyer's name and address and forgives typos; without the
/// scope attendees:personal people are masked and only whole order numbers are found. For "who has not paid": status
/// pending, with `older_than_days` if they get some time.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListOrders {
    /// Order number, or part of a buyer's name or address.
    pub query: Option<String>,
    /// Only orders for this event: id, slug or exact title.
    pub event: Option<Reference<EventId>>,
    /// Only orders in this state.
    pub status: Option<OrderStatus>,
    /// Only orders placed at least so many days ago.
    pub older_than_days: Option<u16>,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListOrders {
    const NAME: &'static str = "list_orders";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::OrdersRead;
    type Output = Page<Order>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Order>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event_id = match &self.event {
            Some(reference) => Some(events::resolve(tx.conn(), cx, reference).await?.id),
            None => None,
        };
        let query = self.query.as_deref().map(str::trim);
        let query = query.filter(|query| !query.is_empty());
        let number = query.and_then(|query| query.parse::<OrderNumber>().ok());
        let days = self.older_than_days.map(i64::from);
        let filter = sql::Filter {
            query,
            number: number.as_ref().map(OrderNumber::as_str),
            personal: cx.may(Permission::AttendeesPersonal),
            event_id,
            status: self.status,
            placed_before: days.map(|days| cx.now.plus_seconds(-days * 24 * 3600)),
            page: self.page,
        };
        let rows = sql::list(tx.conn(), &filter).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.placed_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.seen(cx)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        orders::{Buyer, PlaceOrder},
        permission::Role,
        testing::{Scene, assert_refused, buying},
    };

    async fn bought_by(scene: &Scene, event: EventId, name: &str, email: &str) -> String {
        let buyer = Buyer {
            name: name.parse().unwrap(),
            email: email.parse().unwrap(),
        };
        let command = PlaceOrder {
            buyer,
            ..buying(event, "Regular", 1)
        };
        scene.run(command).await.unwrap().order.order.number
    }

    fn searching(query: &str) -> ListOrders {
        ListOrders {
            query: Some(query.to_owned()),
            ..ListOrders::default()
        }
    }

    #[tokio::test]
    async fn finds_by_number_name_and_address_with_typos() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let number = bought_by(
            &scene,
            event.id,
            "Jürgen Müller",
            "jm+gala@beispiel.example",
        )
        .await;
        bought_by(&scene, event.id, "Grace Hopper", "grace@example.org").await;
        let spaced = format!("{} {}", &number[..3], number[3..].to_lowercase());
        for query in [
            "muller",
            "Müler",
            "Jurgen Mueller",
            "jm+gala@",
            "beispiel",
            &number,
            &spaced,
        ] {
            let found = scene.run(searching(query)).await.unwrap().items;
            let numbers: Vec<_> = found.iter().map(|order| order.number.as_str()).collect();
            assert_eq!(numbers, [number.as_str()], "{query}");
        }
        assert!(scene.run(searching("zzzz")).await.unwrap().items.is_empty());
    }

    #[tokio::test]
    async fn a_name_that_could_be_an_order_number_is_found_as_a_name() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        assert!("Matthew".parse::<OrderNumber>().is_ok());
        let number = bought_by(&scene, event.id, "Matthew Flinders", "mf@example.org").await;
        let found = scene.run(searching("Matthew")).await.unwrap().items;
        assert_eq!(found[0].number, number);
    }

    #[tokio::test]
    async fn those_who_may_not_see_people_cannot_guess_them_either() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        let number = bought_by(&scene, event.id, "Grace Hopper", "grace@example.org").await;
        let viewer = scene.as_role(Role::Viewer);
        for guess in [
            "Grace",
            "hopper",
            "grace@example.org",
            "example",
            &number[..5],
        ] {
            let found = scene.app.run(&viewer, searching(guess)).await.unwrap();
            assert!(found.items.is_empty(), "{guess}");
        }
        let spaced = format!("{} {}", &number[..3], &number[3..]);
        let found = scene.app.run(&viewer, searching(&spaced)).await.unwrap();
        assert_eq!(found.items[0].number, number);
    }

    #[tokio::test]
    async fn says_who_has_not_paid_for_how_long() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        scene.order(event.id, 1).await;
        let unpaid = ListOrders {
            status: Some(OrderStatus::Pending),
            older_than_days: Some(3),
            event: Some(event.id.into()),
            ..ListOrders::default()
        };
        assert!(scene.run(unpaid.clone()).await.unwrap().items.is_empty());
        let later = scene.at("2027-01-15T10:00:00Z");
        let found = scene.app.run(&later, unpaid).await.unwrap().items;
        assert_eq!(found[0].age_days, Some(4));
        assert_eq!(found[0].open.unwrap().to_string(), "25.00 EUR");
        let paid = ListOrders {
            status: Some(OrderStatus::Paid),
            ..ListOrders::default()
        };
        assert!(scene.run(paid).await.unwrap().items.is_empty());
    }

    #[tokio::test]
    async fn pages_newest_first_without_gaps() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(0, 50).await;
        let mut placed = Vec::new();
        for _ in 0..5 {
            placed.insert(0, scene.order(event.id, 1).await.order.number);
        }
        let mut seen = Vec::new();
        let mut page = PageRequest {
            cursor: None,
            limit: Some(2),
        };
        loop {
            let command = ListOrders {
                page,
                ..ListOrders::default()
            };
            let answer = scene.run(command).await.unwrap();
            seen.extend(answer.items.into_iter().map(|order| order.number));
            let Some(next) = answer.next else { break };
            page.cursor = Some(next);
        }
        assert_eq!(seen, placed);
    }

    #[tokio::test]
    async fn masks_for_viewers_and_hides_from_others() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let (event, _) = scene.on_sale(2500, 50).await;
        scene.order(event.id, 1).await;
        let viewer = scene.as_role(Role::Viewer);
        let masked = scene.app.run(&viewer, ListOrders::default()).await.unwrap();
        assert_eq!(masked.items[0].buyer_name.as_str(), "A… L…");
        let none = scene.app.run(&other, ListOrders::default()).await.unwrap();
        assert!(none.items.is_empty());
        let theirs = ListOrders {
            event: Some(event.id.into()),
            ..ListOrders::default()
        };
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
    }
}
