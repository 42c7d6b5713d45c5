//! `list_promo_codes`: the promo codes of an event and how often they were used.

use domain::{Cursor, Cx, EventId, Page, PageRequest, Permission, Reference};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{self, PromoCode},
    sql,
};
use crate::{App, Effect, Operation, events, lookup::LookupError};

/// The promo codes of an event with what they do and how often they were used, newest first; without archived ones
/// unless asked for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ListPromoCodes {
    /// Event: id, slug or exact title.
    pub event: Reference<EventId>,
    /// Part of a code.
    pub query: Option<String>,
    /// Archived ones, too.
    #[serde(default)]
    pub archived: bool,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl ListPromoCodes {
    /// The first page of those of an event that are not archived.
    pub fn of(event: Reference<EventId>) -> Self {
        Self {
            event,
            query: None,
            archived: false,
            page: PageRequest::default(),
        }
    }
}

impl Operation for ListPromoCodes {
    const NAME: &'static str = "list_promo_codes";
    const EFFECT: Effect = Effect::Read;
    // Codes are worth money: whoever may only look at events does not see them.
    const NEEDS: Permission = Permission::EventsWrite;
    type Output = Page<PromoCode>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<PromoCode>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let event = events::resolve(tx.conn(), cx, &self.event).await?;
        let filter = sql::Filter {
            event_id: event.id,
            query: self.query.as_deref().map(model::normal),
            archived: self.archived,
            page: self.page,
        };
        let rows = sql::list(tx.conn(), &filter).await?;
        let page = Page::cut(rows, self.page, |row| Cursor {
            key: row.created_at.as_microseconds(),
            id: row.id.into(),
        });
        Ok(page.map(|row| row.seen(cx)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        promo_codes::{CreatePromoCodes, PromoCodeState},
        testing::{Scene, holding, promo, with_code},
    };

    #[tokio::test]
    async fn shows_each_code_once_and_how_often_it_was_used() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 10).await;
        scene
            .run(promo(event.id, "SHARED", 10, None))
            .await
            .unwrap();
        let batch = CreatePromoCodes {
            percent_off: Some(20),
            ..CreatePromoCodes::of(event.id.into(), "NEWS".parse().unwrap(), 450)
        };
        let made = scene.run(batch).await.unwrap();
        let one = &made.codes[7];
        scene
            .run(with_code(holding(event.id, 1), one))
            .await
            .unwrap();
        let mut seen = HashSet::new();
        let mut page = ListPromoCodes::of(event.id.into());
        page.page.limit = Some(200);
        loop {
            let found = scene.run(page.clone()).await.unwrap();
            seen.extend(found.items.into_iter().map(|code| code.code));
            page.page.cursor = found.next;
            if page.page.cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), 451);
        let part = ListPromoCodes {
            query: Some(one[5..].to_lowercase()),
            ..ListPromoCodes::of(event.id.into())
        };
        let found = scene.run(part).await.unwrap().items;
        assert_eq!((found.len(), found[0].held_uses), (1, 1));
        assert_eq!(
            (found[0].left, found[0].state),
            (Some(0), PromoCodeState::UsedUp)
        );
    }
}
