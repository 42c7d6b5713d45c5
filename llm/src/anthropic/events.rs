//! The provider's events put together to blocks. New kinds of events and blocks may appear: they are kept, never failed on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::PROVIDER;
use crate::{Block, ChatEvent, ModelError, Stop, StopReason, Usage};

/// Blocks in the making.
pub(super) struct Assembler {
    request_id: Option<String>,
    open: BTreeMap<u64, Open>,
    usage: Usage,
    stop: Option<Stop>,
}

/// A block in the making.
struct Open {
    block: Value,
    /// The arguments of a call, as far as they have come.
    json: String,
}

impl Assembler {
    pub(super) fn new(request_id: Option<String>) -> Self {
        Self {
            request_id,
            open: BTreeMap::new(),
            usage: Usage::default(),
            stop: None,
        }
    }

    pub(super) fn take_in(
        &mut self,
        data: &str,
        ready: &mut Vec<ChatEvent>,
    ) -> Result<(), ModelError> {
        let event: Value = serde_json::from_str(data)
            .map_err(|error| ModelError::Malformed(format!("an event that is no JSON: {error}")))?;
        let index = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let message = &event["message"];
                self.count(&message["usage"]);
                ready.push(ChatEvent::Started {
                    model: text(&message["model"]),
                    request_id: self.request_id.clone(),
                });
            }
            "content_block_start" => {
                let block = event["content_block"].clone();
                if block["type"] == "tool_use" {
                    ready.push(ChatEvent::ToolStart {
                        id: text(&block["id"]),
                        name: text(&block["name"]),
                    });
                }
                let open = Open {
                    block,
                    json: String::new(),
                };
                self.open.insert(index, open);
            }
            "content_block_delta" => self.delta(index, &event["delta"], ready),
            "content_block_stop" => {
                if let Some(open) = self.open.remove(&index) {
                    ready.push(ChatEvent::Block(finished(open)));
                }
            }
            "message_delta" => {
                self.count(&event["usage"]);
                let delta = &event["delta"];
                if let Some(reason) = delta["stop_reason"].as_str() {
                    let details = Some(delta["stop_details"].clone()).filter(|d| !d.is_null());
                    self.stop = Some(Stop {
                        reason: reason_of(reason),
                        details,
                    });
                }
            }
            "message_stop" => {
                let stop = self.stop.take();
                let stop = stop
                    .ok_or_else(|| ModelError::Malformed("an end without a reason".to_owned()))?;
                ready.push(ChatEvent::Usage(self.usage));
                ready.push(ChatEvent::Stopped(stop));
            }
            "error" => {
                return Err(ModelError::InStream {
                    kind: text(&event["error"]["type"]),
                    message: text(&event["error"]["message"]),
                });
            }
            _ => {}
        }
        Ok(())
    }

    fn delta(&mut self, index: u64, delta: &Value, ready: &mut Vec<ChatEvent>) {
        let Some(open) = self.open.get_mut(&index) else {
            return;
        };
        let mut add = |field: &str, piece: &Value| {
            let piece = piece.as_str().unwrap_or_default();
            let so_far = open.block[field].as_str().unwrap_or_default();
            open.block[field] = json!(format!("{so_far}{piece}"));
            piece.to_owned()
        };
        match delta["type"].as_str().unwrap_or_default() {
            "text_delta" => ready.push(ChatEvent::Text(add("text", &delta["text"]))),
            "thinking_delta" => {
                ready.push(ChatEvent::Thinking(add("thinking", &delta["thinking"])));
            }
            "signature_delta" => drop(add("signature", &delta["signature"])),
            "input_json_delta" => {
                open.json
                    .push_str(delta["partial_json"].as_str().unwrap_or_default());
            }
            "citations_delta" => {
                if !open.block["citations"].is_array() {
                    open.block["citations"] = json!([]);
                }
                if let Some(citations) = open.block["citations"].as_array_mut() {
                    citations.push(delta["citation"].clone());
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, usage: &Value) {
        let set = |field: &mut u64, value: &Value| {
            if let Some(count) = value.as_u64() {
                *field = count;
            }
        };
        set(&mut self.usage.input, &usage["input_tokens"]);
        set(&mut self.usage.output, &usage["output_tokens"]);
        set(
            &mut self.usage.cache_read,
            &usage["cache_read_input_tokens"],
        );
        let written = &usage["cache_creation"];
        if written.is_object() {
            set(
                &mut self.usage.cache_write_5m,
                &written["ephemeral_5m_input_tokens"],
            );
            set(
                &mut self.usage.cache_write_1h,
                &written["ephemeral_1h_input_tokens"],
            );
        } else {
            set(
                &mut self.usage.cache_write_5m,
                &usage["cache_creation_input_tokens"],
            );
        }
    }
}

fn finished(open: Open) -> Block {
    let Open { block, json } = open;
    match block["type"].as_str().unwrap_or_default() {
        "text" if block.get("citations").is_none_or(Value::is_null) => Block::Text {
            text: text(&block["text"]),
        },
        "tool_use" => {
            let given = if json.is_empty() {
                block["input"].to_string()
            } else {
                json
            };
            let args: Option<Value> = serde_json::from_str(&given).ok().filter(Value::is_object);
            Block::ToolUse {
                id: text(&block["id"]),
                name: text(&block["name"]),
                raw: args.is_none().then_some(given),
                args: args.unwrap_or_default(),
            }
        }
        _ => Block::Opaque {
            provider: PROVIDER.to_owned(),
            json: block,
        },
    }
}

fn reason_of(reason: &str) -> StopReason {
    match reason {
        "end_turn" | "stop_sequence" => StopReason::EndTurn,
        "tool_use" => StopReason::ToolUse,
        "max_tokens" => StopReason::MaxTokens,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ContextFull,
        other => StopReason::Other(other.to_owned()),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
