//! Mails over SMTP.

use std::time::Duration;

use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor, transport::smtp};

use crate::{
    email::{Email, EmailSender},
    outcome::{Refusal, SendError, Sending},
    use_ring,
};

/// How long one command to the server may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Text that is no address of a mail server. Never shows the address itself: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the address of a mail server; it looks like smtps://user:password@mail.example.org or \
     smtp://user:password@mail.example.org:587?tls=required, with special characters percent-encoded"
)]
pub struct SmtpError;

/// Hands mails to a mail server, over connections that are kept open.
#[derive(Clone)]
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Smtp {
    /// Prepares connections to `smtps://user:password@host:port` or `smtp://…?tls=required`; the first mail connects.
    pub fn new(url: &str) -> Result<Self, SmtpError> {
        use_ring();
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| SmtpError)?;
        Ok(Self {
            transport: builder.timeout(Some(TIMEOUT)).build(),
        })
    }

    /// Whether the server answers and lets us in; nothing is sent.
    pub async fn check(&self) -> Result<(), SendError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(SendError::Transient(Refusal::unanswered(
                "the mail server did not answer",
            ))),
            Err(error) => Err(classified(&error)),
        }
    }
}

impl EmailSender for Smtp {
    fn send<'a>(&'a self, email: &'a Email) -> Sending<'a, String> {
        Box::pin(async move {
            let message = email.composed()?;
            let answer = self.transport.send(message).await;
            let answer = answer.map_err(|error| classified(&error))?;
            Ok(answer.message().collect::<Vec<_>>().join(" "))
        })
    }
}

fn classified(error: &smtp::Error) -> SendError {
    let mut words = Vec::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        words.push(cause.to_string());
        source = cause.source();
    }
    if words.is_empty() {
        words.push(error.to_string());
    }
    let refusal = Refusal {
        code: error.status().map(u16::from),
        text: words.join(": "),
    };
    // A refused login (53x) is about us and our settings, not about this mail: it is worth another try.
    let about_us = matches!(refusal.code, Some(530 | 534 | 535 | 538));
    if error.is_permanent() && !about_us {
        SendError::Permanent(refusal)
    } else {
        SendError::Transient(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_is_none_is_not_repeated() {
        let error = Smtp::new("smtp//user:hunter2@host").err().unwrap();
        assert!(!error.to_string().contains("hunter2"));
        assert!(Smtp::new("smtps://user:pass@mail.example.org").is_ok());
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_may_come_back() {
        let smtp = Smtp::new("smtp://127.0.0.1:1").unwrap();
        let error = smtp.send(&crate::email::tests::hello()).await.unwrap_err();
        assert!(matches!(error, SendError::Transient(_)), "{error}");
        assert!(smtp.check().await.is_err());
    }
}
