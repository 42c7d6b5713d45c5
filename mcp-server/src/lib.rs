//! `EventOS` over the Model Context Protocol: the catalog as tools, over HTTP and over stdin and stdout, in both
//! eras of the protocol. No rule about ticketing lives here.

mod connection;
#[cfg(feature = "conformance-fixtures")]
pub mod fixtures;
mod http;
mod keys;
mod options;
mod prompts;
mod resources;
mod server;
mod sessions;
mod subscriptions;
mod tools;

pub use http::{PATH, router};
pub use options::Options;
pub use rmcp::model::ProtocolVersion;
pub use server::{Caller, Server, serve_stdio};
pub use tools::described;

#[cfg(all(not(debug_assertions), feature = "conformance-fixtures"))]
compile_error!("conformance-fixtures answers to anybody and must not reach a release build");
