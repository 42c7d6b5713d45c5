//! The link in a mail that lets one ticket's holder answer.

use domain::{Language, OrganizationId, TicketId, Timestamp};
use uuid::Uuid;

use crate::signed;

const PURPOSE: &str = "eventos survey v1";

/// How long people can answer and change their answer, from when the mail was to go out.
const DAYS: i64 = 60;

/// What a link to a survey is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invitation {
    /// Whose event it was.
    pub organization_id: OrganizationId,
    /// Whose opinion is asked for.
    pub ticket_id: TicketId,
    /// The language of the mail, which the page speaks, too.
    pub language: Language,
    /// When it stops working; whole seconds.
    pub expires_at: Timestamp,
}

impl Invitation {
    /// The invitation in a mail of that time. Every attempt to send the mail makes the same one.
    pub fn sent_at(
        organization_id: OrganizationId,
        ticket_id: TicketId,
        language: Language,
        at: Timestamp,
    ) -> Self {
        let seconds = at.as_microseconds().div_euclid(1_000_000) + DAYS * 24 * 3600;
        Self {
            organization_id,
            ticket_id,
            language,
            expires_at: Timestamp::from_microseconds(seconds * 1_000_000),
        }
    }

    /// The address of the page.
    pub fn url(&self, public_url: &str, key: &[u8; 32]) -> String {
        format!("{public_url}/s/{}", self.token(key))
    }

    /// The last part of that address.
    pub fn token(&self, key: &[u8; 32]) -> String {
        let seconds = self.expires_at.as_microseconds().div_euclid(1_000_000);
        let language = Language::ALL.iter().position(|one| *one == self.language);
        let mut bytes = Vec::with_capacity(41);
        bytes.extend(Uuid::from(self.organization_id).into_bytes());
        bytes.extend(Uuid::from(self.ticket_id).into_bytes());
        bytes.extend(seconds.to_be_bytes());
        bytes.push(u8::try_from(language.unwrap_or(0)).unwrap_or(0));
        signed::seal(key, PURPOSE, &bytes)
    }

    /// The invitation of a token that we made. Whether it has ended is looked at later.
    pub fn open(key: &[u8; 32], token: &str) -> Option<Self> {
        let bytes: [u8; 41] = signed::open(key, PURPOSE, token)?;
        let id = |from: usize| Uuid::from_slice(&bytes[from..from + 16]).ok();
        let seconds = i64::from_be_bytes(bytes[32..40].try_into().ok()?);
        Some(Self {
            organization_id: id(0)?.into(),
            ticket_id: id(16)?.into(),
            language: *Language::ALL.get(usize::from(bytes[40]))?,
            expires_at: Timestamp::from_microseconds(seconds.checked_mul(1_000_000)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_a_round_trip_and_fits_no_other_key() {
        let at = "2027-02-05T16:00:00.5Z".parse().unwrap();
        for language in Language::ALL {
            let (organization, ticket) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
            let invitation = Invitation::sent_at(organization, ticket, *language, at);
            assert_eq!(invitation.expires_at.to_string(), "2027-04-06T16:00:00Z");
            let token = invitation.token(&[7; 32]);
            assert_eq!(Invitation::open(&[7; 32], &token), Some(invitation));
            assert_eq!(Invitation::open(&[8; 32], &token), None);
        }
    }
}
