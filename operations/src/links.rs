//! Links under which a member decides one approval. Only we can make one, and nothing that models read holds one: a
//! link is made when a mail is sent, or when a person asks for it on the server.

use domain::{ApprovalId, OrganizationId, Timestamp, UserId};
use uuid::Uuid;

use crate::signed;

/// What the signature is for.
const PURPOSE: &str = "approval link\0";

/// The bytes of a number of seconds that are kept: enough until the year 36,000.
const SECONDS: std::ops::RangeFrom<usize> = 3..;

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
        let mut bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_bytes()).collect();
        let seconds = link.expires_at.as_microseconds() / 1_000_000;
        bytes.extend(&seconds.to_be_bytes()[SECONDS]);
        signed::seal(&self.key, PURPOSE, &bytes)
    }

    /// What a link is for; nothing if it was not made here. Whether it has ended is looked at later.
    pub fn open(&self, token: &str) -> Option<Link> {
        let bytes: [u8; 53] = signed::open(&self.key, PURPOSE, token)?;
        let id = |part: usize| Uuid::from_slice(&bytes[16 * part..16 * part + 16]).ok();
        let mut seconds = [0; 8];
        seconds[SECONDS].copy_from_slice(&bytes[48..]);
        let microseconds = i64::from_be_bytes(seconds).checked_mul(1_000_000)?;
        Some(Link {
            organization_id: id(0)?.into(),
            approval_id: id(1)?.into(),
            user_id: id(2)?.into(),
            expires_at: Timestamp::from_microseconds(microseconds),
        })
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
