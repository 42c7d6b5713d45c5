//! Resources, completion and prompts.
