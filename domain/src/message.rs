//! What every part of sending a message agrees on: its language, what it is for, and which way it goes.

text_enum! {
    /// A language that messages are written in.
    pub enum Language {
        /// English.
        En = "en",
        /// German.
        De = "de",
    }
}

text_enum! {
    /// What a message is for, which decides who may be spared it.
    pub enum MessageKind {
        /// Belongs to something the person bought or asked for; goes out although they want no news.
        Transactional = "transactional",
        /// News; carries a way to unsubscribe and does not go to those who have.
        Marketing = "marketing",
    }
}

text_enum! {
    /// Which way a message goes.
    pub enum MessageChannel {
        /// Mail.
        Email = "email",
        /// A text message to a phone.
        Sms = "sms",
    }
}

#[cfg(feature = "sqlx")]
sqlx_as_text!(Language);
#[cfg(feature = "sqlx")]
sqlx_as_text!(MessageKind);
#[cfg(feature = "sqlx")]
sqlx_as_text!(MessageChannel);
