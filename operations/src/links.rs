//! Links under which a member decides one approval. Only we can make one, and nothing that models read holds one: a
//! link is made when a mail is sent, or when a person asks for it on the server.

use std::fmt::Write as _;

use domain::{ApprovalId, OrganizationId, Timestamp, UserId};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

/// Makes and opens links.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
}

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whose approval it is.
    pub organization_id: OrganizationId,
    /// What is decided.
    pub approval_id: ApprovalId,
    /// Who decides.
    pub user_id: UserId,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Links {
    /// With the server's own key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The address of the page behind a link, on the server that people reach under `public_url`.
    pub fn url(&self, public_url: &str, link: &Link) -> String {
        format!("{public_url}/approvals/{}", self.seal(link))
    }

    /// The part of the address behind `/approvals/`.
    fn seal(&self, link: &Link) -> String {
        let ids = [
            Uuid::from(link.organization_id),
            Uuid::from(link.approval_id),
            Uuid::from(link.user_id),
        ];
        let mut text = String::new();
        for id in ids {
            let _ = write!(text, "{}", id.simple());
        }
        let _ = write!(
            text,
            "{:010x}",
            link.expires_at.as_microseconds() / 1_000_000
        );
        let tag = self.tag(&text);
        for byte in &tag[..16] {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// What a link is for; nothing if it was not made here. Whether it has ended is looked at later.
    pub fn open(&self, token: &str) -> Option<Link> {
        if token.len() != 138 || !token.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (text, tag) = token.split_at(106);
        let expected = self.tag(text);
        let given = (0..16).map(|i| u8::from_str_radix(&tag[2 * i..2 * i + 2], 16).unwrap_or(0));
        // The same time whatever is wrong.
        if given
            .zip(&expected)
            .fold(0, |difference, (a, b)| difference | (a ^ b))
            != 0
        {
            return None;
        }
        let id = |part: usize| Uuid::try_parse(&text[32 * part..32 * part + 32]).ok();
        let seconds = i64::from_str_radix(&text[96..], 16).ok()?;
        Some(Link {
            organization_id: id(0)?.into(),
            approval_id: id(1)?.into(),
            user_id: id(2)?.into(),
            expires_at: Timestamp::from_microseconds(seconds.checked_mul(1_000_000)?),
        })
    }

    fn tag(&self, text: &str) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(b"approval link\0");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link {
            organization_id: Uuid::from_u128(1).into(),
            approval_id: Uuid::from_u128(2).into(),
            user_id: Uuid::from_u128(3).into(),
            expires_at: "2027-01-11T09:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_link_opens_only_whole_and_with_its_own_key() {
        let links = Links::new([7; 32]);
        let token = links.seal(&link());
        assert_eq!(links.open(&token), Some(link()));
        assert_eq!(Links::new([8; 32]).open(&token), None);
        for place in [0, 40, 70, 100, 110] {
            let mut bad = token.clone().into_bytes();
            bad[place] = if bad[place] == b'0' { b'1' } else { b'0' };
            assert_eq!(
                links.open(&String::from_utf8(bad).unwrap()),
                None,
                "{place}"
            );
        }
        assert_eq!(links.open(&token[1..]), None);
        assert_eq!(links.open(""), None);
    }
}
