//! The `OpenAPI` 3.1 document, made from the catalog: paths, inputs, answers, and for each operation the codes it refuses
//! with.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use domain::{Fault as _, FaultSpec};
use operations::{
    Effect, Entry, Toolset, app,
    approvals::{RequestApprovalError, RequestedApproval, policy},
    catalog, schema,
    tokens::Limits,
};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use crate::{
    input::{CHANGED_MEANWHILE, CONFIRM, DRY_RUN, is_got, minds_version},
    problem::{
        self, BODY_LATE, BODY_MALFORMED, BODY_MEDIA_TYPE, BODY_TOO_LARGE, CHECKOUT_UNKNOWN,
        CONFIRMATION_NEEDED, IF_MATCH_UNSUPPORTED, INVALID_INPUT, KEY_GUESSABLE, NOT_ORDERED, OWN,
        Own, PARAMETER_INVALID, PATH_UNKNOWN, TOKEN_INVALID, TOKEN_MISSING, TOO_MANY, TURN_UNKNOWN,
    },
    public::{self, Kind, STEPS, Step, TURN},
    router::offered,
};

/// Codes of refusals, by their status.
type Codes = BTreeMap<u16, BTreeSet<&'static str>>;

/// The document, for a server at an address.
pub fn document(url: &str) -> Value {
    let mut paths = Map::new();
    for entry in offered() {
        let method = if is_got(entry) { "get" } else { "post" };
        let path = format!("/v1/{}", entry.name);
        paths.insert(path, json!({method: operation(entry)}));
    }
    for step in STEPS {
        let method = step.method.as_str().to_lowercase();
        let path = paths.entry(format!("{}{}", public::PATH, step.path));
        path.or_insert_with(|| json!({}))[method] = public_operation(step);
    }
    let tags = Toolset::ALL
        .iter()
        .map(|toolset| json!({"name": toolset.as_str()}));
    let tags: Vec<Value> = tags.chain([json!({"name": "public"})]).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "EventOS",
            "version": env!("CARGO_PKG_VERSION"),
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": if url.is_empty() { "/" } else { url }}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": problem_schema()},
        },
    })
}

const INTRODUCTION: &str = "Every operation of EventOS. What gets one thing is a GET with its input as parameters; everything \
else is a POST with its input as JSON. Writes take `dry_run` to check without keeping anything, and an `Idempotency-Key` so \
that a repeat within a week does nothing twice; where an operation minds versions, `If-Match` takes the `ETag` of what was got. What takes something away answers 428 until `confirm` says what was seen; \
what a person must decide answers 202 and waits for them. Refusals are problems (RFC 9457) with a stable `code` and a `hint`. \
Paths below `/v1/public` need no token: they are for whoever buys tickets.";

fn operation(entry: &Entry) -> Value {
    let is_got = is_got(entry);
    let mut parameters = Vec::new();
    // A parameter cannot be null.
    let mut input = strict(if is_got {
        entry.input_schema()
    } else {
        entry.exact_input_schema()
    });
    if is_got {
        parameters.extend(query_parameters(&input));
    } else if entry.effect != Effect::Read {
        parameters.push(dry_run());
        parameters.push(idempotency_key(1, 200));
    }
    let minds_version = !is_got && minds_version(entry);
    if entry.effect == Effect::Destructive {
        let says =
            "The fingerprint of what was seen, from a dry run or from the refusal without it.";
        parameters.push(json!({
            "name": CONFIRM, "in": "query", "description": says,
            "schema": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }));
    }
    let mut codes = Codes::new();
    let mut own = vec![TOKEN_MISSING, TOKEN_INVALID, PARAMETER_INVALID];
    if !is_got {
        own.extend(BODY);
    }
    if entry.effect == Effect::Destructive {
        own.push(CONFIRMATION_NEEDED);
    }
    add_own(&mut codes, &own);
    add(&mut codes, shared_specs());
    add(&mut codes, Limits::SPECS);
    add(&mut codes, entry.faults());
    if policy::may_ask(entry.name) {
        add(&mut codes, RequestApprovalError::specs());
    }
    let mut output = entry.output_schema();
    if entry.effect != Effect::Read {
        output["properties"]["dry_run"] = shown_schema();
    }
    if minds_version {
        let status = StatusCode::PRECONDITION_FAILED.as_u16();
        codes.entry(status).or_default().insert(CHANGED_MEANWHILE);
    }
    let mut responses = responses(&codes);
    responses.insert("200".to_owned(), done("Done.", &output, is_got));
    if is_got {
        responses.insert("304".to_owned(), json!({"description": "Not changed."}));
    }
    if policy::may_ask(entry.name) {
        responses.insert(
            "202".to_owned(),
            done("Not done: a person decides.", &asked_schema(), false),
        );
    }
    let mut operation = json!({
        "operationId": entry.name,
        "summary": entry.title(),
        "description": entry.description(),
        "tags": [entry.toolset.as_str()],
        "security": [{"token": []}],
        "x-permission": entry.needs.as_str(),
        "parameters": parameters,
        "responses": responses,
    });
    if !is_got {
        // It is said above.
        if let Some(fields) = input.as_object_mut() {
            fields.remove("description");
        }
        operation["requestBody"] = body(&input);
    }
    operation
}

