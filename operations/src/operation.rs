//! What an operation is, and how it looks with its types erased.

use std::{future::Future, pin::Pin};

use domain::{
    Cx, Fault, FaultKind, Permission,
    fault::{Failure, FaultSpec},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{App, RunError, catalog, schema};

/// What running an operation does to the world. Decides the hints MCP clients see and whether a person is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Adds or changes things in a way that can be corrected.
    Write,
    /// Takes something away from people: a person confirms what was shown.
    Destructive,
}

/// One thing EventOS can do. The implementing struct is the command: its fields are the MCP input, the JSON
/// body and a workflow step's payload; its doc comment is the description people and models read.
pub trait Operation: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// `verb_noun`; part of the contract.
    const NAME: &'static str;
    /// What it does to the world.
    const EFFECT: Effect;
    /// The permission the caller must have.
    const NEEDS: Permission;
    /// What it answers.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send;
    /// How it refuses.
    type Error: Fault;

    /// Does it: open a transaction, call functions, commit. Called by [`App::run`] only.
    fn run(
        self,
        app: &App,
        cx: &Cx,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;
}

/// A group of operations that is switched on and off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Toolset {
    /// Context, organization, audit trail.
    Organization,
    /// Venues, events, series, ticket types.
    Events,
    /// Orders and payments.
    Orders,
    /// Attendees, tickets, check-ins.
    Attendees,
    /// Messages to people, and webhooks to programs.
    Messages,
    /// Reports.
    Reports,
    /// Workflows, their runs, and what waits for a decision.
    Workflows,
}

impl Toolset {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Organization,
        Self::Events,
        Self::Orders,
        Self::Attendees,
        Self::Messages,
        Self::Reports,
        Self::Workflows,
    ];

    /// The name in flags, scopes and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Events => "events",
            Self::Orders => "orders",
            Self::Attendees => "attendees",
            Self::Messages => "messages",
            Self::Reports => "reports",
            Self::Workflows => "workflows",
        }
    }

    /// The toolset of a name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.as_str() == name)
    }
}

/// Whether models see an operation at once or find it by searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shelf {
    /// In the list of tools.
    Shown,
    /// Behind the search.
    Searchable,
    /// Not for models at all: for the command line and pages, where a person acts.
    Operators,
}

/// The future an erased operation returns.
pub type Running<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// An operation with its types erased: JSON in, JSON out.
pub struct Entry {
    /// [`Operation::NAME`].
    pub name: &'static str,
    /// [`Operation::EFFECT`].
    pub effect: Effect,
    /// [`Operation::NEEDS`].
    pub needs: Permission,
    /// Its group.
    pub toolset: Toolset,
    /// Where models find it.
    pub shelf: Shelf,
    input: fn() -> Value,
    exact_input: fn() -> Value,
    output: fn() -> Value,
    faults: fn() -> Vec<FaultSpec>,
    run: for<'a> fn(&'a App, &'a Cx, Value, Option<&'a str>) -> Running<'a>,
}

/// The entry of an operation, for the catalog.
pub const fn entry<O: Operation>(toolset: Toolset, shelf: Shelf) -> Entry {
    Entry {
        name: O::NAME,
        effect: O::EFFECT,
        needs: O::NEEDS,
        toolset,
        shelf,
        input: schema::input::<O>,
        exact_input: schema::exact_input::<O>,
        output: schema::output::<O::Output>,
        faults: O::Error::specs,
        run: |app, cx, input, boundary| Box::pin(run_erased::<O>(app, cx, input, boundary)),
    }
}

impl Entry {
    /// `Place order`, for people.
    pub fn title(&self) -> String {
        let words = self.name.replace('_', " ");
        words[..1].to_uppercase() + &words[1..]
    }

