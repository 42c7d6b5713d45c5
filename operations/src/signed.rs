//! Links that only we can make: a few bytes and their signature, in hex. Whoever has one may do the one thing it is for.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Bytes of the signature that are kept: 128 bits.
const SIGNATURE: usize = 16;

fn signature(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    // Purposes are constants and none begins with another, so that no link fits a second purpose.
    mac.update(purpose.as_bytes());
    mac.update(bytes);
    mac
}

/// The whole signature of bytes for one purpose.
pub(crate) fn mac(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> [u8; 32] {
    let mac = signature(key, purpose, bytes);
    mac.finalize().into_bytes().into()
}

/// The bytes with a signature for one purpose, in hex.
pub fn seal(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> String {
    let mac = mac(key, purpose, bytes);
    hex::encode([bytes, &mac[..SIGNATURE]].concat())
}

/// The bytes of a token that was sealed here for this purpose.
pub fn open<const N: usize>(key: &[u8; 32], purpose: &str, token: &str) -> Option<[u8; N]> {
    let bytes = hex::decode(token).ok()?;
    if bytes.len() != N + SIGNATURE {
        return None;
    }
    let (bytes, mac) = bytes.split_at(N);
    // Takes the same time whatever is wrong.
    (signature(key, purpose, bytes).verify_truncated_left(mac)).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_only_whole_with_its_own_key_and_for_its_own_purpose() {
        let key = [7; 32];
        let token = seal(&key, "one", b"abc");
        assert_eq!(open(&key, "one", &token), Some(*b"abc"));
        assert_eq!(open::<3>(&[8; 32], "one", &token), None);
        assert_eq!(open::<3>(&key, "two", &token), None);
        assert_eq!(open::<2>(&key, "one", &token), None);
        for place in 0..token.len() {
            let mut bad = token.clone().into_bytes();
            bad[place] = if bad[place] == b'0' { b'1' } else { b'0' };
            let bad = String::from_utf8(bad).unwrap();
            assert_eq!(open::<3>(&key, "one", &bad), None, "{place}");
        }
        for bad in [
            "",
            "zz",
            &token[2..],
            &format!("{token}00"),
            &"ü".repeat(19),
        ] {
            assert_eq!(open::<3>(&key, "one", bad), None, "{bad}");
        }
    }
}
