//! The paths: one for each operation, the buyers' part, the document, and an answer to everything else.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{OriginalUri, Path, Request, State, rejection::PathRejection},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{MethodFilter, MethodRouter, get, on},
};
use operations::{App, CATALOG, Effect, Entry, Shelf, catalog};
use serde_json::{Value, json};

use crate::{
    answer,
    call::{Call, Outcome},
    door::{self, Door},
    input::{self, CONFIRM, DRY_RUN, Envelope},
    openapi,
    options::Options,
    problem::{self, METHOD_UNKNOWN, PATH_UNKNOWN, Problem},
    public::{self, Counter},
};

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) options: Options,
    pub(crate) counter: Counter,
    door: Door,
    document: Value,
}

/// The operations that programs may call. Those for operators are for people, at the command line and on pages.
pub(crate) fn offered() -> impl Iterator<Item = &'static Entry> {
    let is_offered = |entry: &&Entry| entry.shelf != Shelf::Operators;
    CATALOG.iter().filter(is_offered)
}

/// The API as routes: `/v1`, `/v1/public`, `/openapi.json` and `/problems`.
pub fn router(app: App, options: Options) -> Router {
    let shared = Arc::new(Shared {
        door: Door::new(&app),
        counter: Counter::new(&options),
        document: openapi::document(&options.url),
        app,
        options,
    });
    let mut operations = Router::new();
    for entry in offered() {
        operations = operations.route(&format!("/{}", entry.name), route(entry));
    }
    let operations = operations
        .nest("/public", public::router(&shared))
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so);
    let beside = Router::new()
        .route("/openapi.json", get(document))
        .route("/problems/{code}", get(described))
        .method_not_allowed_fallback(not_so);
    Router::new()
        .nest("/v1", operations)
        .merge(beside)
        .with_state(shared)
}

fn route(entry: &'static Entry) -> MethodRouter<Arc<Shared>> {
    let method = if input::is_got(entry) {
        MethodFilter::GET
    } else {
        MethodFilter::POST
    };
    on(
        method,
        async move |State(shared): State<Arc<Shared>>, request: Request| {
            answered(&shared, entry, request).await
        },
    )
}

async fn answered(
    shared: &Shared,
    entry: &'static Entry,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let grant = shared.door.grant(&parts.headers).await?;
    door::permits(&grant, entry)?;
    let query = parts.uri.query();
    let is_got = input::is_got(entry);
    let (input, envelope) = if is_got {
        (input::of_query(entry, query)?, Envelope::default())
    } else {
        let known: &[&str] = match entry.effect {
            Effect::Read => &[],
            Effect::Write => &[DRY_RUN],
            Effect::Destructive => &[DRY_RUN, CONFIRM],
        };
        let envelope = Envelope::of(query, &parts.headers, known)?;
        let within = shared.options.read_within;
        let given = input::of_body(&parts.headers, body, within).await?;
        (input::at_version(entry, given, envelope.version)?, envelope)
    };
    input::within_limits(catalog::input_schema(entry.name), &input, "")?;
    let mut cx = grant.context();
    if let Some(client) = door::client(&parts.headers) {
        cx = cx.with_client(client);
    }
    let call = Call {
        app: &shared.app,
        options: &shared.options,
        entry,
        cx,
    };
    let is_conditional = envelope.version.is_some();
    let done = call.run(input, envelope).await;
    Ok(
        match done.map_err(|problem| problem.of_condition(is_conditional))? {
            Outcome::Done(value) if is_got => answer::tagged(&parts.headers, &value),
            Outcome::Done(value) => answer::json(StatusCode::OK, &value),
            Outcome::Asked(asked) => {
                answer::json(StatusCode::ACCEPTED, &json!({"approval": asked}))
            }
        },
    )
}

async fn document(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shared.document.clone())
}

/// What a problem's `type` leads to.
async fn described(
    uri: OriginalUri,
    code: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let found = code.ok().and_then(|Path(wanted)| {
        let mut codes = openapi::codes().into_iter();
        codes.find(|(code, _)| **code == wanted)
    });
    let (code, (status, next)) = found.ok_or_else(|| no_path(&uri))?;
    let title = problem::title(code);
    let text = format!("{title} ({code}, {status})\n\n{next}\n");
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

fn no_path(OriginalUri(uri): &OriginalUri) -> Problem {
    Problem::own(PATH_UNKNOWN, format!("nothing is at {:?}", uri.path()))
}

async fn nothing_here(uri: OriginalUri) -> Problem {
    no_path(&uri)
}

async fn not_so(method: Method, OriginalUri(uri): OriginalUri) -> Problem {
    let detail = format!("{:?} does not know {method}", uri.path());
    Problem::own(METHOD_UNKNOWN, detail)
}
