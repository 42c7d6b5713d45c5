//! The short code of an order that people read aloud.

use std::{fmt, str::FromStr};

use domain::Cx;

use crate::codes::{self, CodeError};

/// An order number: six random characters and a checksum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderNumber(String);

impl OrderNumber {
    const LENGTH: usize = 7;

    /// A new number. Thirty random bits: rarely, but surely one day, it is taken already.
    pub(super) fn generate(cx: &Cx) -> Self {
        Self(codes::generate(cx, Self::LENGTH))
    }

    /// The seven characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for OrderNumber {
    type Err = CodeError;
    fn from_str(text: &str) -> Result<Self, CodeError> {
        codes::parse(text, Self::LENGTH).map(Self)
    }
}
