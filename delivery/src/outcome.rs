//! What came of handing a message over: kinds that a retry understands, with the other side's own words kept.

use std::{fmt, future::Future, pin::Pin};

/// The future of handing a message over.
pub type Sending<'a, T> = Pin<Box<dyn Future<Output = Result<T, SendError>> + Send + 'a>>;

/// What the other side said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reply code, such as 550 (SMTP) or 400 (HTTP), when there was a reply.
    pub code: Option<u16>,
    /// The reply's words, or what failed before there was one. May name the address: not for logs.
    pub text: String,
}

impl Refusal {
    /// A refusal with a code.
    pub fn new(code: u16, text: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            text: text.into(),
        }
    }

    /// Something that failed before anybody answered.
    pub fn unanswered(text: impl Into<String>) -> Self {
        Self {
            code: None,
            text: text.into(),
        }
    }

    /// Whether the reply means that this address will never take mail, so that nothing should be sent there again.
    ///
    /// Decided by the enhanced status code (RFC 3463) where there is one: a full mailbox or a policy against this
    /// message says nothing about the address. Without one, by the plain codes for unknown mailboxes.
    pub fn means_dead_address(&self) -> bool {
        match (self.enhanced_status(), self.code) {
            (Some(status), _) => matches!(status, (5, 1, 1 | 2 | 3 | 6 | 10) | (5, 2, 1)),
            (None, Some(550 | 551 | 553)) => true,
            (None, _) => false,
        }
    }

    fn enhanced_status(&self) -> Option<(u16, u16, u16)> {
        let mut parts = self.text.split_whitespace().next()?.split('.');
        let mut number = || parts.next()?.parse().ok();
        let status = (number()?, number()?, number()?);
        parts.next().is_none().then_some(status)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Why a message was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// This message will never be taken: sending it again is pointless.
    #[error("refused for good: {0}")]
    Permanent(Refusal),
    /// It may be taken later: the other side is busy, unreachable, or does not know us at the moment.
    #[error("not taken this time: {0}")]
    Transient(Refusal),
}

impl SendError {
    /// What the other side said.
    pub fn refusal(&self) -> &Refusal {
        match self {
            Self::Permanent(refusal) | Self::Transient(refusal) => refusal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_dead_addresses_from_other_refusals() {
        let dead = |code, text: &str| Refusal::new(code, text).means_dead_address();
        assert!(dead(550, "5.1.1 no such user"));
        assert!(dead(550, "no such user"));
        assert!(dead(554, "5.1.10 the domain takes no mail"));
        assert!(!dead(552, "5.2.2 the mailbox is full"));
        assert!(!dead(550, "5.7.1 looks like spam"));
        assert!(!dead(554, "looks like spam"));
        assert!(!Refusal::unanswered("no route").means_dead_address());
    }
}