fn public_operation(step: &Step) -> Value {
    let is_got = step.method == Method::GET;
    let names = step.path.split(['{', '}']).skip(1).step_by(2);
    let mut parameters: Vec<Value> = names.map(path_parameter).collect();
    let mut codes = Codes::new();
    let mut own = vec![
        PARAMETER_INVALID,
        PATH_UNKNOWN,
        IF_MATCH_UNSUPPORTED,
        TOO_MANY,
    ];
    own.extend(BODY);
    if !is_got {
        parameters.push(idempotency_key(16, 128));
        own.push(KEY_GUESSABLE);
    }
    if step.path.contains("{checkout}") {
        own.push(CHECKOUT_UNKNOWN);
    }
    if step.path.contains("{turn}") || step.takes.contains(&TURN) {
        own.push(TURN_UNKNOWN);
    }
    if matches!(step.kind, Kind::ShowOrder | Kind::Redeem) {
        own.push(NOT_ORDERED);
    }
    add_own(&mut codes, &own);
    add(&mut codes, shared_specs());
    add(
        &mut codes,
        catalog::find(step.operation)
            .map(Entry::faults)
            .unwrap_or_default(),
    );
    let mut responses = responses(&codes);
    let status = step.status.as_u16().to_string();
    responses.insert(status, done("Done.", &(step.answer)(), is_got));
    if is_got {
        responses.insert("304".to_owned(), json!({"description": "Not changed."}));
    }
    let mut operation = json!({
        "operationId": step.name,
        "summary": problem::title(step.name.trim_start_matches("public_")),
        "description": step.says,
        "tags": ["public"],
        "security": [],
        "parameters": parameters,
        "responses": responses,
    });
    if !is_got {
        operation["requestBody"] = body(&strict(step.input_schema().clone()));
    }
    operation
}

const BODY: [Own; 5] = [
    BODY_MALFORMED,
    BODY_MEDIA_TYPE,
    BODY_TOO_LARGE,
    BODY_LATE,
    IF_MATCH_UNSUPPORTED,
];

/// What every operation may refuse with.
fn shared_specs() -> Vec<FaultSpec> {
    let mut specs = app::shared_specs();
    specs.push(INVALID_INPUT);
    specs
}

fn add(codes: &mut Codes, specs: impl IntoIterator<Item = FaultSpec>) {
    for spec in specs {
        let status = problem::status_of(spec.kind).as_u16();
        codes.entry(status).or_default().insert(spec.code);
    }
}

fn add_own(codes: &mut Codes, own: &[Own]) {
    for own in own {
        codes
            .entry(own.status.as_u16())
            .or_default()
            .insert(own.spec.code);
    }
}

/// Every code there is, with its status and what to do next.
pub(crate) fn codes() -> BTreeMap<&'static str, (StatusCode, &'static str)> {
    let specs = shared_specs().into_iter().chain(Limits::SPECS);
    let specs = specs.chain(RequestApprovalError::specs());
    let specs = specs.chain(offered().flat_map(Entry::faults));
    let of_operations = specs.map(|spec| (spec, problem::status_of(spec.kind)));
    let of_http = OWN.iter().map(|own| (own.spec, own.status));
    let all = of_operations.chain(of_http);
    all.map(|(spec, status)| (spec.code, (status, spec.next)))
        .collect()
}

fn responses(codes: &Codes) -> Map<String, Value> {
    let response = |(status, codes): (&u16, &BTreeSet<&str>)| {
        let codes: Vec<&str> = codes.iter().copied().collect();
        let known = StatusCode::from_u16(*status).ok();
        let reason = known.and_then(|status| status.canonical_reason());
        let schema = json!({
            "allOf": [{"$ref": "#/components/schemas/Problem"}],
            "properties": {"code": {"enum": codes}},
        });
        let mut response = json!({
            "description": reason.unwrap_or_default(),
            "content": {problem::MEDIA_TYPE: {"schema": schema}},
        });
        match *status {
            401 => response["headers"]["WWW-Authenticate"] = header("How to authenticate."),
            429 | 503 => response["headers"]["Retry-After"] = header("Seconds to wait."),
            _ => {}
        }
        (status.to_string(), response)
    };
    codes.iter().map(response).collect()
}

