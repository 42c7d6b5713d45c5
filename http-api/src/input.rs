//! From a request to an operation's input: parameters, headers, body.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use operations::Entry;
use serde_json::{Map, Value};

use crate::{
    answer,
    problem::{
        BODY_LATE, BODY_MALFORMED, BODY_MEDIA_TYPE, BODY_TOO_LARGE, IF_MATCH_UNSUPPORTED,
        PARAMETER_INVALID, Problem,
    },
};

/// The longest request, in bytes.
const LONGEST: usize = 1 << 20;

pub(crate) const DRY_RUN: &str = "dry_run";
pub(crate) const CONFIRM: &str = "confirm";
pub(crate) const KEY: &str = "idempotency-key";

/// Whether an operation is asked with GET. Those that get one thing name it by an id or a title; what others are given
/// may hold names, addresses and ticket codes, which must not be in the addresses that every proxy writes down.
pub(crate) fn is_got(entry: &Entry) -> bool {
    entry.name.starts_with("get_")
}

/// The parameters behind the question mark, decoded, in their order.
pub(crate) fn parameters(query: Option<&str>) -> Result<Vec<(String, String)>, Problem> {
    let uri = format!("/?{}", query.unwrap_or_default());
    let uri = uri.parse().map_err(|_| malformed())?;
    axum::extract::Query::try_from_uri(&uri)
        .map(|axum::extract::Query(pairs)| pairs)
        .map_err(|_| malformed())
}

fn malformed() -> Problem {
    let detail = "what stands behind the question mark cannot be read";
    Problem::own(PARAMETER_INVALID, detail)
}

fn invalid(name: &str, detail: String) -> Problem {
    Problem::own(PARAMETER_INVALID, detail).at(name)
}

/// The input of an operation that is asked with GET: each parameter is a field, and a list is its parameter repeated.
pub(crate) fn of_query(entry: &Entry, query: Option<&str>) -> Result<Value, Problem> {
    let schema = operations::catalog::input_schema(entry.name);
    let mut input = Map::new();
    for (name, text) in parameters(query)? {
        let field = &schema["properties"][&name];
        let value = match field["type"].as_str() {
            None => return Err(unknown(entry, &name, schema)),
            Some("array") => {
                let list = input
                    .entry(name.clone())
                    .or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(text.into());
                }
                continue;
            }
            Some("string") => Value::String(text),
            // Numbers and booleans are written as in JSON.
            Some(kind) => {
                let value: Option<Value> = serde_json::from_str(&text).ok();
                let fits = |value: &Value| match kind {
                    "boolean" => value.is_boolean(),
                    _ => value.is_number(),
                };
                let detail = || invalid(&name, format!("`{name}` must be of the type {kind}"));
                value.filter(fits).ok_or_else(detail)?
            }
        };
        if input.insert(name.clone(), value).is_some() {
            return Err(invalid(&name, format!("`{name}` is given twice")));
        }
    }
    Ok(Value::Object(input))
}

fn unknown(entry: &Entry, name: &str, schema: &Value) -> Problem {
    let known = schema["properties"].as_object().into_iter().flatten();
    let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
    let known = if known.is_empty() {
        "none".to_owned()
    } else {
        known.join(", ")
    };
    let detail = format!(
        "`{name}` is not a parameter of {}; known: {known}",
        entry.name
    );
    invalid(name, detail)
}

/// What a request says beside the operation's input.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    /// Everything is checked, nothing is kept.
    pub(crate) dry_run: bool,
    /// The fingerprint of what was shown, from a dry run or a refusal.
    pub(crate) confirm: Option<[u8; 32]>,
    /// A repeat under the same key is the same request.
    pub(crate) key: Option<String>,
    /// Refused when it is no longer at this version.
    pub(crate) version: Option<i64>,
}

