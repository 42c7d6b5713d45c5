//! What the server's one secret is used for, each use with a key of its own.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of a tag: 128 bits.
const TAG: usize = 16;

/// A key for one use, made from the server's secret.
pub(crate) fn derive(secret: &[u8; 32], usage: &str) -> [u8; 32] {
    mac(secret, &[usage]).finalize().into_bytes().into()
}

/// A short proof that the holder of the key has seen these parts together, in hex.
pub(crate) fn tag(key: &[u8; 32], parts: &[&str]) -> String {
    hex::encode(&mac(key, parts).finalize().into_bytes()[..TAG])
}

/// Whether a tag is the one of these parts; takes the same time whatever is wrong.
pub(crate) fn tag_fits(key: &[u8; 32], parts: &[&str], given: &str) -> bool {
    let mut given_code = [0; TAG];
    hex::decode_to_slice(given, &mut given_code).is_ok()
        && mac(key, parts).verify_truncated_left(&given_code).is_ok()
}

fn mac(key: &[u8; 32], parts: &[&str]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    mac
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
