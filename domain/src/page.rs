//! Keyset pages: opaque cursors, never offsets, never totals.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

/// Where a page ended: the sort key (microseconds, a count, …) and the id of its last item.
///
/// Opaque to callers: hex of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last item's sort key.
    pub key: i64,
    /// The last item's id, which breaks ties.
    pub id: Uuid,
}

/// The microseconds of the years 1 and 10000: what lies beyond is no key of ours, and no time for the database.
const FIRST_KEY: i64 = -62_135_596_800_000_000;
const LAST_KEY: i64 = 253_402_300_800_000_000;

/// Text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not a cursor; pass the `next` of the previous page unchanged, or nothing for the first page"
)]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.key.cast_unsigned(), self.id.simple())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (key, id) = text.split_at_checked(16).ok_or(CursorError)?;
        let key = u64::from_str_radix(key, 16)
            .map_err(|_| CursorError)?
            .cast_signed();
        if !(FIRST_KEY..=LAST_KEY).contains(&key) {
            return Err(CursorError);
        }
        let id = Uuid::try_parse(id).map_err(|_| CursorError)?;
        Ok(Self { key, id })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Cursor {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

/// Which page is asked for. Flattened into the input of every operation that lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PageRequest {
    /// `next` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Items per page (default 50, at most 200).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 200))]
    pub limit: Option<u16>,
}

impl PageRequest {
    /// The number of items asked for, within bounds.
    pub fn limit(self) -> i64 {
        i64::from(self.limit.unwrap_or(50).clamp(1, 200))
    }

    /// How many rows to fetch: one more than asked for, to know whether another page follows.
    pub fn fetch(self) -> i64 {
        self.limit() + 1
    }

    /// The cursor's sort key and id, for the query.
    pub fn after(self) -> (Option<i64>, Option<Uuid>) {
        (self.cursor.map(|c| c.key), self.cursor.map(|c| c.id))
    }
}

/// One page of items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Page<T> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// Cuts the row that was fetched in excess and makes the cursor from the last one kept.
    pub fn cut(mut items: Vec<T>, request: PageRequest, cursor: impl Fn(&T) -> Cursor) -> Self {
        let limit = usize::try_from(request.limit()).expect("limits are small and positive");
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }

    /// The same page of other items.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(convert).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_survive_a_round_trip() {
        for key in [0, 1, -1, FIRST_KEY, LAST_KEY] {
            let cursor = Cursor {
                key,
                id: Uuid::from_u128(7),
            };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for bad in ["", "x", "zz", &"0".repeat(47), "ü".repeat(20).as_str()] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
        let forged = format!("{:016x}{}", i64::MAX, Uuid::nil().simple());
        assert_eq!(forged.parse::<Cursor>(), Err(CursorError));
    }

    #[test]
    fn a_page_knows_whether_another_follows() {
        let request = PageRequest {
            cursor: None,
            limit: Some(2),
        };
        let cursor = |n: &i64| Cursor {
            key: *n,
            id: Uuid::nil(),
        };
        assert_eq!(
            Page::cut(vec![1, 2, 3], request, cursor)
                .next
                .map(|c| c.key),
            Some(2)
        );
        assert_eq!(Page::cut(vec![1, 2], request, cursor).next, None);
    }
}
