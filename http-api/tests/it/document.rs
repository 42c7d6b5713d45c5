//! The document: every operation that programs may call, with what it takes, answers and refuses with.

use operations::{CATALOG, Effect, Shelf};
use serde_json::Value;

fn document() -> Value {
    http_api::document("https://tickets.example")
}

#[test]
fn every_operation_is_in_it_and_those_for_people_are_not() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    for entry in CATALOG {
        let path = &document["paths"][format!("/v1/{}", entry.name)];
        assert_eq!(
            path.is_null(),
            entry.shelf == Shelf::Operators,
            "{}",
            entry.name
        );
    }
    let paths = document["paths"].as_object().unwrap();
    let public = paths.keys().filter(|path| path.starts_with("/v1/public/"));
    assert_eq!(public.count(), 11);
}

#[test]
fn what_is_got_only_reads_and_its_input_fits_into_an_address() {
    let document = document();
    for entry in CATALOG
        .iter()
        .filter(|entry| entry.shelf != Shelf::Operators)
    {
        let path = &document["paths"][format!("/v1/{}", entry.name)];
        assert_eq!(
            path["get"].is_null(),
            !entry.name.starts_with("get_"),
            "{}",
            entry.name
        );
        if path["get"].is_null() {
            continue;
        }
        assert_eq!(entry.effect, Effect::Read, "{}", entry.name);
        for parameter in path["get"]["parameters"].as_array().unwrap() {
            let schema = &parameter["schema"];
            let kind = match schema["type"].as_str() {
                Some("array") => schema["items"]["type"].as_str(),
                kind => kind,
            };
            let is_flat = matches!(kind, Some("string" | "integer" | "boolean"));
            assert!(is_flat, "{}: {parameter}", entry.name);
        }
    }
}

#[test]
fn every_operation_names_the_codes_it_refuses_with() {
    let document = document();
    for entry in CATALOG
        .iter()
        .filter(|entry| entry.shelf != Shelf::Operators)
    {
        let path = document["paths"][format!("/v1/{}", entry.name)]
            .as_object()
            .unwrap();
        let responses = path.values().next().unwrap()["responses"].to_string();
        for spec in entry.faults() {
            assert!(
                responses.contains(&format!("\"{}\"", spec.code)),
                "{}: {}",
                entry.name,
                spec.code
            );
        }
        for shared in [
            "forbidden",
            "token_invalid",
            "rate_limited",
            "invalid_input",
        ] {
            assert!(
                responses.contains(&format!("\"{shared}\"")),
                "{}: {shared}",
                entry.name
            );
        }
    }
}
