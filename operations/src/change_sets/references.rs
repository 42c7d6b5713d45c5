//! Steps refer to what earlier ones made: the text `$name` stands for the id. Pure.

use std::collections::HashMap;

use serde_json::Value;

/// What earlier steps made, by the names the steps have.
pub(super) type Made = HashMap<String, String>;

/// Puts ids where an input names earlier steps. The first name that stands for nothing is handed back.
pub(super) fn fill(input: &mut Value, made: &Made) -> Result<(), String> {
    match input {
        Value::String(text) => {
            if let Some(name) = named(text) {
                let id = made.get(name).ok_or_else(|| name.to_owned())?;
                text.clone_from(id);
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| fill(item, made)),
        Value::Object(fields) => fields.values_mut().try_for_each(|field| fill(field, made)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// The step that a text stands for. A price such as `$20` is none: names begin with a letter.
fn named(text: &str) -> Option<&str> {
    text.strip_prefix('$').filter(|name| is_name(name))
}

/// Whether a step may be called this.
pub(super) fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && name.len() <= 40
        && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_exactly_a_name_stands_for_an_id() {
        let made = Made::from([("night".to_owned(), "evt_1".to_owned())]);
        let mut input =
            json!({"event": "$night", "all": ["$night", "a $night", "$20", "$"], "n": 3});
        fill(&mut input, &made).unwrap();
        assert_eq!(
            input,
            json!({"event": "evt_1", "all": ["evt_1", "a $night", "$20", "$"], "n": 3})
        );
        let mut unknown = json!({"event": {"id": "$day"}});
        assert_eq!(fill(&mut unknown, &made), Err("day".to_owned()));
    }

    #[test]
    fn names_are_plain() {
        assert!(is_name("early_bird2"));
        for bad in ["", "2nd", "Early", "früh", "a-b"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
