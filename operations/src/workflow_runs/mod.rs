//! Runs of workflows as records.
