//! `save_webhook_endpoint`: a program outside is told of changes, or no longer.

use delivery::webhook::{Guard, UrlError};
use domain::{Cx, Facts, Fault, FaultKind, FaultSpec, Permission, WebhookEndpointId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::StoreError;

use super::{
    changes::WebhookEndpointSaved,
    model::{EndpointStatus, WebhookEndpoint},
    sql::{self, EndpointRow},
};
use crate::{App, Effect, Operation, codes, lookup::LookupError};

domain::text_enum! {
    /// Replacing the secret that signs.
    pub enum SecretRotation {
        /// Make a new secret; the old one goes on signing beside it.
        Begin = "begin",
        /// Let the old secret go.
        Finish = "finish",
    }
}

/// Tell a program outside of changes as they happen, by signed POST to an https address, or change what it is told.
/// The secret that signs is shown once.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct SaveWebhookEndpoint {
    /// The endpoint to change; a new one when left out.
    pub endpoint: Option<WebhookEndpointId>,
    /// Address.
    pub url: Option<String>,
    /// Kinds of change, such as `order.paid`; an empty list for all.
    pub kinds: Option<Vec<String>>,
    /// Whether it is told.
    pub enabled: Option<bool>,
    /// Replace the secret.
    pub rotate_secret: Option<SecretRotation>,
}

/// An endpoint, with its secret when that is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SavedWebhookEndpoint {
    /// The endpoint.
    pub endpoint: WebhookEndpoint,
    /// The secret that signs. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl Operation for SaveWebhookEndpoint {
    const NAME: &'static str = "save_webhook_endpoint";
    const EFFECT: Effect = Effect::Write;
    const NEEDS: Permission = Permission::OrganizationWrite;
    type Output = SavedWebhookEndpoint;
    type Error = SaveWebhookEndpointError;

    async fn run(
        self,
        app: &App,
        cx: &Cx,
    ) -> Result<SavedWebhookEndpoint, SaveWebhookEndpointError> {
        if let Some(url) = &self.url {
            // Whether this machine itself may be told is a setting of the workers, who refuse it unless it is on.
            Guard {
                allow_loopback: true,
            }
            .check(url)?;
        }
        let malformed = |kind: &&String| {
            let letters = |word: &str| {
                !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            };
            !kind
                .split_once('.')
                .is_some_and(|(a, b)| letters(a) && letters(b))
        };
        if let Some(kind) = self.kinds.iter().flatten().find(malformed) {
            return Err(SaveWebhookEndpointError::Kind {
                given: kind.clone(),
            });
        }
        let mut tx = app.store().write(cx).await?;
        let mut row = match self.endpoint {
            Some(id) => {
                let found = sql::lock_endpoint(tx.conn(), id).await?;
                found.ok_or_else(|| LookupError::NotFound {
                    noun: "webhook endpoint",
                    given: id.to_string(),
                    candidates: Vec::new(),
                })?
            }
            None => EndpointRow {
                id: cx.new_id(),
                url: self
                    .url
                    .clone()
                    .ok_or(SaveWebhookEndpointError::UrlMissing)?,
                kinds: None,
                secrets: vec![new_secret(cx)],
                status: EndpointStatus::Enabled,
                version: 0,
            },
        };
        let holder = match &self.url {
            Some(url) => sql::endpoint_of(tx.conn(), url).await?,
            None => None,
        };
        if holder.is_some_and(|holder| holder != row.id) {
            return Err(SaveWebhookEndpointError::UrlTaken {
                url: self.url.unwrap_or_default(),
            });
        }
        self.apply(cx, &mut row);
        row.version += 1;
        sql::save_endpoint(tx.conn(), cx, &row).await?;
        let begun = self.rotate_secret == Some(SecretRotation::Begin);
        let has_new_secret = self.endpoint.is_none() || begun;
        let secret = has_new_secret.then(|| row.secrets[0].clone());
        let change = WebhookEndpointSaved {
            endpoint_id: row.id,
            url: row.url.clone(),
            status: row.status,
            kinds: row.kinds.clone(),
            has_new_secret,
        };
        let answer = SavedWebhookEndpoint {
            endpoint: row.seen(),
            secret,
        };
        Ok(tx.commit(change, answer).await?)
    }
}

impl SaveWebhookEndpoint {
    fn apply(&self, cx: &Cx, row: &mut EndpointRow) {
        if let Some(url) = &self.url {
            row.url.clone_from(url);
        }
        if let Some(kinds) = &self.kinds {
            row.kinds = (!kinds.is_empty()).then(|| kinds.clone());
        }
        match self.enabled {
            Some(true) => row.status = EndpointStatus::Enabled,
            Some(false) => row.status = EndpointStatus::Disabled,
            None => {}
        }
        match self.rotate_secret {
            Some(SecretRotation::Begin) => {
                row.secrets.insert(0, new_secret(cx));
                row.secrets.truncate(2);
            }
            Some(SecretRotation::Finish) => row.secrets.truncate(1),
            None => {}
        }
    }
}