fn header(says: &str) -> Value {
    json!({"description": says, "schema": {"type": "string"}})
}

fn done(says: &str, schema: &Value, is_tagged: bool) -> Value {
    let mut response = json!({
        "description": says,
        "content": {"application/json": {"schema": schema}},
    });
    if is_tagged {
        let says = "Give it back in If-None-Match to be told whether anything has changed.";
        response["headers"]["ETag"] = header(says);
    }
    response
}

fn body(schema: &Value) -> Value {
    // Without required fields, nothing is as good as an empty object.
    let required = schema["required"]
        .as_array()
        .is_some_and(|fields| !fields.is_empty());
    json!({"required": required, "content": {"application/json": {"schema": schema}}})
}

fn dry_run() -> Value {
    let says = "Check and preview; keep nothing.";
    json!({"name": DRY_RUN, "in": "query", "description": says, "schema": {"type": "boolean"}})
}

fn idempotency_key(least: usize, most: usize) -> Value {
    let says = "A random UUID. A repeat under the same key within a week has the same answer and does nothing.";
    json!({
        "name": "Idempotency-Key", "in": "header", "description": says,
        "schema": {"type": "string", "pattern": format!("^[!-~]{{{least},{most}}}$")},
    })
}

fn path_parameter(name: &str) -> Value {
    let says = match name {
        "organization" => "The organization's name in addresses, or its id.",
        "event" => "The event's name in addresses, or its id.",
        "turn" => "Of the answer to taking a turn.",
        _ => "Of the answer to the hold.",
    };
    json!({
        "name": name, "in": "path", "required": true, "description": says,
        "schema": {"type": "string", "minLength": 1},
    })
}

fn query_parameters(input: &Value) -> Vec<Value> {
    let required = |name: &String| {
        let all = input["required"].as_array().into_iter().flatten();
        all.into_iter().any(|required| required == name)
    };
    let fields = input["properties"].as_object().into_iter().flatten();
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let says = schema["description"].take();
        if let Some(fields) = schema.as_object_mut() {
            fields.remove("description");
        }
        json!({
            "name": name, "in": "query", "required": required(name), "description": says, "schema": schema,
        })
    };
    fields.map(parameter).collect()
}

/// An input's schema with what holds of all of them: fields that it does not have are refused.
fn strict(mut schema: Value) -> Value {
    close(&mut schema);
    schema
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_object = fields.get("type").is_some_and(|kind| kind == "object");
            if is_object && fields.contains_key("properties") {
                let open = fields.get("additionalProperties").is_some();
                if !open {
                    fields.insert("additionalProperties".to_owned(), false.into());
                }
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn shown_schema() -> Value {
    json!({
        "type": "object",
        "description": "Of a dry run: nothing was kept.",
        "properties": {
            "would": {"type": "array", "items": {"type": "string"}, "description": "What it would do."},
            "confirm": {"type": "string", "description": "Give it back as the parameter `confirm`."},
        },
        "required": ["would"],
    })
}

/// What waits for a person.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Asked {
    /// What was asked; look at it with `get_approval`.
    approval: RequestedApproval,
}

fn asked_schema() -> Value {
    schema::output::<Asked>()
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "A problem (RFC 9457).",
        "properties": {
            "type": {"type": "string", "description": "An address that describes it."},
            "title": {"type": "string", "description": "What it is called."},
            "status": {"type": "integer", "description": "The HTTP status."},
            "detail": {"type": "string", "description": "What happened, with the values."},
            "code": {"type": "string", "description": "Its stable name."},
            "hint": {"type": "string", "description": "What to do next."},
            "errors": {
                "type": "array",
                "description": "Which part of the request is to blame.",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string", "description": "As `items[0].quantity`."},
                        "pointer": {"type": "string", "description": "The same as a JSON pointer."},
                        "detail": {"type": "string"},
                    },
                    "required": ["field", "pointer", "detail"],
                },
            },
            "candidates": {
                "type": "array",
                "description": "What may have been meant.",
                "items": {
                    "type": "object",
                    "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
                    "required": ["id", "name"],
                },
            },
            "preview": {"type": "array", "items": {"type": "string"}, "description": "What would be done."},
            "confirm": {"type": "string", "description": "Give it back as the parameter `confirm`."},
        },
        "required": ["type", "title", "status", "detail", "code", "hint"],
    })
}
