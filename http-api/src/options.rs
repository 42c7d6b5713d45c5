//! What the program decides about the API.

use std::time::Duration;

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct Options {
    /// The secret that signs checkouts. Keep it over restarts, and the same in all processes behind one address.
    pub key: [u8; 32],
    /// The address people reach the server under, for the document that describes the API.
    pub url: String,
    /// Requests of buyers per minute and address; 0 for no limit.
    pub public_per_minute: u32,
    /// How many of them may come at once.
    pub public_burst: u32,
    /// Whether a proxy of ours stands before the server, so that buyers are known by the last address in
    /// `X-Forwarded-For`. Without one, whoever asks could write it.
    pub behind_proxy: bool,
    /// How long an operation may run.
    pub run_within: Duration,
    /// How long a request's body may take to arrive.
    pub read_within: Duration,
}

impl Options {
    /// Sensible settings under a secret key.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key,
            url: String::new(),
            // A checkout takes five requests, and many people may share an address.
            public_per_minute: 300,
            public_burst: 100,
            behind_proxy: false,
            run_within: Duration::from_secs(30),
            read_within: Duration::from_secs(30),
        }
    }
}
