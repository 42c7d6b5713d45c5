//! Bearer tokens at the door: which are worth a question to the database, and asking again later.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use domain::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::authenticate::{Authenticator, Grant};
use crate::App;

/// Tokens that have never worked here and are looked up at once. Guessing must not take all connections to the
/// database from those who hold a token.
const STRANGERS: usize = 4;

/// Tokens remembered as having worked; beyond it the memory is emptied.
const CAPACITY: usize = 10_000;

/// Why a token grants nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is unknown, revoked or expired.
    Unknown,
    /// It could not be looked up.
    Unavailable,
}

/// Checks tokens. Clones share what they remember.
#[derive(Clone)]
pub struct Tokens {
    authenticator: Authenticator,
    worked: Arc<Mutex<HashSet<[u8; 32]>>>,
    strangers: Arc<Semaphore>,
}

impl Tokens {
    /// Has seen no token yet.
    pub fn new(app: App) -> Self {
        Self {
            authenticator: Authenticator::new(app),
            worked: Arc::default(),
            strangers: Arc::new(Semaphore::new(STRANGERS)),
        }
    }

    async fn check(&self, secret: &str) -> Result<Grant, Refusal> {
        if !has_form(secret) {
            return Err(Refusal::Unknown);
        }
        let hash: [u8; 32] = Sha256::digest(secret).into();
        let worked = || self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stranger = !worked().contains(&hash);
        let turn = if is_stranger {
            // It is never closed; were it, there would be no limit.
            self.strangers.acquire().await.ok()
        } else {
            None
        };
        let answer = self
            .authenticator
            .authenticate(secret, Timestamp::now())
            .await;
        drop(turn);
        match answer {
            Ok(Some(grant)) => {
                if is_stranger {
                    let mut worked = worked();
                    if worked.len() >= CAPACITY {
                        worked.clear();
                    }
                    worked.insert(hash);
                }
                Ok(grant)
            }
            Ok(None) => {
                worked().remove(&hash);
                Err(Refusal::Unknown)
            }
            Err(error) => {
                tracing::error!(error = %error, "A token could not be checked");
                Err(Refusal::Unavailable)
            }
        }
    }
}

/// A token in somebody's hand, which can be asked about more than once.
#[derive(Clone)]
pub struct Credentials {
    tokens: Tokens,
    secret: Arc<str>,
}

impl Credentials {
    /// A token as it was given.
    pub fn new(tokens: Tokens, secret: &str) -> Self {
        Self {
            tokens,
            secret: secret.into(),
        }
    }

    /// What the token grants at present; what was granted may be some seconds old.
    pub async fn grant(&self) -> Result<Grant, Refusal> {
        self.tokens.check(&self.secret).await
    }
}

/// The token in an `Authorization` header, if it is a bearer's.
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Whether a text looks like what `create_token` makes: `eos_` and 256 bits in hex.
fn has_form(secret: &str) -> bool {
    secret.strip_prefix("eos_").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        testing::Scene,
        tokens::{CreateToken, NewToken},
    };

    async fn made(scene: &Scene) -> NewToken {
        // Tokens are checked at the present time, which is not the scene's.
        let cx = scene.cx.clone().with_now(Timestamp::now());
        let command = CreateToken {
            name: "x".to_owned(),
            scopes: vec!["all".to_owned()],
            ..CreateToken::default()
        };
        scene.app.run(&cx, command).await.expect("a token is made")
    }

    #[tokio::test]
    async fn what_is_no_token_is_not_looked_up_and_strangers_do_not_hold_up_the_known() {
        let scene = Scene::new().await;
        let tokens = Tokens::new(scene.app.clone());
        let (known, fresh) = (made(&scene).await.secret, made(&scene).await.secret);
        assert!(has_form(&known));
        tokens.check(&known).await.expect("it works");
        let all = u32::try_from(STRANGERS).expect("few");
        let taken = tokens.strangers.acquire_many(all).await.expect("open");
        let soon = Duration::from_millis(300);
        let wrong = [
            "",
            "eos_",
            "eos_0000",
            &known[1..],
            &known.to_uppercase(),
            &format!("{known}0"),
        ];
        for wrong in wrong {
            let answer = tokio::time::timeout(soon, tokens.check(wrong)).await;
            let answer = answer.expect("it is refused without a question");
            assert_eq!(answer.err(), Some(Refusal::Unknown), "{wrong}");
        }
        let waiting = tokio::time::timeout(soon, tokens.check(&fresh)).await;
        assert!(waiting.is_err(), "a stranger waits for its turn");
        tokens.check(&known).await.expect("the known pass");
        drop(taken);
        tokens.check(&fresh).await.expect("then it is its turn");
    }
}