impl Envelope {
    /// Takes it from the parameters that a request may have, and from its headers.
    pub(crate) fn of(
        query: Option<&str>,
        headers: &HeaderMap,
        known: &[&str],
    ) -> Result<Self, Problem> {
        let mut envelope = Self::default();
        for (name, text) in parameters(query)? {
            if !known.contains(&name.as_str()) {
                // One that is misspelled must not be taken for one that was left out.
                return Err(invalid(&name, format!("`{name}` is not a parameter here")));
            }
            if name == DRY_RUN {
                envelope.dry_run = text
                    .parse()
                    .map_err(|_| invalid(&name, format!("`{name}` must be true or false")))?;
            } else {
                let mut digest = [0; 32];
                let whole = hex::decode_to_slice(&text, &mut digest);
                let detail = || invalid(&name, format!("`{name}` must be 64 hex digits"));
                whole.map_err(|_| detail())?;
                envelope.confirm = Some(digest);
            }
        }
        envelope.version = version(headers)?;
        let mut keys = headers.get_all(KEY).iter();
        if let Some(key) = keys.next() {
            // In a dry run, too, though it does nothing there.
            let is_key = |text: &&str| {
                (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
            };
            let text = key.to_str().ok().filter(is_key);
            let detail = "`Idempotency-Key` must be one text of 1 to 200 visible ASCII characters";
            let text = text.filter(|_| keys.next().is_none());
            let text = text.ok_or_else(|| invalid("Idempotency-Key", detail.to_owned()))?;
            envelope.key = Some(text.to_owned());
        }
        Ok(envelope)
    }
}

impl Envelope {
    /// The same, where nothing has a version.
    pub(crate) fn unconditional(self) -> Result<Self, Problem> {
        match self.version {
            None => Ok(self),
            Some(_) => Err(not_honoured("nothing here has a version")),
        }
    }
}

/// A header that is not honoured must not be ignored.
fn not_honoured(why: &str) -> Problem {
    let detail = format!("`If-Match` is not honoured, so nothing was done: {why}");
    Problem::own(IF_MATCH_UNSUPPORTED, detail).at("If-Match")
}

/// The version in `If-Match`; none without the header, and for `*`, which is there if the operation finds it.
fn version(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(tag) = given.next() else {
        return Ok(None);
    };
    let tag = tag.to_str().unwrap_or_default().trim();
    if given.next().is_none() && tag == "*" {
        return Ok(None);
    }
    let detail = "`If-Match` must be the one `ETag` of an answer that has a version, such as that of get_event";
    let version = answer::version_of(tag).filter(|_| given.next().is_none());
    version
        .map(Some)
        .ok_or_else(|| invalid("If-Match", detail.to_owned()))
}

/// Whether a write is refused when what it changes is not at the version that was given.
pub(crate) fn minds_version(entry: &Entry) -> bool {
    let schema = operations::catalog::input_schema(entry.name);
    let is_taken = schema["properties"]["version"].is_object();
    is_taken
        && entry
            .faults()
            .iter()
            .any(|spec| spec.code == CHANGED_MEANWHILE)
}

/// What such a write is refused with.
pub(crate) const CHANGED_MEANWHILE: &str = "changed_meanwhile";

/// The input with the version of `If-Match`.
pub(crate) fn at_version(
    entry: &Entry,
    mut input: Value,
    version: Option<i64>,
) -> Result<Value, Problem> {
    let Some(version) = version else {
        return Ok(input);
    };
    if !minds_version(entry) {
        let why = format!("{} does not mind versions", entry.name);
        return Err(not_honoured(&why));
    }
    let given = &input["version"];
    if !given.is_null() && given.as_i64() != Some(version) {
        let detail = "`version` and `If-Match` say different things";
        return Err(invalid("If-Match", detail.to_owned()));
    }
    if let Some(fields) = input.as_object_mut() {
        fields.insert("version".to_owned(), version.into());
    }
    Ok(input)
}

/// The JSON object in a body; nothing is an empty one. Whoever sends it piece by piece for ever must not hold a
/// connection for as long.
pub(crate) async fn of_body(
    headers: &HeaderMap,
    body: Body,
    within: Duration,
) -> Result<Value, Problem> {
    let bytes = match tokio::time::timeout(within, to_bytes(body, LONGEST)).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => {
            let detail = format!("the body broke off, or is longer than {LONGEST} bytes");
            return Err(Problem::own(BODY_TOO_LARGE, detail));
        }
        Err(_) => return Err(Problem::own(BODY_LATE, "the body took too long to arrive")),
    };
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    if !media_type.trim().eq_ignore_ascii_case("application/json") {
        let detail = format!("a body of the type {:?} is not read", media_type.trim());
        return Err(Problem::own(BODY_MEDIA_TYPE, detail).at("Content-Type"));
    }
    match serde_json::from_slice(&bytes) {
        Ok(mut input @ Value::Object(_)) => {
            whole_numbers(&mut input);
            Ok(input)
        }
        Ok(_) => Err(Problem::own(
            BODY_MALFORMED,
            "the input is not a JSON object",
        )),
        Err(error) => {
            let detail = format!("the body is not JSON: {error}");
            Err(Problem::own(BODY_MALFORMED, detail))
        }
    }
}

/// Makes 131.0 the integer that it is: JSON does not tell the two apart.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|given| number.is_f64() && given.fract() == 0.0);
            // Whole floats below 2^53 print as the integer they are.
            let whole = whole.filter(|given| given.abs() < 9_007_199_254_740_992.0);
            if let Some(Ok(whole)) = whole.map(|given| format!("{given:.0}").parse::<i64>()) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Refuses numbers beyond the limits that the schema names: an operation that only brings them within would answer
/// something else than was asked for.
pub(crate) fn within_limits(schema: &Value, value: &Value, path: &str) -> Result<(), Problem> {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                within_limits(&schema["properties"][name], inner, &path)?;
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                within_limits(&schema["items"], item, &format!("{path}[{index}]"))?;
            }
        }
        Value::Number(number) => {
            let limit = |name: &str| schema[name].as_f64();
            let given = number.as_f64().unwrap_or_default();
            let too_small = limit("minimum").filter(|least| given < *least);
            let too_large = limit("maximum").filter(|most| given > *most);
            if let Some(limit) = too_small.or(too_large) {
                let word = if too_small.is_some() { "least" } else { "most" };
                let detail = format!("`{path}` is {number}, and must be at {word} {limit}");
                return Err(Problem::invalid_input(detail).at(path));
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        let mut input = json!({"a": [131.0, -2.0, 0.5, 1e300], "b": {"c": 7}});
        whole_numbers(&mut input);
        assert_eq!(input, json!({"a": [131, -2, 0.5, 1e300], "b": {"c": 7}}));
    }

    #[test]
    fn numbers_keep_to_their_limits() {
        let number = json!({"minimum": 1, "maximum": 200});
        let schema = json!({"properties": {"of": {"items": {"properties": {"limit": number}}}}});
        let of = |limit: i64| within_limits(&schema, &json!({"of": [{"limit": limit}]}), "");
        assert!(of(1).is_ok() && of(200).is_ok());
        assert!(of(0).is_err() && of(201).is_err());
    }
}
