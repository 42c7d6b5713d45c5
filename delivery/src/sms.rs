//! Text messages, and an adapter for the REST interface that Twilio has and others have copied.

use std::{fmt, time::Duration};

use reqwest::{Client, StatusCode, redirect::Policy};
use serde::Deserialize;

use crate::{
    outcome::{Refusal, SendError, Sending},
    use_ring,
};

const TIMEOUT: Duration = Duration::from_secs(20);

/// One text message to one phone.
#[derive(Clone, PartialEq, Eq)]
pub struct Sms {
    /// The phone, as `+4930123456`.
    pub to: String,
    /// What it says.
    pub text: String,
}

// Phone numbers are personal data: a debug print ends up in logs.
impl fmt::Debug for Sms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sms(…)")
    }
}

/// Hands text messages over.
pub trait SmsSender: Send + Sync {
    /// Hands one message over; the other side's id of it.
    fn send<'a>(&'a self, sms: &'a Sms) -> Sending<'a, String>;
}

/// Whether text is a phone number in international form (E.164): `+` and 8 to 15 digits, not starting with 0.
pub fn is_phone_number(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (8..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// Where and as whom text messages are handed over.
#[derive(Clone)]
pub struct TwilioOptions {
    /// The interface's address, such as `https://api.twilio.com`.
    pub url: String,
    /// The account's id.
    pub account: String,
    /// The account's secret.
    pub token: String,
    /// The number or name that messages come from.
    pub from: String,
}

impl fmt::Debug for TwilioOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TwilioOptions")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// Text messages through a REST interface like Twilio's. It knows no idempotency keys: a message whose answer got lost
/// is sent again.
#[derive(Clone)]
pub struct Twilio {
    client: Client,
    options: TwilioOptions,
}

impl Twilio {
    /// An adapter for an account.
    pub fn new(options: TwilioOptions) -> Result<Self, reqwest::Error> {
        use_ring();
        let client = Client::builder()
            .timeout(TIMEOUT)
            .redirect(Policy::none())
            .build()?;
        Ok(Self { client, options })
    }

    async fn post(&self, sms: &Sms) -> Result<String, SendError> {
        let TwilioOptions {
            url,
            account,
            token,
            from,
        } = &self.options;
        let url = format!(
            "{}/2010-04-01/Accounts/{account}/Messages.json",
            url.trim_end_matches('/')
        );
        let form = [("To", &sms.to), ("From", from), ("Body", &sms.text)];
        let request = self
            .client
            .post(url)
            .basic_auth(account, Some(token))
            .form(&form);
        let unanswered = |error: reqwest::Error| {
            SendError::Transient(Refusal::unanswered(error.without_url().to_string()))
        };
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let body = answer.text().await.map_err(unanswered)?;
        if status.is_success() {
            let accepted: Accepted = serde_json::from_str(&body).unwrap_or_default();
            return Ok(accepted.sid);
        }
        let said: Complaint = serde_json::from_str(&body).unwrap_or_default();
        let refusal = Refusal::new(status.as_u16(), said.message);
        // Only what is wrong with this message is final; wrong credentials are about our settings.
        Err(match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                SendError::Permanent(refusal)
            }
            _ => SendError::Transient(refusal),
        })
    }
}

impl SmsSender for Twilio {
    fn send<'a>(&'a self, sms: &'a Sms) -> Sending<'a, String> {
        Box::pin(self.post(sms))
    }
}

#[derive(Default, Deserialize)]
struct Accepted {
    #[serde(default)]
    sid: String,
}

#[derive(Default, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_phone_numbers() {
        assert!(is_phone_number("+4930123456"));
        for bad in [
            "",
            "+",
            "030123456",
            "+0301234567",
            "+49 30 123456",
            "+123456789012345678",
        ] {
            assert!(!is_phone_number(bad), "{bad}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let options = TwilioOptions {
            url: "https://sms.example.org".to_owned(),
            account: "AC1".to_owned(),
            token: "hunter2".to_owned(),
            from: "+4930123456".to_owned(),
        };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
