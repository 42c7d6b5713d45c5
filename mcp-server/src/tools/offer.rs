//! An operation as a tool: its schemas, hints and the parameters that tools of its kind have.

use std::sync::Arc;

use operations::{Effect, Entry};
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::{
    envelope::{CONFIRM, DRY_RUN, FORMAT, KEY},
    shape::{self, Details},
};

/// An operation on offer.
pub(crate) struct Offer {
    pub(crate) entry: &'static Entry,
    pub(crate) tool: Tool,
    /// What a concise answer leaves out.
    pub(super) details: Details,
}

impl Offer {
    pub(crate) fn new(entry: &'static Entry) -> Self {
        let output = entry.output_schema();
        let details = Details::of(&output);
        let mut offer = Self {
            entry,
            tool: Tool::default(),
            details,
        };
        let annotations = ToolAnnotations::new()
            .read_only(entry.effect == Effect::Read)
            .destructive(entry.effect == Effect::Destructive)
            .idempotent(entry.effect == Effect::Read)
            .open_world(false);
        let mut output = shape::published(&output);
        if offer.destroys() {
            may_ask_first(&mut output, "confirmation");
        }
        if super::approve::may_ask(&offer) {
            may_ask_first(&mut output, "approval");
        }
        offer.tool = Tool::new(entry.name, entry.description(), offer.input())
            .with_title(entry.title())
            .with_annotations(annotations)
            .with_raw_output_schema(Arc::new(output));
        offer
    }

    pub(super) fn writes(&self) -> bool {
        self.entry.effect != Effect::Read
    }

    pub(super) fn destroys(&self) -> bool {
        self.entry.effect == Effect::Destructive
    }

    /// Whether a caller can choose between a concise and a detailed answer.
    pub(super) fn has_formats(&self) -> bool {
        !self.writes() && !self.details.is_empty()
    }

    fn input(&self) -> Map<String, Value> {
        let Value::Object(mut schema) = self.entry.input_schema() else {
            return Map::new();
        };
        // It is the tool's own description.
        schema.remove("description");
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        shape::without_common_limits(properties);
        if let Some(properties) = properties.as_object_mut() {
            if self.writes() {
                let text = "Check and preview; keep nothing.";
                properties.insert(
                    DRY_RUN.into(),
                    json!({"type": "boolean", "description": text}),
                );
                // Said once, in the server's instructions.
                properties.insert(KEY.into(), json!({"type": "string"}));
            }
            if self.destroys() {
                let text = "From the preview, once the person has agreed.";
                properties.insert(
                    CONFIRM.into(),
                    json!({"type": "string", "description": text}),
                );
            }
            if self.has_formats() {
                properties.insert(
                    FORMAT.into(),
                    json!({"type": "string", "enum": ["concise", "detailed"]}),
                );
            }
        }
        schema
    }
}

/// A tool that asks first answers with a question or with its result, so nothing of the result is required.
fn may_ask_first(output: &mut Map<String, Value>, question: &str) {
    output.remove("required");
    if let Some(properties) = output.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(question.into(), json!({"type": "object"}));
    }
}
