//! Who hands messages over, from the settings, and the loop that does it while the server runs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use delivery::{
    EmailSender, Folder, SmsSender, Smtp, Twilio, TwilioOptions,
    webhook::{Guard, Poster},
};
use domain::Timestamp;
use operations::{
    App,
    messages::{
        sending::{self, Senders, send_due},
        webhooks::{deliver_due, relay_due},
    },
};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Secret};

/// How long the loop rests at most: what is queued meanwhile goes out that much later.
const REST: Duration = Duration::from_secs(2);

/// How long a round may go on when the program is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Everything that goes out.
pub(crate) struct Outgoing {
    email: Email,
    sms: Option<Twilio>,
    poster: Poster,
    options: sending::Options,
}

enum Email {
    Smtp(Smtp),
    Folder(Folder),
}

impl Outgoing {
    /// From the settings; connects to nobody yet.
    pub(crate) fn new(config: &Config, key: [u8; 32]) -> Result<Self> {
        let email = match smtp(config)? {
            Some(smtp) => Email::Smtp(smtp),
            None => Email::Folder(Folder::new(outbox(&config.data_dir))),
        };
        let mut options = sending::Options::new(config.mail.from.clone(), config.url(), key);
        options.per_minute = config.mail.per_minute;
        let guard = Guard {
            allow_loopback: config.webhooks.allow_loopback,
        };
        Ok(Self {
            email,
            sms: sms(config)?,
            poster: Poster::new(guard).context("webhooks cannot be prepared")?,
            options,
        })
    }

    fn senders(&self) -> Senders<'_> {
        Senders {
            email: match &self.email {
                Email::Smtp(smtp) => smtp as &dyn EmailSender,
                Email::Folder(folder) => folder,
            },
            sms: self.sms.as_ref().map(|sms| sms as &dyn SmsSender),
        }
    }

    /// Hands over the mails that are due; when the next are.
    async fn mails(&self, app: &App, now: Timestamp) -> Result<Option<Timestamp>> {
        let round = send_due(app, self.senders(), &self.options, now).await?;
        Ok(round.next_due)
    }

    /// Tells other programs what changed; when there is more to tell.
    async fn webhooks(&self, app: &App, now: Timestamp) -> Result<Option<Timestamp>> {
        relay_due(app, now).await?;
        let round = deliver_due(app, &self.poster, now).await?;
        Ok(round.next_due)
    }

    /// Sends what is due until told to stop.
    pub(crate) fn keep_sending(
        self,
        app: &App,
        stop: &CancellationToken,
    ) -> tokio::task::JoinHandle<()> {
        if let Email::Folder(folder) = &self.email {
            tracing::warn!(
                "No mail server is set (mail.smtp_url): mails are kept as files in {}",
                folder.path().display()
            );
        }
        let (app, stop) = (app.clone(), stop.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "the program's own sender, ended by `stop`; a message it leaves behind is taken up again"
        )]
        tokio::spawn(async move {
            // Apart, so that a slow program outside holds up no mail.
            tokio::join!(
                rounds(&stop, |now| self.mails(&app, now)),
                rounds(&stop, |now| self.webhooks(&app, now)),
            );
        })
    }
}

/// Goes round until told to stop, resting until the next thing is due.
async fn rounds<F>(stop: &CancellationToken, round: impl Fn(Timestamp) -> F)
where
    F: Future<Output = Result<Option<Timestamp>>>,
{
    while !stop.is_cancelled() {
        let now = Timestamp::now();
        let outcome = tokio::select! {
            outcome = round(now) => outcome,
            () = out_of_time(stop) => break,
        };
        let rest = match outcome {
            Ok(Some(due)) => {
                let wait = due.as_microseconds() - now.as_microseconds();
                Duration::from_micros(u64::try_from(wait).unwrap_or(0)).min(REST)
            }
            Ok(None) => REST,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "Messages could not be sent");
                REST * 5
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(rest)).await;
    }
}

/// A round may finish when the program is asked to stop, but not for long: what is cut off is taken up again later.
async fn out_of_time(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

/// Where mails are kept while no mail server is set.
pub(crate) fn outbox(data_dir: &Path) -> PathBuf {
    data_dir.join("outbox")
}

/// The mail server of the settings.
pub(crate) fn smtp(config: &Config) -> Result<Option<Smtp>> {
    let url = config
        .mail
        .smtp_url
        .as_ref()
        .map(Secret::reveal)
        .filter(|url| !url.is_empty());
    url.map(|url| Smtp::new(url).context("mail.smtp_url does not fit"))
        .transpose()
}

fn sms(config: &Config) -> Result<Option<Twilio>> {
    let sms = &config.sms;
    let Some(account) = &sms.account else {
        return Ok(None);
    };
    let (Some(token), Some(from)) = (&sms.token, &sms.from) else {
        bail!("sms.account is set; sms.token and sms.from are needed, too");
    };
    let options = TwilioOptions {
        url: sms
            .url
            .clone()
            .unwrap_or_else(|| "https://api.twilio.com".to_owned()),
        account: account.clone(),
        token: token.reveal().to_owned(),
        from: from.clone(),
    };
    Ok(Some(
        Twilio::new(options).context("text messages cannot be prepared")?,
    ))
}
