//! Who may talk: a code that is printed once and works once, then a signed cookie for half a day.

use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};
use domain::{Actor, Cx, OrganizationId, Timestamp, UserId, context::Entropy};
use operations::{permission::Role, signed};
use uuid::Uuid;

/// What the signature is for.
const PURPOSE: &str = "chat cookie\0";
/// What the cookie is called.
const COOKIE: &str = "eventos_chat";
/// Seconds for which the printed code works.
const CODE: i64 = 15 * 60;
/// Seconds for which the cookie works.
const VISIT: i64 = 12 * 3_600;

/// The door to the chat, for one member.
pub(crate) struct Door {
    key: [u8; 32],
    organization_id: OrganizationId,
    user_id: UserId,
    /// Whether cookies travel encrypted only.
    is_secure: bool,
    /// The code that still works, and until when.
    code: Mutex<Option<(String, Timestamp)>>,
}

impl Door {
    /// A door with a fresh code.
    pub(crate) fn new(
        key: [u8; 32],
        (organization_id, user_id): (OrganizationId, UserId),
        is_secure: bool,
    ) -> Self {
        let mut random = [0; 24];
        Entropy::System.fill(&mut random);
        let code = hex::encode(random);
        let until = Timestamp::now().plus_seconds(CODE);
        Self {
            key,
            organization_id,
            user_id,
            is_secure,
            code: Mutex::new(Some((code, until))),
        }
    }

    /// The link's path, as long as nobody has used it.
    pub(crate) fn path(&self) -> Option<String> {
        let code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        code.as_ref().map(|(code, _)| format!("/chat/open/{code}"))
    }

    /// The cookie of whoever has the code; the code is used up.
    pub(super) fn enter(&self, given: &str) -> Option<String> {
        let mut code = self.code.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Timestamp::now();
        let (right, until) = code.as_ref()?;
        if *until <= now || !same(right, given) {
            return None;
        }
        *code = None;
        let until = now.plus_seconds(VISIT);
        let mut bytes = Vec::with_capacity(40);
        bytes.extend(Uuid::from(self.organization_id).as_bytes());
        bytes.extend(Uuid::from(self.user_id).as_bytes());
        bytes.extend(until.as_microseconds().to_be_bytes());
        let secure = if self.is_secure { "; Secure" } else { "" };
        let token = signed::seal(&self.key, PURPOSE, &bytes);
        Some(format!(
            "{COOKIE}={token}; Path=/chat; HttpOnly; SameSite=Strict; Max-Age={VISIT}{secure}"
        ))
    }

    /// Whoever the cookie was given to: a person, who may decide.
    pub(super) fn who(&self, headers: &HeaderMap) -> Option<Cx> {
        let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
        let mut pairs = cookies
            .split(';')
            .filter_map(|pair| pair.trim().split_once('='));
        let (_, token) = pairs.find(|(name, _)| *name == COOKIE)?;
        let bytes: [u8; 40] = signed::open(&self.key, PURPOSE, token)?;
        let id = |part: usize| Uuid::from_slice(&bytes[16 * part..16 * part + 16]).ok();
        let until = i64::from_be_bytes(bytes[32..].try_into().ok()?);
        if Timestamp::from_microseconds(until) <= Timestamp::now() {
            return None;
        }
        let actor = Actor::Member {
            user_id: id(1)?.into(),
        };
        let cx = Cx::new(id(0)?.into(), actor, Role::Owner.permissions());
        Some(cx.with_client("chat"))
    }
}

/// Takes the same time wherever the difference is.
fn same(one: &str, other: &str) -> bool {
    let differences = one
        .bytes()
        .zip(other.bytes())
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        let ids = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        Door::new([7; 32], ids, false)
    }

    fn with(cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn the_code_works_once_and_the_cookie_after_a_restart() {
        let first = door();
        let path = first.path().unwrap();
        let code = path.rsplit('/').next().unwrap();
        assert!(first.enter("wrong").is_none());
        let cookie = first.enter(code).unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"));
        assert!(first.enter(code).is_none() && first.path().is_none());
        let token = cookie.split(';').next().unwrap();
        let again = door();
        let cx = again.who(&with(&format!("other=1; {token}"))).unwrap();
        assert_eq!(
            cx.actor,
            Actor::Member {
                user_id: Uuid::from_u128(2).into()
            }
        );
        assert!(again.who(&with(&token[..token.len() - 2])).is_none());
        assert!(again.who(&HeaderMap::new()).is_none());
        let stranger = Door::new([8; 32], (Uuid::nil().into(), Uuid::nil().into()), true);
        assert!(stranger.who(&with(token)).is_none());
    }
}
