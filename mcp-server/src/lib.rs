//! `EventOS` over the Model Context Protocol.

#[cfg(feature = "conformance-fixtures")]
pub mod fixtures;

#[cfg(all(not(debug_assertions), feature = "conformance-fixtures"))]
compile_error!("conformance-fixtures answers to anybody and must not reach a release build");
