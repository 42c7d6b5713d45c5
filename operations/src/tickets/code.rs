//! The secret in the barcode.

use std::{fmt, str::FromStr};

use domain::{Cx, Permission};

use crate::codes::{self, CodeError};

/// A ticket code: 19 random characters and a checksum, shown in groups of five.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TicketCode(String);

impl TicketCode {
    const LENGTH: usize = 20;

    /// A new code: 95 random bits, so nobody guesses one and no two are the same.
    pub(crate) fn generate(cx: &Cx) -> Self {
        Self(codes::generate(cx, Self::LENGTH))
    }

    /// A code that was stored.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The form it is stored and scanned in.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the caller may see it: whole, or its last group.
    pub fn for_caller(&self, cx: &Cx) -> String {
        if cx.may(Permission::AttendeesPersonal) {
            self.to_string()
        } else {
            format!("…-{}", &self.0[Self::LENGTH - 5..])
        }
    }
}

impl fmt::Display for TicketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = [&self.0[..5], &self.0[5..10], &self.0[10..15], &self.0[15..]];
        f.write_str(&groups.join("-"))
    }
}

// Whoever holds the code is let in: a debug print ends up in logs.
impl fmt::Debug for TicketCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketCode(…)")
    }
}

impl FromStr for TicketCode {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        codes::parse(text, Self::LENGTH).map(Self)
    }
}
