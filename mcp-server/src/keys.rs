//! What the server's one secret is used for, each use with a key of its own.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key for one use, made from the server's secret.
pub(crate) fn derive(secret: &[u8; 32], usage: &str) -> [u8; 32] {
    mac(secret, &[usage]).into_bytes().into()
}

/// A short proof that the holder of the key has seen these parts together, in hex.
pub(crate) fn tag(key: &[u8; 32], parts: &[&str]) -> String {
    hex(&mac(key, parts).into_bytes()[..16])
}

/// Whether a tag is the one of these parts; takes the same time whatever is wrong.
pub(crate) fn tag_fits(key: &[u8; 32], parts: &[&str], given: &str) -> bool {
    let expected = tag(key, parts);
    expected.len() == given.len()
        && expected
            .bytes()
            .zip(given.bytes())
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            == 0
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn mac(key: &[u8; 32], parts: &[&str]) -> hmac::digest::CtOutput<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_fits_only_its_own_parts_and_key() {
        let key = derive(&[7; 32], "sessions");
        let tag = tag(&key, &["ab", "c"]);
        assert!(tag_fits(&key, &["ab", "c"], &tag));
        assert!(!tag_fits(&key, &["a", "bc"], &tag));
        assert!(!tag_fits(&derive(&[7; 32], "other"), &["ab", "c"], &tag));
        assert!(!tag_fits(&key, &["ab", "c"], &tag[1..]));
    }
}
