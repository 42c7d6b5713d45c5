//! stub
pub mod embedded;
