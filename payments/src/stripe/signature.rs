//! The signatures of Stripe's webhooks: HMAC-SHA-256 over the time and the raw bytes of the body.

use domain::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Secret;

/// The header that carries the time and the signatures: `t=1700000000,v1=…,v1=…`.
pub const SIGNATURE_HEADER: &str = "Stripe-Signature";

/// How old a signature may be, so that whoever overheard a webhook cannot repeat it later.
pub const TOLERANCE_SECONDS: i64 = 300;

/// Why a webhook is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is not of the known form.
    #[error("the header Stripe-Signature is missing its time or its signatures")]
    Malformed,
    /// No signature is made with one of our secrets over these bytes.
    #[error("no signature fits the body; the endpoint's secret may have been replaced")]
    Mismatch,
    /// It was signed too long ago, or by a clock that is ahead.
    #[error(
        "it was signed {0} s ago, and no more than 300 are accepted; one of the clocks may be wrong"
    )]
    Expired(i64),
}

/// Whether Stripe signed these very bytes with one of the secrets, lately. Secrets are several while one replaces
/// another. Takes the same time wherever a signature differs.
pub fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Secret],
    now: Timestamp,
) -> Result<(), SignatureError> {
    let mut signed_at: Option<i64> = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => signed_at = value.parse().ok(),
            Some(("v1", value)) => signatures.extend(hex::decode(value)),
            // v0 is for tests only, and what is to come is not for us.
            _ => {}
        }
    }
    let signed_at = signed_at.ok_or(SignatureError::Malformed)?;
    if signatures.is_empty() {
        return Err(SignatureError::Malformed);
    }
    let fits = secrets.iter().any(|secret| {
        let mac = mac(secret, signed_at, body);
        let fits = |signature: &Vec<u8>| mac.clone().verify_slice(signature).is_ok();
        signatures.iter().any(fits)
    });
    // First this, so that only Stripe learns what our clock says.
    if !fits {
        return Err(SignatureError::Mismatch);
    }
    let age = now.as_microseconds() / 1_000_000 - signed_at;
    if age.abs() > TOLERANCE_SECONDS {
        return Err(SignatureError::Expired(age));
    }
    Ok(())
}

/// The header of a body as Stripe signs it: for the simulator and for tests.
pub fn sign(body: &[u8], secret: &Secret, now: Timestamp) -> String {
    let seconds = now.as_microseconds() / 1_000_000;
    let code = mac(secret, seconds, body).finalize().into_bytes();
    format!("t={seconds},v1={}", hex::encode(code))
}

fn mac(secret: &Secret, seconds: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes())
        .expect("HMAC takes keys of every length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_microseconds(seconds * 1_000_000)
    }

    fn secret() -> Secret {
        Secret::new("whsec_test")
    }

    #[test]
    fn signs_as_anyone_can_check() {
        // printf '1700000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test
        assert_eq!(
            sign(BODY, &secret(), at(1_700_000_000)),
            "t=1700000000,v1=c89214b5b5da833daed6f0b8c5bb6bd58cea9022bd80ccc78230f3942d632925"
        );
    }

    #[test]
    fn accepts_one_of_several_secrets_and_signatures() {
        let now = at(1_700_000_000);
        let header = sign(BODY, &secret(), now);
        let next = Secret::new("whsec_next");
        let secrets = [next.clone(), secret()];
        assert_eq!(verify(&header, BODY, &secrets, now), Ok(()));
        let both = format!(
            "{header},{}",
            sign(BODY, &next, now).split_once(',').unwrap().1
        );
        assert_eq!(verify(&both, BODY, &[next], now), Ok(()));
        let spaced = format!("{}, v0=00, v2=zz", header.replace(',', ", "));
        assert_eq!(verify(&spaced, BODY, &[secret()], now), Ok(()));
    }

    #[test]
    fn refuses_other_bytes_secrets_and_forms() {
        let now = at(1_700_000_000);
        let header = sign(BODY, &secret(), now);
        let refused = |header: &str, body: &[u8], secrets: &[Secret]| {
            verify(header, body, secrets, now).unwrap_err()
        };
        let spaced = b"{ \"id\":\"evt_1\"}";
        assert_eq!(
            refused(&header, spaced, &[secret()]),
            SignatureError::Mismatch
        );
        let other = Secret::new("whsec_other");
        assert_eq!(refused(&header, BODY, &[other]), SignatureError::Mismatch);
        assert_eq!(refused(&header, BODY, &[]), SignatureError::Mismatch);
        let later = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(refused(&later, BODY, &[secret()]), SignatureError::Mismatch);
        let cut = &header[..header.len() - 2];
        assert_eq!(refused(cut, BODY, &[secret()]), SignatureError::Mismatch);
        for bad in [
            "",
            "t=1700000000",
            "v1=00",
            "t=x,v1=00",
            "t=1,v1=zz",
            "t=1,v0=00",
        ] {
            assert_eq!(
                refused(bad, BODY, &[secret()]),
                SignatureError::Malformed,
                "{bad}"
            );
        }
    }

    #[test]
    fn refuses_what_was_signed_too_long_ago_or_ahead() {
        let header = sign(BODY, &secret(), at(1_700_000_000));
        let age = |seconds: i64| verify(&header, BODY, &[secret()], at(1_700_000_000 + seconds));
        assert_eq!(age(300), Ok(()));
        assert_eq!(age(-300), Ok(()));
        assert_eq!(age(301), Err(SignatureError::Expired(301)));
        assert_eq!(age(-301), Err(SignatureError::Expired(-301)));
    }
}
