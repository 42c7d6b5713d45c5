//! Codes that people read aloud and type: order numbers and ticket codes; and secrets, which nobody does.
//!
//! Thirty-two characters without look-alikes (no I, O, 0, 1), five bits each. The last one is a checksum over the
//! field of 32 elements: each character is multiplied by a different power of the generator of x⁵ + x² + 1, and the
//! products are added. One wrong character, or any two swapped, never go unnoticed in codes of up to 31 characters.

use domain::{Cx, Facts, Fault, FaultKind, FaultSpec};
use store::StoreError;

use crate::{lookup::LookupError, signed};

const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// Why text is not a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A character that was left out because it looks like another.
    #[error("{0:?} is in no code: I, O, 1 and 0 are left out because they look like others")]
    LookAlike(char),
    /// A character that is in no code.
    #[error("{0:?} is in no code; codes have digits and letters only")]
    WrongCharacter(char),
    /// Too few or too many characters.
    #[error("it has {length} characters instead of {expected}")]
    WrongLength {
        /// Characters given.
        length: usize,
        /// Characters of such a code.
        expected: usize,
    },
    /// The checksum does not fit.
    #[error("a character is wrong, or two are swapped")]
    Misread,
}

/// A new code of so many characters, the checksum included; noted in the context as made by it.
pub(crate) fn generate(cx: &Cx, length: usize) -> String {
    let mut bytes = vec![0; length - 1];
    cx.random(&mut bytes);
    for byte in &mut bytes {
        *byte &= 31;
    }
    bytes.push(checksum(&bytes));
    let code = spelled(&bytes);
    cx.note_made(&code);
    code
}

/// A code of so many characters, the checksum included, that follows from a key: only who has that makes it.
pub(crate) fn derived(key: &[u8; 32], purpose: &str, bytes: &[u8], length: usize) -> String {
    let mac = signed::mac(key, purpose, bytes);
    let mut values: Vec<u8> = mac.iter().take(length - 1).map(|byte| byte & 31).collect();
    values.push(checksum(&values));
    spelled(&values)
}

fn spelled(values: &[u8]) -> String {
    let characters = values
        .iter()
        .map(|value| char::from(ALPHABET[usize::from(*value)]));
    characters.collect()
}

/// 256 random bits in hex behind a prefix, which lets secret scanners find leaked ones. Not noted as made: a secret is
/// in no change.
pub(crate) fn secret(cx: &Cx, prefix: &str) -> String {
    let mut bytes = [0; 32];
    cx.random(&mut bytes);
    format!("{prefix}{}", hex::encode(bytes))
}

/// A code as somebody typed it, in its stored form: case, spaces and hyphens do not matter.
pub(crate) fn parse(text: &str, length: usize) -> Result<String, CodeError> {
    let spacing =
        |c: &char| !c.is_whitespace() && !matches!(c, '-' | '\u{2010}'..='\u{2015}' | '#');
    let characters: Vec<char> = text
        .chars()
        .filter(spacing)
        .flat_map(char::to_uppercase)
        .collect();
    let value = |c: &char| {
        let found = ALPHABET.iter().position(|known| char::from(*known) == *c);
        let refusal = if matches!(c, 'I' | 'O' | '0' | '1') {
            CodeError::LookAlike(*c)
        } else {
            CodeError::WrongCharacter(*c)
        };
        found
            .and_then(|value| u8::try_from(value).ok())
            .ok_or(refusal)
    };
    let values = characters
        .iter()
        .map(value)
        .collect::<Result<Vec<u8>, _>>()?;
    if values.len() != length {
        return Err(CodeError::WrongLength {
            length: values.len(),
            expected: length,
        });
    }
    let (last, others) = values.split_last().expect("codes are not empty");
    if checksum(others) == *last {
        Ok(characters.into_iter().collect())
    } else {
        Err(CodeError::Misread)
    }
}

/// Horner's scheme in the field of 32 elements: add the next value, multiply by the generator.
fn checksum(values: &[u8]) -> u8 {
    values.iter().fold(0, |sum, value| {
        let doubled = (sum ^ value) << 1;
        if doubled & 32 == 0 {
            doubled
        } else {
            doubled ^ 0b10_0101
        }
    })
}

/// Something named by a code that cannot be one, or that nothing has.
#[derive(Debug, thiserror::Error)]
pub enum CodeLookupError {
    /// The text cannot be a code.
    #[error("{given:?} is not {noun}: {error}")]
    Malformed {
        /// `an order number`, `a ticket code`
        noun: &'static str,
        /// The input field.
        field: &'static str,
        /// What was given.
        given: String,
        /// What is wrong with it.
        error: CodeError,
    },
    /// Nothing has it.
    #[error(transparent)]
    Lookup(#[from] LookupError),
}

const MALFORMED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "code_malformed",
    "Ask for it to be read again, or search with the matching list tool; never guess a character.",
);

impl Fault for CodeLookupError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = vec![MALFORMED];
        specs.extend(LookupError::specs());
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::Malformed { field, .. } => MALFORMED.at(*field),
            Self::Lookup(error) => error.facts(),
        }
    }
}

impl From<StoreError> for CodeLookupError {
    fn from(error: StoreError) -> Self {
        Self::Lookup(error.into())
    }
}

impl From<sqlx::Error> for CodeLookupError {
    fn from(error: sqlx::Error) -> Self {
        Self::Lookup(error.into())
    }
}

#[cfg(test)]
mod tests {
    use domain::Permissions;

    use super::*;
    use crate::testing::context;

    #[test]
    fn reads_codes_as_people_type_them() {
        let code = generate(&context(Permissions::NONE), 20);
        let typed = format!(
            " {}-{} {}",
            &code[..5],
            code[5..9].to_lowercase(),
            &code[9..]
        );
        assert_eq!(parse(&typed, 20), Ok(code));
    }

    #[test]
    fn notices_every_wrong_character_and_every_swap() {
        let cx = context(Permissions::NONE);
        for _ in 0..20 {
            let code: Vec<u8> = generate(&cx, 20).into_bytes();
            for i in 0..code.len() {
                for other in ALPHABET.iter().filter(|c| **c != code[i]) {
                    let mut wrong = code.clone();
                    wrong[i] = *other;
                    let wrong = String::from_utf8(wrong).unwrap();
                    assert_eq!(parse(&wrong, 20), Err(CodeError::Misread));
                }
                for j in (0..i).filter(|j| code[*j] != code[i]) {
                    let mut swapped = code.clone();
                    swapped.swap(i, j);
                    let swapped = String::from_utf8(swapped).unwrap();
                    assert_eq!(parse(&swapped, 20), Err(CodeError::Misread));
                }
            }
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(parse("O234567", 7), Err(CodeError::LookAlike('O')));
        assert_eq!(parse("2345l1", 7), Err(CodeError::LookAlike('1')));
        assert_eq!(parse("ÄBCDEFG", 7), Err(CodeError::WrongCharacter('Ä')));
        let short = CodeError::WrongLength {
            length: 3,
            expected: 7,
        };
        assert_eq!(parse("ABC", 7), Err(short));
    }
}
