//! Mail, text messages and webhooks: what they are made of, and the adapters that hand them over.
//!
//! Ports ([`EmailSender`], [`SmsSender`]) with adapters, the templates that fill mails, the calendar files attached to
//! them, and the signatures of webhooks. No SQL and no rules: what is sent to whom is decided in `operations::messages`.
#![warn(missing_docs)]

pub mod calendar;
mod email;
mod folder;
mod outcome;
mod sms;
mod smtp;
pub mod template;
pub mod webhook;

pub use email::{Attachment, Email, EmailSender, Mailbox};
pub use folder::Folder;
pub use outcome::{Refusal, SendError, Sending};
pub use sms::{Sms, SmsSender, Twilio, TwilioOptions, is_phone_number};
pub use smtp::{Smtp, SmtpError};

/// Chooses the one cryptography library of the program for connections made here. Repeating it changes nothing.
fn use_ring() {
    // An error says that a provider was chosen already, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}
