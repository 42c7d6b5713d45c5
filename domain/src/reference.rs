//! References: how callers name things, by id or by name.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    ids::{Id, IdError},
    text::clean,
};

/// A thing named by its id or by a name that must be unambiguous (a title, a slug, an order number).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<I> {
    /// The id itself.
    Id(I),
    /// A name to look up.
    Name(String),
}

impl<I> From<I> for Reference<I> {
    fn from(id: I) -> Self {
        Self::Id(id)
    }
}

/// Whether text has the form of some id: letters, an underscore and 32 hex digits.
fn looks_like_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, rest)| {
        (3..=5).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_lowercase())
            && rest.len() == 32
            && rest.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

impl<I: Id> FromStr for Reference<I> {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = clean(text);
        let own_prefix = text
            .strip_prefix(I::PREFIX)
            .is_some_and(|rest| rest.starts_with('_'));
        if own_prefix || looks_like_id(&text) {
            text.parse().map(Self::Id)
        } else {
            Ok(Self::Name(text))
        }
    }
}

impl<I: fmt::Display> fmt::Display for Reference<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl<I: fmt::Display> Serialize for Reference<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, I: Id> Deserialize<'de> for Reference<I> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<I> JsonSchema for Reference<I> {
    fn schema_name() -> Cow<'static, str> {
        "Reference".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{EventId, OrderId};

    #[test]
    fn tells_ids_from_names() {
        let id = "evt_0190aaaabbbb7ccc8dddeeeeffff0001";
        assert!(matches!(
            id.parse::<Reference<EventId>>(),
            Ok(Reference::Id(_))
        ));
        assert!(matches!(
            "spring-gala".parse::<Reference<EventId>>(),
            Ok(Reference::Name(_))
        ));
        assert!(
            id.parse::<Reference<OrderId>>().is_err(),
            "another kind's id is no name"
        );
        assert!(
            "evt_12".parse::<Reference<EventId>>().is_err(),
            "half an id is no name"
        );
    }
}
