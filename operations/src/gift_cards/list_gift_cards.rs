//! `list_gift_cards`: the gift cards of the organization.

use domain::{Cursor, Cx, Page, PageRequest, Permission};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{error::GiftCardError, model::GiftCard, sql, using};
use crate::{App, Effect, Operation};

/// Gift cards with what is left on them, newest first; only those that can be used unless `all` is set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListGiftCards {
    /// The last four characters of a code, or part of a note.
    pub query: Option<String>,
    /// Also those that are blocked, over or used up.
    #[serde(default)]
    pub all: bool,
    /// Show the codes, which are worth money.
    #[serde(default)]
    pub codes: bool,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListGiftCards {
    const NAME: &'static str = "list_gift_cards";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::PaymentsConfirm;
    type Output = Page<GiftCard>;
    type Error = GiftCardError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<GiftCard>, GiftCardError> {
        let mut tx = app.store().read(cx).await?;
        let today = using::today(tx.conn(), cx).await?;
        let filter = sql::Filter {
            query: self.query.map(|query| query.trim().to_owned()),
            usable_on: (!self.all).then_some(today),
            page: self.page,
        };
        let rows = sql::list(tx.conn(), &filter).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.created_at.as_microseconds(),
            id: row.id.into(),
        });
        let key = app.key().filter(|_| self.codes);
        Ok(page.map(|row| row.shown(today, key)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::Money;

    use super::*;
    use crate::{
        gift_cards::{IssueGiftCards, UpdateGiftCard},
        testing::{Scene, eur},
    };

    #[tokio::test]
    async fn shows_each_card_once_and_codes_only_when_asked() {
        let scene = Scene::new().await;
        let many = IssueGiftCards {
            count: Some(120),
            note: Some("Raffle".parse().unwrap()),
            ..IssueGiftCards::of(Money::new(1000, eur()))
        };
        let issued = scene.run(many).await.unwrap().gift_cards;
        let block = UpdateGiftCard {
            is_blocked: Some(true),
            ..UpdateGiftCard::of(issued[5].id.into())
        };
        scene.run(block).await.unwrap();
        let mut seen = HashSet::new();
        let mut request = ListGiftCards {
            codes: true,
            ..ListGiftCards::default()
        };
        loop {
            let page = scene.run(request.clone()).await.unwrap();
            seen.extend(page.items.into_iter().map(|card| card.code.unwrap()));
            request.page.cursor = page.next;
            if request.page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 119);
        let one = ListGiftCards {
            query: Some(issued[5].ending.to_lowercase()),
            all: true,
            ..ListGiftCards::default()
        };
        let found = scene.run(one.clone()).await.unwrap().items;
        assert!(found.iter().any(|card| card.id == issued[5].id));
        assert!(found.iter().all(|card| card.code.is_none()));
        let usable = ListGiftCards { all: false, ..one };
        let found = scene.run(usable).await.unwrap().items;
        assert!(found.iter().all(|card| card.id != issued[5].id));
        let noted = ListGiftCards {
            query: Some("raffle".to_owned()),
            ..ListGiftCards::default()
        };
        assert_eq!(scene.run(noted).await.unwrap().items.len(), 50);
    }
}
