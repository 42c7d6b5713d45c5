//! Keys and secrets, in a type that does not print them.

use std::fmt;

/// A key or a secret. `Debug` shows that there is one and nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret; spaces around it, as they come from pasting, are dropped.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The secret itself: only for what sends it or computes with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new(" hunter2\n");
        assert_eq!(secret.reveal(), "hunter2");
        assert!(!format!("{secret:?}").contains("hunter"));
    }
}
