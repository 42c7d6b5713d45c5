//! Shapes of answers: the small schema that is published, and what a concise answer leaves out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The mark of a field that only a detailed answer has.
const MARK: &str = "x-detail";

/// How many objects deep a published schema goes. Deeper ones are only called objects: the list of tools is
/// read by every model in every conversation, and the answers speak for themselves.
const DEPTH: usize = 1;

/// The fields of an answer that only a detailed one has, as a tree.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Details {
    fields: BTreeMap<String, Details>,
    items: Option<Box<Details>>,
    whole: bool,
}

impl Details {
    /// Reads the marks of a schema.
    pub(super) fn of(schema: &Value) -> Self {
        let mut details = Self {
            whole: schema[MARK] == true,
            ..Self::default()
        };
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            details.field(name, Self::of(inner));
        }
        if let Some(items) = schema.get("items") {
            let items = Self::of(items);
            details.items = (!items.is_empty()).then(|| Box::new(items));
        }
        for variants in ["anyOf", "oneOf", "allOf"] {
            for variant in schema[variants].as_array().into_iter().flatten() {
                let variant = Self::of(variant);
                for (name, inner) in variant.fields {
                    details.field(&name, inner);
                }
                details.items = details.items.or(variant.items);
            }
        }
        details
    }

    fn field(&mut self, name: &str, inner: Self) {
        if !inner.is_empty() {
            self.fields.insert(name.to_owned(), inner);
        }
    }

    /// Whether concise and detailed are the same.
    pub(super) fn is_empty(&self) -> bool {
        !self.whole && self.fields.is_empty() && self.items.is_none()
    }

    /// Makes an answer concise.
    pub(super) fn leave_out(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| !self.fields.get(name).is_some_and(|d| d.whole));
                for (name, inner) in fields {
                    if let Some(details) = self.fields.get(name) {
                        details.leave_out(inner);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(details) = &self.items {
                    for item in items {
                        details.leave_out(item);
                    }
                }
            }
            _ => {}
        }
    }
}

/// The schema of an answer as clients see it: types and required fields, no more.
pub(super) fn published(schema: &Value) -> Map<String, Value> {
    match outline(schema, DEPTH) {
        Some(Value::Object(mut outline)) if outline["type"] == "object" => {
            outline.entry("properties").or_insert_with(|| json!({}));
            outline
        }
        _ => Map::from_iter([
            ("type".to_owned(), "object".into()),
            ("properties".to_owned(), json!({})),
        ]),
    }
}

/// Takes the limits of every one-line text out of an input schema: nobody writes longer titles, the refusal names
/// the limit, and repeated in every tool they cost as much as a tool does.
pub(super) fn without_common_limits(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("minLength") == Some(&Value::from(1)) {
                fields.remove("minLength");
            }
            if fields
                .get("maxLength")
                .and_then(Value::as_u64)
                .is_some_and(|limit| limit <= 254)
            {
                fields.remove("maxLength");
            }
            fields.values_mut().for_each(without_common_limits);
        }
        Value::Array(items) => items.iter_mut().for_each(without_common_limits),
        _ => {}
    }
}

/// Nothing for what has no one type: validators differ on schemas that allow anything.
fn outline(schema: &Value, depth: usize) -> Option<Value> {
    match schema["type"].as_str()? {
        "object" if depth == 0 => Some(json!({"type": "object"})),
        "object" => {
            let mut object = Map::from_iter([("type".to_owned(), "object".into())]);
            // What may be missing is not promised; an answer that has it shows it.
            let promised: Vec<&str> = (schema["required"].as_array().into_iter().flatten())
                .filter_map(Value::as_str)
                .collect();
            let known: Map<String, Value> = (schema["properties"]
                .as_object()
                .into_iter()
                .flatten())
            .filter(|(name, inner)| inner[MARK] != true && promised.contains(&name.as_str()))
            .filter_map(|(name, inner)| Some((name.clone(), outline(inner, depth - 1)?)))
            .collect();
            let required: Vec<Value> = known.keys().map(|name| name.as_str().into()).collect();
            if !known.is_empty() {
                object.insert("properties".into(), known.into());
            }
            if !required.is_empty() {
                object.insert("required".into(), required.into());
            }
            Some(object.into())
        }
        "array" => Some(match outline(&schema["items"], depth) {
            Some(items) => json!({"type": "array", "items": items}),
            None => json!({"type": "array"}),
        }),
        scalar => Some(json!({"type": scalar})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": "Its id."},
                        "at": {"type": "string", "x-detail": true},
                        "place": {"type": "object", "properties": {"city": {"type": "string"}}},
                        "anything": true,
                    },
                    "required": ["id", "at", "anything"],
                }},
                "next": {"type": "string"},
            },
            "required": ["items"],
        })
    }

    #[test]
    fn publishes_the_types_of_the_outer_fields() {
        let expected = json!({
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["items"],
        });
        assert_eq!(Value::Object(published(&schema())), expected);
        let item = json!({
            "type": "object",
            "properties": {"id": {"type": "string"}},
            "required": ["id"],
        });
        assert_eq!(
            Value::Object(published(&schema()["properties"]["items"]["items"])),
            item
        );
    }

    #[test]
    fn leaves_marked_fields_out_wherever_they_are() {
        let details = Details::of(&schema());
        let mut value =
            json!({"items": [{"id": "a", "at": "b", "place": {"city": "c"}}], "at": "stays"});
        details.leave_out(&mut value);
        assert_eq!(
            value,
            json!({"items": [{"id": "a", "place": {"city": "c"}}], "at": "stays"})
        );
        assert!(Details::of(&json!({"type": "object"})).is_empty());
    }
}