    /// The doc comment of the command.
    pub fn description(&self) -> String {
        self.input_schema()["description"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The JSON Schema of the command.
    pub fn input_schema(&self) -> Value {
        (self.input)()
    }

    /// The JSON Schema of the command with all that it takes: see [`schema::exact_input`].
    pub fn exact_input_schema(&self) -> Value {
        (self.exact_input)()
    }

    /// The JSON Schema of the answer.
    pub fn output_schema(&self) -> Value {
        (self.output)()
    }

    /// Every refusal of its own; see [`RunError`] for those all operations share.
    pub fn faults(&self) -> Vec<FaultSpec> {
        (self.faults)()
    }

    /// Runs the operation on JSON. With a boundary, text that strangers wrote is wrapped in it
    /// (see [`domain::text::with_boundary`]).
    pub fn run<'a>(
        &self,
        app: &'a App,
        cx: &'a Cx,
        input: Value,
        boundary: Option<&'a str>,
    ) -> Running<'a> {
        (self.run)(app, cx, input, boundary)
    }
}

async fn run_erased<O: Operation>(
    app: &App,
    cx: &Cx,
    mut input: Value,
    boundary: Option<&str>,
) -> Result<Value, Failure> {
    drop_nul(&mut input);
    let input: O = parse::<O>(input)?;
    let output = app.run(cx, input).await.map_err(|error| match &error {
        RunError::Operation(fault) => Failure::of(fault),
        other => Failure::of(other),
    })?;
    let json = || serde_json::to_value(&output).expect("an answer is plain data");
    Ok(match boundary {
        Some(boundary) => domain::text::with_boundary(boundary, json),
        None => json(),
    })
}

/// Takes the character NUL out of all text: nobody means it, and `PostgreSQL` cannot keep it.
pub(crate) fn drop_nul(input: &mut Value) {
    match input {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(drop_nul),
        Value::Object(fields) => fields.values_mut().for_each(drop_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Reads a command, refusing fields it does not have: a misspelled option must not be ignored.
fn parse<O: Operation>(input: Value) -> Result<O, Failure> {
    let input = if input.is_null() {
        Value::Object(serde_json::Map::new())
    } else {
        input
    };
    let invalid = |message: String, field: Option<String>| Failure {
        kind: FaultKind::Invalid,
        code: "invalid_input",
        message,
        next: "Correct the named field and call again.",
        field: field.filter(|f| !f.is_empty() && f != "."),
        candidates: Vec::new(),
    };
    if let Some((field, allowed)) =
        schema::unknown_field(catalog::input_schema(O::NAME), &input, "")
    {
        let message = format!(
            "`{field}` is not a field of {}; known here: {}.",
            O::NAME,
            allowed.join(", ")
        );
        return Err(invalid(message, Some(field)));
    }
    serde_path_to_error::deserialize(input).map_err(|error| {
        let field = error.path().to_string();
        invalid(format!("{}.", error.into_inner()), Some(field))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{catalog, testing::Scene};

    #[tokio::test]
    async fn text_that_the_database_cannot_keep_is_no_defect() {
        let scene = Scene::new().await;
        let (event, _) = scene.on_sale(2500, 5).await;
        let searches = [
            ("list_orders", json!({"query": "a\0b"})),
            ("list_venues", json!({"query": "a\0b"})),
            ("list_events", json!({"query": "Spring\0"})),
            (
                "list_attendees",
                json!({"query": "a\0b", "event": event.id}),
            ),
            ("list_changes", json!({"kind": "order\0"})),
        ];
        for (name, input) in searches {
            let entry = catalog::find(name).unwrap();
            let answer = entry.run(&scene.app, &scene.cx, input, None).await;
            assert!(answer.is_ok(), "{name}: {answer:?}");
        }
        let far = json!({"from": "-009999-01-01T00:00"});
        let entry = catalog::find("list_events").unwrap();
        let refused = entry.run(&scene.app, &scene.cx, far, None).await;
        assert_eq!(refused.unwrap_err().code, "invalid_input");
        let far = json!({"from": "-009999-01-01", "to": "-009999-01-01"});
        let entry = catalog::find("get_sales_report").unwrap();
        let refused = entry.run(&scene.app, &scene.cx, far, None).await;
        assert_eq!(refused.unwrap_err().code, "invalid_input");
    }
}
