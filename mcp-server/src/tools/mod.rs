//! The catalog as MCP tools: what is listed, and how a call finds its operation.

mod answer;
mod approve;
mod confirm;
mod envelope;
pub(crate) mod guard;
pub(crate) mod offer;
mod search;
mod shape;

use std::panic::AssertUnwindSafe;

use domain::{Cx, context::Mode, fault::Failure};
use futures_util::FutureExt as _;
use operations::{Effect, Entry, Shelf};
use rmcp::{
    ErrorData, RoleServer,
    model::{CallToolRequestParams, CallToolResponse, InputResponses, Tool},
    service::RequestContext,
};
use serde_json::{Map, Value};

pub(crate) use answer::{boundary, mentions};
use envelope::Envelope;
use offer::Offer;

use crate::{connection::Connection, server::Shared};

/// The tools a connection sees, in the catalog's order, then the doors to the rest of it.
pub(crate) fn list(shared: &Shared, connection: &Connection) -> Vec<Tool> {
    let visible = |shelf| {
        (shared.offers.iter())
            .filter(move |offer| offer.entry.shelf == shelf && connection.shows(offer.entry))
    };
    let mut tools: Vec<Tool> = visible(Shelf::Shown)
        .map(|offer| offer.tool.clone())
        .collect();
    let behind: Vec<Effect> = visible(Shelf::Searchable)
        .map(|offer| offer.entry.effect)
        .collect();
    tools.extend(search::doors(&behind));
    tools
}

/// An operation as clients are told of it: its description, and the schema of its input without what belongs to the
/// protocol.
pub fn described(entry: &'static Entry) -> (String, Value) {
    let offer = Offer::new(entry);
    let mut schema = Value::Object((*offer.tool.input_schema).clone());
    if let Some(fields) = schema["properties"].as_object_mut() {
        for field in [envelope::DRY_RUN, envelope::KEY, envelope::CONFIRM] {
            fields.shift_remove(field);
        }
    }
    (entry.description(), schema)
}

/// A tool of any connection, by name; who may use it is decided when it is called.
pub(crate) fn find(shared: &Shared, name: &str) -> Option<Tool> {
    let door = || {
        search::doors(&[Effect::Read, Effect::Write])
            .into_iter()
            .find(|t| t.name == name)
    };
    let offer = shared
        .offer(name)
        .filter(|offer| offer.entry.shelf != Shelf::Operators);
    offer.map(|offer| offer.tool.clone()).or_else(door)
}

/// A call on its way to an operation.
struct Call<'a> {
    shared: &'a Shared,
    connection: &'a Connection,
    request: &'a RequestContext<RoleServer>,
    /// What the client's person answered to the last try, and what that try left with the client.
    responses: Option<InputResponses>,
    state: Option<String>,
}

/// Calls a tool. Whatever goes wrong inside is answered: a panic that escapes would never be.
pub(crate) async fn call(
    shared: &Shared,
    connection: &Connection,
    request: CallToolRequestParams,
    cx: &RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let call = Call {
        shared,
        connection,
        request: cx,
        responses: request.input_responses,
        state: request.request_state,
    };
    let arguments = request.arguments.unwrap_or_default();
    AssertUnwindSafe(call.dispatch(&request.name, arguments))
        .catch_unwind()
        .await
        .unwrap_or_else(|_| {
            tracing::error!(tool = %request.name, "A tool call panicked outside its operation");
            Ok(answer::refused(&operations::guard::internal()).into())
        })
}

impl Call<'_> {
    async fn dispatch(
        self,
        name: &str,
        arguments: Map<String, Value>,
    ) -> Result<CallToolResponse, ErrorData> {
        match name {
            search::SEARCH => return Ok(search::search(self.shared, self.connection, arguments)),
            search::READ | search::WRITE => {
                return match search::inner(self.shared, name, arguments) {
                    Ok((offer, arguments)) => self.run(offer, arguments).await,
                    Err(failure) => Ok(answer::refused(&failure).into()),
                };
            }
            _ => {}
        }
        let offer = self
            .shared
            .offer(name)
            .filter(|offer| offer.entry.shelf != Shelf::Operators);
        match offer {
            Some(offer) => self.run(offer, arguments).await,
            // Not METHOD_NOT_FOUND: over HTTP that would become a 404.
            None => Err(ErrorData::invalid_params(
                format!(
                    "There is no tool {name:?}; see tools/list, or find one with search_tools."
                ),
                None,
            )),
        }
    }

    async fn run(
        self,
        offer: &Offer,
        mut arguments: Map<String, Value>,
    ) -> Result<CallToolResponse, ErrorData> {
        let entry = offer.entry;
        let envelope = (self.connection.permits(entry))
            .and_then(|()| Envelope::take(offer, &mut arguments, &self.request.meta));
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(failure) => return Ok(answer::refused(&failure).into()),
        };
        let mut cx = self.connection.context(self.request);
        if let Some(key) = &envelope.key {
            cx = cx.with_key(key.clone());
        }
        if entry.effect == Effect::Destructive && !envelope.dry_run {
            return confirm::run(&self, offer, &cx, arguments, &envelope).await;
        }
        if envelope.dry_run {
            cx = cx.in_mode(Mode::DryRun);
        }
        let input = Value::Object(arguments);
        if let Some(asked) = Box::pin(approve::run(&self, offer, &cx, &input)).await {
            return Ok(asked.into());
        }
        let boundary = boundary(&cx);
        let outcome = self.execute(offer, &cx, input, &boundary).await;
        Ok(match outcome {
            Ok(value) if envelope.dry_run => {
                answer::dry_run(offer, value, &boundary, &cx.recorded())
            }
            Ok(value) => answer::done(offer, value, &boundary, envelope.detailed),
            Err(failure) => answer::refused(&failure),
        }
        .into())
    }

    /// Runs the operation, watched: see [`guard`].
    async fn execute(
        &self,
        offer: &Offer,
        cx: &Cx,
        input: Value,
        boundary: &str,
    ) -> Result<Value, Failure> {
        let running = guard::guarded(self.shared, offer.entry, cx, input, boundary);
        guard::with_progress(self.request, running).await
    }
}