fn new_secret(cx: &Cx) -> String {
    codes::secret(cx, "whsec_")
}

#[cfg(test)]
impl SaveWebhookEndpoint {
    /// A new endpoint that is told everything.
    pub(crate) fn of(url: &str) -> Self {
        Self {
            url: Some(url.to_owned()),
            ..Self::default()
        }
    }
}

/// How `save_webhook_endpoint` refuses.
#[derive(Debug, thiserror::Error)]
pub enum SaveWebhookEndpointError {
    /// A new endpoint without an address.
    #[error("a new endpoint needs an address")]
    UrlMissing,
    /// An address that may not be posted to.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// Another endpoint has this address.
    #[error("another endpoint has the address {url}")]
    UrlTaken {
        /// The address.
        url: String,
    },
    /// Not a kind of change.
    #[error("{given:?} is no kind of change; kinds look like order.paid")]
    Kind {
        /// What was given.
        given: String,
    },
    /// There is no such endpoint.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const URL_MISSING: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "url_missing",
    "Give the address to post to.",
);
const URL_REFUSED: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "url_refused",
    "Give a public address that begins with https://.",
);
const URL_TAKEN: FaultSpec = FaultSpec::new(
    FaultKind::Conflict,
    "url_taken",
    "Change the existing endpoint by its id; list_webhook_endpoints shows it.",
);
const KIND: FaultSpec = FaultSpec::new(
    FaultKind::Invalid,
    "change_kind_malformed",
    "Use kinds as list_changes shows them, or leave kinds out to be told of everything.",
);

impl Fault for SaveWebhookEndpointError {
    fn specs() -> Vec<FaultSpec> {
        let mut specs = LookupError::specs();
        specs.extend([URL_MISSING, URL_REFUSED, URL_TAKEN, KIND]);
        specs
    }

    fn facts(&self) -> Facts {
        match self {
            Self::UrlMissing => URL_MISSING.at("url"),
            Self::Url(_) => URL_REFUSED.at("url"),
            Self::UrlTaken { .. } => URL_TAKEN.at("url"),
            Self::Kind { .. } => KIND.at("kinds"),
            Self::Lookup(error) => error.facts().at("endpoint"),
            Self::Store(error) => error.facts(),
        }
    }
}

impl From<sqlx::Error> for SaveWebhookEndpointError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scene, assert_refused};

    #[tokio::test]
    async fn replaces_a_secret_without_a_gap() {
        let scene = Scene::new().await;
        let saved = scene
            .run(SaveWebhookEndpoint::of("https://example.org/hook"))
            .await
            .unwrap();
        let endpoint = Some(saved.endpoint.id);
        let rotate = |rotate_secret| SaveWebhookEndpoint {
            endpoint,
            rotate_secret: Some(rotate_secret),
            ..SaveWebhookEndpoint::default()
        };
        let begun = scene.run(rotate(SecretRotation::Begin)).await.unwrap();
        assert_eq!(begun.endpoint.secret_count, 2);
        assert_ne!(begun.secret, saved.secret);
        let finished = scene.run(rotate(SecretRotation::Finish)).await.unwrap();
        assert_eq!((finished.endpoint.secret_count, finished.secret), (1, None));
        let off = SaveWebhookEndpoint {
            endpoint,
            enabled: Some(false),
            ..SaveWebhookEndpoint::default()
        };
        assert_eq!(
            scene.run(off).await.unwrap().endpoint.status,
            EndpointStatus::Disabled
        );
    }

    #[tokio::test]
    async fn refuses_what_cannot_be_told() {
        let scene = Scene::new().await;
        let other = scene.other_organization().await;
        let saved = scene
            .run(SaveWebhookEndpoint::of("https://example.org/hook"))
            .await
            .unwrap();
        assert_refused(
            scene.run(SaveWebhookEndpoint::default()).await,
            "url_missing",
        );
        for url in [
            "http://example.org/",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "nonsense",
        ] {
            assert_refused(scene.run(SaveWebhookEndpoint::of(url)).await, "url_refused");
        }
        assert_refused(
            scene
                .run(SaveWebhookEndpoint::of("https://example.org/hook"))
                .await,
            "url_taken",
        );
        let odd = SaveWebhookEndpoint {
            kinds: Some(vec!["orders".to_owned()]),
            ..SaveWebhookEndpoint::of("https://example.org/2")
        };
        assert_refused(scene.run(odd).await, "change_kind_malformed");
        let theirs = SaveWebhookEndpoint {
            endpoint: Some(saved.endpoint.id),
            ..SaveWebhookEndpoint::default()
        };
        assert_refused(scene.app.run(&other, theirs).await, "not_found");
    }

    #[tokio::test]
    async fn answers_a_repeat_without_doing_it_again() {
        let scene = Scene::new().await;
        scene
            .assert_idempotent(SaveWebhookEndpoint::of("https://example.org/hook"))
            .await;
    }
}
