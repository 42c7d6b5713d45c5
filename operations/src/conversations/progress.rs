//! What whoever runs agents reads and writes of a conversation while a turn goes on. What is written here is for people to
//! follow: what counts is written with the run's steps, and at the end with `record_turn`.

use domain::{ConversationId, Cx, Permission, Permissions, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use store::StoreError;

use super::{model::EntryKind, sql};
use crate::{App, organizations};

/// What a turn begins with.
#[derive(Debug, Clone)]
pub struct Began {
    /// What was said in earlier turns, one value each, oldest first.
    pub turns: Vec<Value>,
    /// Whether strangers' text was read in one of them.
    pub is_tainted: bool,
    /// What the agent may do: what the person could when they began, as far as their role goes now.
    pub permissions: Permissions,
    /// The person.
    pub user_id: UserId,
}

/// What was said before a turn, and what the agent may do in it; nothing when the conversation or the person's membership
/// is gone.
pub async fn history(
    app: &App,
    cx: &Cx,
    id: ConversationId,
    turn: i32,
) -> Result<Option<Began>, StoreError> {
    let mut tx = app.store().read(cx).await?;
    let Some(row) = sql::get(tx.conn(), cx, id, None).await? else {
        return Ok(None);
    };
    let Some(rights) = of_member(tx.conn(), row.user_id).await? else {
        return Ok(None);
    };
    let (turns, is_tainted) = sql::history(tx.conn(), id, turn).await?;
    let began: Permissions = (row.permissions.iter())
        .filter_map(|name| name.parse::<Permission>().ok())
        .collect();
    Ok(Some(Began {
        turns,
        is_tainted,
        permissions: began.intersect(rights),
        user_id: row.user_id,
    }))
}

/// What an agent may do for a member: what they may, but for what no token may; nothing when they have left.
pub async fn rights(
    app: &App,
    cx: &Cx,
    user_id: UserId,
) -> Result<Option<Permissions>, StoreError> {
    let mut tx = app.store().read(cx).await?;
    Ok(of_member(tx.conn(), user_id).await?)
}

async fn of_member(conn: &mut PgConnection, user_id: UserId) -> sqlx::Result<Option<Permissions>> {
    let members = organizations::members(conn).await?;
    let member = members.into_iter().find(|one| one.user_id == user_id);
    Ok(member.map(|one| {
        one.role
            .permissions()
            .intersect(Permissions::all_for_tokens())
    }))
}

/// Something for people to see while the turn goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Which part of the turn it is; takes the place of an older one.
    pub part: String,
    /// What it is.
    pub kind: EntryKind,
    /// What it says.
    pub body: Value,
    /// Pieces of text that it takes the place of: those whose part begins so.
    pub replaces: Option<String>,
}

/// Writes entries, unless the turn is over.
pub async fn note(
    app: &App,
    cx: &Cx,
    id: ConversationId,
    turn: i32,
    notes: &[Note],
) -> Result<(), StoreError> {
    let cx = cx.apart();
    let mut tx = app.store().write(&cx).await?;
    sql::lock(tx.conn(), id).await?;
    let goes_on = matches!(sql::turn(tx.conn(), id, turn).await?, Some((_, None)));
    if goes_on {
        for note in notes {
            if let Some(prefix) = &note.replaces {
                sql::drop_pieces(tx.conn(), id, turn, prefix).await?;
            }
            let entry = (note.part.as_str(), note.kind, &note.body);
            sql::write_entry(tx.conn(), &cx, id, turn, entry).await?;
        }
    }
    tx.unchanged(()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        conversations::{AskAgent, GetConversation, StopConversation},
        testing::Scene,
    };
    use serde_json::json;

    fn piece(part: &str, kind: EntryKind, text: &str, replaces: Option<&str>) -> Note {
        Note {
            part: part.to_owned(),
            kind,
            body: json!({"text": text}),
            replaces: replaces.map(ToOwned::to_owned),
        }
    }

    #[tokio::test]
    async fn pieces_give_way_to_the_whole_and_nothing_is_added_after_the_end() {
        let scene = Scene::new().await;
        let ask = AskAgent {
            message: "Hello".to_owned(),
            ..AskAgent::default()
        };
        let id = scene.run(ask).await.unwrap().id;
        let write = async |notes: &[Note]| {
            note(&scene.app, &scene.cx, id, 1, notes).await.unwrap();
        };
        let texts = async || {
            let detail = scene.run(GetConversation::of(id)).await.unwrap();
            let text = |entry: &crate::conversations::ConversationEntry| {
                entry.body["text"].as_str().unwrap_or_default().to_owned()
            };
            detail.entries.iter().map(text).collect::<Vec<_>>()
        };
        write(&[
            piece("m1/1", EntryKind::Text, "Good ", None),
            piece("m1/2", EntryKind::Text, "day", None),
        ])
        .await;
        assert_eq!(texts().await, ["Hello", "Good ", "day"]);
        // The step is done anew after a crash.
        write(&[piece("m1/1", EntryKind::Text, "Good day", None)]).await;
        assert_eq!(texts().await, ["Hello", "day", "Good day"]);
        write(&[piece("m1", EntryKind::Said, "Good day.", Some("m1/"))]).await;
        assert_eq!(texts().await, ["Hello", "Good day."]);
        scene
            .run(StopConversation { conversation: id })
            .await
            .unwrap();
        let after = texts().await.len();
        write(&[piece("m2", EntryKind::Said, "Too late", None)]).await;
        assert_eq!(texts().await.len(), after);
    }

    #[tokio::test]
    async fn an_agent_may_what_the_person_may_now_and_could_then() {
        let scene = Scene::new().await;
        let began_with = Permissions::NONE
            .with(Permission::AgentsUse)
            .with(Permission::EventsRead);
        let cx = scene.cx.clone().with_permissions(began_with);
        let ask = AskAgent {
            message: "Hello".to_owned(),
            ..AskAgent::default()
        };
        let id = scene.app.run(&cx, ask).await.unwrap().id;
        let began = history(&scene.app, &scene.cx, id, 1)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(began.permissions, began_with);
        assert!(!began.permissions.allows(Permission::ApprovalsDecide));
        let other = scene.other_organization().await;
        assert!(history(&scene.app, &other, id, 1).await.unwrap().is_none());
    }
}
