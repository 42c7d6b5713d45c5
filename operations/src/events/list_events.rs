//! `list_events`: the programme.

use domain::{Cursor, Cx, LocalTime, Page, PageRequest, Permission, Reference, SeriesId, VenueId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    model::{Event, EventStatus},
    sql,
};
use crate::{App, Effect, Operation, lookup::LookupError, organizations, venues};

/// Events in order of their start, without archived ones unless asked for. `query` searches titles and forgives typos.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListEvents {
    /// Part of a title.
    pub query: Option<String>,
    /// Only events in this state.
    pub status: Option<EventStatus>,
    /// Only events at this venue: id or exact name.
    pub venue: Option<Reference<VenueId>>,
    /// Only dates of this series.
    pub series_id: Option<SeriesId>,
    /// Only events not over by this local time.
    pub from: Option<LocalTime>,
    /// Only events starting before this local time.
    pub until: Option<LocalTime>,
    /// Latest start first.
    #[serde(default)]
    pub newest_first: bool,
    /// Which page.
    #[serde(flatten)]
    pub page: PageRequest,
}

impl Operation for ListEvents {
    const NAME: &'static str = "list_events";
    const EFFECT: Effect = Effect::Read;
    const NEEDS: Permission = Permission::EventsRead;
    type Output = Page<Event>;
    type Error = LookupError;

    async fn run(self, app: &App, cx: &Cx) -> Result<Page<Event>, LookupError> {
        let mut tx = app.store().read(cx).await?;
        let venue_id = match &self.venue {
            Some(reference) => Some(venues::resolve(tx.conn(), reference).await?.id),
            None => None,
        };
        let zone = organizations::current(tx.conn()).await?.zone;
        let filter = sql::Filter {
            query: self.query.as_deref(),
            status: self.status.map(EventStatus::as_str),
            venue_id,
            series_id: self.series_id,
            from: self.from.map(|local| local.resolve_leniently(&zone)),
            until: self.until.map(|local| local.resolve_leniently(&zone)),
            newest_first: self.newest_first,
            page: self.page,
        };
        let rows = sql::list(tx.conn(), cx, &filter).await?;
        Ok(Page::cut(rows, self.page, |event| Cursor {
            key: event.starts_at.as_microseconds(),
            id: event.id.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        events::CreateEvent,
        testing::{Scene, assert_refused, new_event},
    };

    async fn titles(scene: &Scene, command: ListEvents) -> Vec<String> {
        scene
            .run(command)
            .await
            .unwrap()
            .items
            .into_iter()
            .map(|e| e.title)
            .collect()
    }

    async fn on(scene: &Scene, title: &str, starts: &str) {
        scene
            .run(CreateEvent {
                starts: starts.parse().unwrap(),
                ..new_event(title)
            })
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn sorts_filters_and_searches() {
        let scene = Scene::new().await;
        on(&scene, "Summer Fête", "2027-07-01T19:00").await;
        on(&scene, "Spring Gala", "2027-04-01T19:00").await;
        assert_eq!(
            titles(&scene, ListEvents::default()).await,
            ["Spring Gala", "Summer Fête"]
        );
        let newest = ListEvents {
            newest_first: true,
            ..ListEvents::default()
        };
        assert_eq!(titles(&scene, newest).await, ["Summer Fête", "Spring Gala"]);
        for query in ["fete", "Sumer fete"] {
            let command = ListEvents {
                query: Some(query.to_owned()),
                ..ListEvents::default()
            };
            assert_eq!(titles(&scene, command).await, ["Summer Fête"], "{query}");
        }
        let from = ListEvents {
            from: Some("2027-05-01T00:00".parse().unwrap()),
            ..ListEvents::default()
        };
        assert_eq!(titles(&scene, from).await, ["Summer Fête"]);
        let until = ListEvents {
            until: Some("2027-05-01T00:00".parse().unwrap()),
            ..ListEvents::default()
        };
        assert_eq!(titles(&scene, until).await, ["Spring Gala"]);
        let published = ListEvents {
            status: Some(EventStatus::Published),
            ..ListEvents::default()
        };
        assert!(titles(&scene, published).await.is_empty());
    }

    #[tokio::test]
    async fn pages_in_both_directions_without_gaps() {
        let scene = Scene::new().await;
        for n in 0..5 {
            scene.run(new_event(&format!("{n}"))).await.unwrap();
        }
        for newest_first in [false, true] {
            let mut seen = Vec::new();
            let mut page = PageRequest {
                cursor: None,
                limit: Some(2),
            };
            loop {
                let answer = scene
                    .run(ListEvents {
                        newest_first,
                        page,
                        ..ListEvents::default()
                    })
                    .await
                    .unwrap();
                seen.extend(answer.items.iter().map(|e| e.id));
                let Some(next) = answer.next else { break };
                page.cursor = Some(next);
            }
            assert_eq!(seen.len(), 5, "newest first: {newest_first}");
            assert_eq!(
                seen.iter().collect::<std::collections::HashSet<_>>().len(),
                5
            );
        }
    }

    #[tokio::test]
    async fn refuses_an_unknown_venue() {
        let scene = Scene::new().await;
        let command = ListEvents {
            venue: Some("nowhere".parse().unwrap()),
            ..ListEvents::default()
        };
        assert_refused(scene.run(command).await, "not_found");
    }

    #[tokio::test]
    async fn shows_nothing_of_another_organization() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        scene.run(new_event("Spring Gala")).await.unwrap();
        assert!(
            scene
                .app
                .run(&other, ListEvents::default())
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
