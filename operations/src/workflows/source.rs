//! YAML as a tree of JSON that remembers on which line each part stands.

use std::{collections::HashMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use super::problem::Problem;

/// The longest definition, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// A document and where its parts stand.
pub(super) struct Source {
    pub(super) value: Value,
    pub(super) lines: HashMap<String, u32>,
}

/// Reads YAML: one document, no anchors spread over it, no key twice.
pub(super) fn read(yaml: &str) -> Result<Source, Problem> {
    let problem = |line: Option<u32>, message: String, next: &str| Problem {
        path: String::new(),
        line,
        message,
        next: next.to_owned(),
    };
    if yaml.len() > LONGEST {
        let message = format!(
            "The definition has {} bytes; at most {LONGEST} are allowed.",
            yaml.len()
        );
        return Err(problem(
            None,
            message,
            "Split it, and call one workflow from the other.",
        ));
    }
    let mut options = serde_saphyr::Options::default();
    // Only `true` and `false`: otherwise `on:` and `no` would not be texts.
    options.strict_booleans = true;
    let node: Spanned<Node> =
        serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
            let line = error
                .location()
                .and_then(|at| u32::try_from(at.line()).ok());
            let said = error.without_snippet().to_string();
            let first = said
                .lines()
                .next()
                .unwrap_or("it cannot be read")
                .to_owned();
            let next = "Check the indentation and put texts with `: `, `#`, `{` or `*` in quotes.";
            problem(line, format!("This is not YAML: {first}."), next)
        })?;
    let mut lines = HashMap::new();
    let value = flatten(node, "", &mut lines);
    Ok(Source { value, lines })
}

/// A piece of YAML.
enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
}

fn flatten(node: Spanned<Node>, path: &str, lines: &mut HashMap<String, u32>) -> Value {
    let line = u32::try_from(node.referenced.line()).unwrap_or(0);
    lines.entry(path.to_owned()).or_insert(line);
    match node.value {
        Node::Scalar(value) => value,
        Node::List(items) => {
            let items = items.into_iter().enumerate();
            items
                .map(|(i, item)| flatten(item, &format!("{path}[{i}]"), lines))
                .collect()
        }
        Node::Fields(fields) => {
            let mut object = Map::new();
            for (name, value) in fields {
                let path = super::problem::below(path, &name.value);
                // Where the field's name stands, not its value: that is where people look.
                let line = u32::try_from(name.referenced.line()).unwrap_or(0);
                lines.insert(path.clone(), line);
                object.insert(name.value, flatten(value, &path, lines));
            }
            Value::Object(object)
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain YAML")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        let number = Number::from_f64(value).map_or(Value::Null, Value::Number);
        Ok(Node::Scalar(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        Node::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(name) = fields.next_key()? {
            list.push((name, fields.next_value()?));
        }
        Ok(Node::Fields(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn remembers_lines() {
        let source = read("id: x\non:\n  - change: a.b\nsteps:\n  - id: one\n    with:\n      n: 1\n      yes: \"1\"\n").unwrap();
        assert_eq!(
            source.value,
            json!({"id": "x", "on": [{"change": "a.b"}], "steps": [{"id": "one", "with": {"n": 1, "yes": "1"}}]})
        );
        assert_eq!(source.lines["steps[0].with.n"], 7);
        assert_eq!(source.lines["on[0]"], 3);
    }

    #[test]
    fn says_where_the_yaml_breaks() {
        let problem = read("id: x\ntitle: a: b\n").err().unwrap();
        assert_eq!(problem.line, Some(2), "{problem}");
        let twice = read("id: x\nid: y\n").err().unwrap();
        assert!(twice.to_string().contains("line 2"), "{twice}");
    }
}
