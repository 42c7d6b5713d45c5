//! What was said, as it is kept: without what only belongs to one turn. Pure.

use llm::{Block, Message};
use operations::catalog;
use serde_json::Value;

/// How much of a tool's result later turns are told, in characters.
const RESULT: usize = 2_000;
/// How much of earlier turns is told in all, in characters. Whole turns are left out, oldest first.
const HISTORY: usize = 160_000;

/// A turn's messages, as later turns are told of them: signed thinking belongs to its own turn, and long results have been
/// read.
pub(crate) fn kept(messages: &[Message]) -> Vec<Message> {
    let keep = |block: &Block| match block {
        Block::Opaque { .. } => None,
        Block::ToolResult {
            id,
            content,
            is_error,
        } => Some(Block::ToolResult {
            id: id.clone(),
            content: shortened(content),
            is_error: *is_error,
        }),
        other => Some(other.clone()),
    };
    let messages = messages.iter().map(|message| Message {
        role: message.role,
        blocks: message.blocks.iter().filter_map(keep).collect(),
    });
    messages
        .filter(|message| !message.blocks.is_empty())
        .collect()
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= RESULT {
        return text.to_owned();
    }
    let head: String = text.chars().take(RESULT).collect();
    format!("{head}… (the rest was left out; look again if it matters)")
}

/// The turns that are told again: the newest, as far as there is room.
pub(crate) fn told_again(turns: Vec<Vec<Message>>) -> Vec<Message> {
    let mut room = HISTORY;
    let mut kept = Vec::new();
    for turn in turns.into_iter().rev() {
        let size = serde_json::to_string(&turn).map_or(usize::MAX, |json| json.len());
        if size > room {
            break;
        }
        room -= size;
        kept.push(turn);
    }
    kept.into_iter().rev().flatten().collect()
}

/// `List events: Rust Night`, for people.
pub(crate) fn label(name: &str, args: &Value) -> String {
    let title =
        catalog::find(name).map_or_else(|| name.replace('_', " "), operations::Entry::title);
    let mut texts = args
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.values());
    let first = texts.find_map(Value::as_str);
    match first {
        Some(text) => format!("{title}: {}", text.chars().take(80).collect::<String>()),
        None => title,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use llm::Role;
    use serde_json::json;

    #[test]
    fn thinking_goes_and_long_results_are_cut() {
        let blocks = vec![
            Block::Opaque {
                provider: "anthropic".to_owned(),
                json: json!({"type": "thinking"}),
            },
            Block::ToolResult {
                id: "1".to_owned(),
                content: "ü".repeat(3_000),
                is_error: false,
            },
        ];
        let kept = kept(&[Message {
            role: Role::User,
            blocks,
        }]);
        let Block::ToolResult { content, .. } = &kept[0].blocks[0] else {
            panic!("{kept:?}");
        };
        assert!(content.chars().count() < 2_100);
        let only = vec![Block::Opaque {
            provider: "x".to_owned(),
            json: json!({}),
        }];
        assert!(
            super::kept(&[Message {
                role: Role::Assistant,
                blocks: only
            }])
            .is_empty()
        );
    }

    #[test]
    fn the_oldest_turns_are_left_out_whole() {
        let turn = |letter: &str| vec![Message::user(letter.repeat(70_000)), Message::user("x")];
        let told = told_again(vec![turn("a"), turn("b"), turn("c")]);
        assert_eq!(told.len(), 4);
        assert!(matches!(&told[0].blocks[0], Block::Text { text } if text.starts_with('b')));
    }
}
