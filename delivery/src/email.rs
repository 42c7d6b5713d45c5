//! One mail, and the port through which mails leave.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use domain::{EmailAddress, Timestamp};
use lettre::{
    Message,
    message::{
        Attachment as Part, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use crate::outcome::{Refusal, SendError, Sending};

/// Hands mails over.
pub trait EmailSender: Send + Sync {
    /// Hands one mail over; what the other side answered.
    fn send<'a>(&'a self, email: &'a Email) -> Sending<'a, String>;
}

/// An address with the name shown beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, as people read it.
    pub name: Option<String>,
    /// The address.
    pub address: EmailAddress,
}

impl Mailbox {
    /// An address with a name; an empty name is none.
    pub fn new(name: &str, address: EmailAddress) -> Self {
        let name = one_line(name);
        Self {
            name: (!name.is_empty()).then_some(name),
            address,
        }
    }

    fn composed(&self) -> Result<lettre::message::Mailbox, SendError> {
        let address = self.address.as_str().parse().map_err(|error| {
            permanent(format!("the address cannot be written in a mail: {error}"))
        })?;
        let name = self
            .name
            .as_deref()
            .map(one_line)
            .filter(|name| !name.is_empty());
        Ok(lettre::message::Mailbox::new(name, address))
    }
}

/// A file that comes with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// Its media type, such as `text/calendar; method=REQUEST; charset=utf-8`.
    pub content_type: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// One mail to one person. The same value always gives the same bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Email {
    /// `<…@…>`; the same for every attempt, so that a repeat can be recognized.
    pub message_id: String,
    /// When the mail was written.
    pub date: Timestamp,
    /// Who sends it.
    pub from: Mailbox,
    /// Where answers go, when not to `from`.
    pub reply_to: Option<Mailbox>,
    /// Who gets it.
    pub to: Mailbox,
    /// The subject.
    pub subject: String,
    /// The formatted body.
    pub html: String,
    /// The same for those who read plain text.
    pub text: String,
    /// Further headers, such as `List-Unsubscribe`.
    pub headers: Vec<(String, String)>,
    /// Files.
    pub attachments: Vec<Attachment>,
}

// A mail is personal data: a debug print ends up in logs.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// The headers of one-click unsubscribing (RFC 8058): a POST to the address is enough.
    pub fn one_click_unsubscribe(url: &str) -> [(String, String); 2] {
        [
            ("List-Unsubscribe".to_owned(), format!("<{url}>")),
            (
                "List-Unsubscribe-Post".to_owned(),
                "List-Unsubscribe=One-Click".to_owned(),
            ),
        ]
    }

    /// The mail as it travels (RFC 5322).
    pub fn source(&self) -> Result<Vec<u8>, SendError> {
        Ok(self.composed()?.formatted())
    }

    pub(crate) fn composed(&self) -> Result<Message, SendError> {
        let since = u64::try_from(self.date.as_microseconds()).unwrap_or(0);
        let date = SystemTime::UNIX_EPOCH + Duration::from_micros(since);
        let mut message = Message::builder()
            .message_id(Some(self.message_id.clone()))
            .date(date)
            .from(self.from.composed()?)
            .to(self.to.composed()?)
            .subject(one_line(&self.subject));
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.composed()?);
        }
        for (name, value) in &self.headers {
            let name = HeaderName::new_from_ascii(name.clone())
                .map_err(|_| permanent(format!("{name:?} is no header's name")))?;
            message = message.raw_header(HeaderValue::new(name, one_line(value)));
        }
        message
            .multipart(self.body()?)
            .map_err(|error| permanent(error.to_string()))
    }

    fn body(&self) -> Result<MultiPart, SendError> {
        let alternative = MultiPart::alternative()
            .boundary(self.boundary("a"))
            .singlepart(SinglePart::plain(self.text.clone()))
            .singlepart(SinglePart::html(self.html.clone()));
        if self.attachments.is_empty() {
            return Ok(alternative);
        }
        let mut mixed = MultiPart::mixed()
            .boundary(self.boundary("m"))
            .multipart(alternative);
        for file in &self.attachments {
            let content_type = ContentType::parse(&file.content_type)
                .map_err(|_| permanent(format!("{:?} is no media type", file.content_type)))?;
            mixed = mixed.singlepart(
                Part::new(one_line(&file.name)).body(file.content.clone(), content_type),
            );
        }
        Ok(mixed)
    }

    /// A line that separates parts. It holds `=_`, which neither quoted-printable nor base64 can contain.
    fn boundary(&self, part: &str) -> String {
        let id = self.message_id.chars().filter(char::is_ascii_alphanumeric);
        format!("=_{part}_{}", id.take(40).collect::<String>())
    }
}

fn permanent(text: String) -> SendError {
    SendError::Permanent(Refusal::unanswered(text))
}

/// Text fit for a header: no line ends or other control characters, which could begin another header.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c == ' ');
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn hello() -> Email {
        let at = |name: &str, address: &str| Mailbox::new(name, address.parse().unwrap());
        Email {
            message_id: "<0190aaaabbbb7ccc8dddeeeeffff0001@tickets.example.org>".to_owned(),
            date: "2027-01-11T09:00:00Z".parse().unwrap(),
            from: at("Größenwahn", "tickets@example.org"),
            reply_to: Some(at("", "hello@example.org")),
            to: at("Ada Lovelace", "ada@example.org"),
            subject: "Grüße aus Köln".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
            text: "Grüße".to_owned(),
            headers: Email::one_click_unsubscribe("https://example.org/u/abc").into(),
            attachments: vec![Attachment {
                name: "event.ics".to_owned(),
                content_type: "text/calendar; method=REQUEST; charset=utf-8".to_owned(),
                content: b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n".to_vec(),
            }],
        }
    }

    #[test]
    fn is_the_same_bytes_every_time() {
        let source = hello().source().unwrap();
        assert_eq!(source, hello().source().unwrap());
        let text = String::from_utf8(source).unwrap();
        assert!(text.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
        assert!(
            text.contains("Date: Mon, 11 Jan 2027 09:00:00 +0000"),
            "{text}"
        );
    }

    #[test]
    fn no_value_can_begin_another_header() {
        let mut email = hello();
        email.subject = "Hi\r\nBcc: eve@example.org".to_owned();
        email.to.name = Some("Ada\nBcc: eve@example.org".to_owned());
        email.headers = vec![("X-Note".to_owned(), "a\r\nBcc: eve@example.org".to_owned())];
        email.from = Mailbox::new("A\r\nBcc: eve@example.org", email.from.address.clone());
        let text = String::from_utf8(email.source().unwrap()).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }
}
