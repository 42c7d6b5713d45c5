//! A request in the provider's words.

use serde_json::{Map, Value, json};

use super::{Options, PROVIDER, Version};
use crate::{Block, ChatRequest, Effort, Message, Role, ToolChoice};

pub(super) fn body(options: &Options, request: &ChatRequest) -> Value {
    let mut body = json!({
        "model": options.model,
        "max_tokens": request.max_tokens.min(options.max_output),
        "stream": true,
        "messages": messages(&request.messages),
    });
    let system: Vec<Value> = request
        .system
        .iter()
        .map(|block| marked(json!({"type": "text", "text": block.text}), block.cache))
        .collect();
    if !system.is_empty() {
        body["system"] = system.into();
    }
    if !request.tools.is_empty() {
        let last = request.tools.len() - 1;
        let tool = |(index, tool): (usize, &crate::ToolSpec)| {
            let tool = json!({
                "name": tool.name,
                "description": tool.description,
                "input_schema": tool.schema,
            });
            marked(tool, index == last)
        };
        body["tools"] = request.tools.iter().enumerate().map(tool).collect();
        body["tool_choice"] = match &request.tool_choice {
            ToolChoice::Auto => json!({"type": "auto"}),
            ToolChoice::Any => json!({"type": "any"}),
            ToolChoice::None => json!({"type": "none"}),
            ToolChoice::Tool(name) => json!({"type": "tool", "name": name}),
        };
    }
    if options.version == Version::V2026_10_21 {
        let config = output_config(request);
        if !config.is_empty() {
            body["output_config"] = config.into();
        }
        body["thinking"] = json!({"type": "adaptive"});
    }
    body
}

fn output_config(request: &ChatRequest) -> Map<String, Value> {
    let mut config = Map::new();
    if let Some(schema) = &request.output {
        config.insert(
            "format".into(),
            json!({"type": "json_schema", "schema": schema}),
        );
    }
    if let Some(effort) = request.effort {
        let effort = match effort {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
        };
        config.insert("effort".into(), effort.into());
    }
    config
}

/// A block with the mark that all up to it stays the same.
fn marked(mut block: Value, cache: bool) -> Value {
    if cache {
        block["cache_control"] = json!({"type": "ephemeral"});
    }
    block
}

fn messages(messages: &[Message]) -> Vec<Value> {
    let last = messages.len().saturating_sub(1);
    let message = |(index, message): (usize, &Message)| {
        let mut blocks: Vec<Value> = message.blocks.iter().filter_map(block).collect();
        // What was said so far is what the next call begins with.
        if let Some(block) = blocks.last_mut().filter(|_| index == last) {
            *block = marked(block.take(), message.role == Role::User);
        }
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        json!({"role": role, "content": blocks})
    };
    messages.iter().enumerate().map(message).collect()
}

fn block(block: &Block) -> Option<Value> {
    Some(match block {
        Block::Text { text } => json!({"type": "text", "text": text}),
        Block::ToolUse { id, name, args, .. } => {
            // Arguments that were no JSON cannot be sent back; the call's result says so.
            let args = if args.is_object() {
                args.clone()
            } else {
                json!({})
            };
            json!({"type": "tool_use", "id": id, "name": name, "input": args})
        }
        Block::ToolResult {
            id,
            content,
            is_error,
        } => {
            json!({"type": "tool_result", "tool_use_id": id, "content": content, "is_error": is_error})
        }
        Block::Opaque { provider, json } if provider == PROVIDER => json.clone(),
        Block::Opaque { .. } => return None,
    })
}
