//! JSON Schemas as models should see them: small, inlined, without what validators stumble over.

use schemars::{JsonSchema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value};

/// The schema of a command.
pub fn input<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// The schema of a command with all that it takes, null and least numbers included: for programs that check against it.
pub fn exact_input<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    generate_with::<T>(settings, tidy)
}

/// The schema of an answer.
pub fn output<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_serialize())
}

fn generate<T: JsonSchema>(settings: SchemaSettings) -> Value {
    generate_with::<T>(settings, simplify)
}

fn generate_with<T: JsonSchema>(
    settings: SchemaSettings,
    change: fn(&mut Map<String, Value>),
) -> Value {
    let settings = settings.with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let settings =
        settings.with_transform(RecursiveTransform(move |schema: &mut schemars::Schema| {
            if let Some(object) = schema.as_object_mut() {
                change(object);
            }
        }));
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Some(root) = schema.as_object_mut() {
        root.entry("type").or_insert_with(|| "object".into());
        if root["type"] == "object" {
            root.entry("properties")
                .or_insert_with(|| Value::Object(Map::new()));
        }
    }
    schema
}

/// An optional field is left out rather than null; integer widths are Rust's business, not the caller's.
fn simplify(schema: &mut Map<String, Value>) {
    if is_sized(schema) && schema.get("minimum") == Some(&Value::from(0)) {
        schema.remove("minimum");
    }
    tidy(schema);
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|t| t != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(options)) = schema.get_mut("anyOf") {
        options.retain(|o| o["type"] != "null");
        if let [Value::Object(only)] = options.as_slice() {
            let only = only.clone();
            schema.remove("anyOf");
            for (key, value) in only {
                schema.entry(key).or_insert(value);
            }
        }
    }
    if let Some(Value::Array(words)) = schema.get_mut("enum") {
        words.retain(|w| !w.is_null());
    }
}

/// Whether a number has one of Rust's own widths.
fn is_sized(schema: &Map<String, Value>) -> bool {
    let format = schema.get("format").and_then(Value::as_str);
    format.is_some_and(|f| f.starts_with("uint") || f.starts_with("int"))
}

/// Takes out what says nothing to a caller, and the line breaks of source files.
fn tidy(schema: &mut Map<String, Value>) {
    schema.remove("title");
    schema.remove("default");
    if is_sized(schema) {
        schema.remove("format");
    }
    if let Some(text) = schema.get("description").and_then(Value::as_str) {
        // Doc comments are wrapped for source files; a model pays for each line break.
        let unwrapped = text
            .split("\n\n")
            .map(|p| {
                // An example keeps its lines.
                if p.starts_with("```") {
                    p.to_owned()
                } else {
                    p.replace('\n', " ")
                }
            })
            .collect::<Vec<_>>()
            .join("\n");
        schema.insert("description".into(), unwrapped.into());
    }
}

/// The path of the first field of `value` that the schema does not have, with the names it does have.
pub fn unknown_field(schema: &Value, value: &Value, path: &str) -> Option<(String, Vec<String>)> {
    match value {
        Value::Object(fields) => {
            let known = schema.get("properties")?.as_object()?;
            fields.iter().find_map(|(name, inner)| {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match known.get(name) {
                    None => Some((path, known.keys().cloned().collect())),
                    Some(schema) => unknown_field(schema, inner, &path),
                }
            })
        }
        Value::Array(items) => {
            let schema = schema.get("items")?;
            items
                .iter()
                .enumerate()
                .find_map(|(i, item)| unknown_field(schema, item, &format!("{path}[{i}]")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Sample {
        /// How many
        /// people.
        count: Option<u32>,
        parts: Vec<Part>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Part {
        name: String,
    }

    #[test]
    fn schemas_are_small_and_portable() {
        let schema = input::<Sample>();
        assert_eq!(
            schema["properties"]["count"],
            serde_json::json!({"type": "integer", "description": "How many people."})
        );
        assert_eq!(schema["required"], serde_json::json!(["parts"]));
        assert!(!schema.to_string().contains("$ref"), "{schema}");
    }

    #[test]
    fn names_the_field_that_does_not_exist() {
        let schema = input::<Sample>();
        let value = serde_json::json!({"parts": [{"name": "a"}, {"nam": "b"}]});
        let (path, known) = unknown_field(&schema, &value, "").unwrap();
        assert_eq!(
            (path.as_str(), known),
            ("parts[1].nam", vec!["name".to_owned()])
        );
        assert_eq!(
            unknown_field(&schema, &serde_json::json!({"count": 1}), ""),
            None
        );
    }
}
