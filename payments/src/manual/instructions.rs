//! What a buyer is told who pays by bank transfer.

use std::{fmt, str::FromStr};

use domain::Money;

/// An international bank account number whose check digits fit.
#[derive(Clone, PartialEq, Eq)]
pub struct Iban(String);

/// Text that is no IBAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IbanError {
    /// Wrong length or characters.
    #[error(
        "an IBAN has two letters, two digits and up to 30 letters and digits, such as DE89 3704 0044 0532 0130 00"
    )]
    Malformed,
    /// The check digits do not fit the rest.
    #[error("the check digits of this IBAN do not fit; a character is wrong, or two are swapped")]
    Misread,
}

impl FromStr for Iban {
    type Err = IbanError;
    fn from_str(text: &str) -> Result<Self, IbanError> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let text = text.to_ascii_uppercase();
        let all_plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
        if !all_plain || !(15..=34).contains(&text.len()) {
            return Err(IbanError::Malformed);
        }
        let (country, rest) = text.split_at(2);
        if country.bytes().any(|b| b.is_ascii_digit())
            || !rest.bytes().take(2).all(|b| b.is_ascii_digit())
        {
            return Err(IbanError::Malformed);
        }
        // ISO 7064: the first four characters to the end, letters as two digits, and 1 is left of the number by 97.
        let turned = text.bytes().skip(4).chain(text.bytes().take(4));
        let rest = turned.fold(0_u32, |rest, byte| match byte {
            b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
            letter => (rest * 100 + u32::from(letter - b'A') + 10) % 97,
        });
        if rest == 1 {
            Ok(Self(text))
        } else {
            Err(IbanError::Misread)
        }
    }
}

/// In groups of four, as it is read and typed.
impl fmt::Display for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.as_bytes().chunks(4);
        let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
        f.write_str(&groups.join(" "))
    }
}

impl fmt::Debug for Iban {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Iban({}…)", &self.0[..4])
    }
}

/// The account that transfers go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankAccount {
    /// Whose it is.
    pub holder: String,
    /// Its number.
    pub iban: Iban,
    /// The bank's code, for transfers from abroad.
    pub bic: Option<String>,
}

/// How an order is paid by transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instructions {
    /// Where to.
    pub account: BankAccount,
    /// How much.
    pub amount: Money,
    /// What to write as the purpose, and nothing else: the order's number, by which the line is found again.
    pub purpose: String,
}

impl Instructions {
    /// How to pay an order.
    pub fn new(account: BankAccount, amount: Money, order_number: &str) -> Self {
        Self {
            account,
            amount,
            purpose: order_number.to_owned(),
        }
    }

    /// The text of a QR code that European banks' apps fill a transfer from (EPC069-12, version 2); for euros only.
    pub fn qr_text(&self) -> Option<String> {
        let cents = self.amount.amount;
        if self.amount.currency.code() != "EUR" || !(1..=99_999_999_999).contains(&cents) {
            return None;
        }
        // No line of it may hold a line break, or the account of a transfer could be written by a name.
        let line = |text: &str, most: usize| -> String {
            let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
            plain.take(most).collect()
        };
        let lines = [
            "BCD".to_owned(),
            "002".to_owned(),
            "1".to_owned(),
            "SCT".to_owned(),
            line(self.account.bic.as_deref().unwrap_or_default(), 11),
            line(&self.account.holder, 70),
            self.account.iban.0.clone(),
            format!("EUR{}.{:02}", cents / 100, cents % 100),
            String::new(),
            String::new(),
            line(&self.purpose, 140),
        ];
        Some(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> BankAccount {
        BankAccount {
            holder: "Town hall\nXX".to_owned(),
            iban: "de89 3704 0044 0532 0130 00".parse().unwrap(),
            bic: None,
        }
    }

    #[test]
    fn checks_ibans() {
        for good in [
            "GB82WEST12345698765432",
            "FR14 2004 1010 0505 0001 3M02 606",
        ] {
            assert!(good.parse::<Iban>().is_ok(), "{good}");
        }
        assert_eq!(account().iban.to_string(), "DE89 3704 0044 0532 0130 00");
        assert!(!format!("{:?}", account()).contains("0532"));
        for (bad, error) in [
            ("DE89 3704 0044 0532 0310 00", IbanError::Misread),
            ("DE88 3704 0044 0532 0130 00", IbanError::Misread),
            ("8937 0400 4405 3201 3000", IbanError::Malformed),
            ("DE89", IbanError::Malformed),
            ("DE89 3704 0044 0532 0130 0ä", IbanError::Malformed),
            ("", IbanError::Malformed),
        ] {
            assert_eq!(bad.parse::<Iban>(), Err(error), "{bad}");
        }
    }

    #[test]
    fn a_banking_app_can_read_it() {
        let euros = Money::new(3_605, "EUR".parse().unwrap());
        let text = Instructions::new(account(), euros, "K7M2XQP")
            .qr_text()
            .unwrap();
        assert_eq!(
            text,
            "BCD\n002\n1\nSCT\n\nTown hall XX\nDE89370400440532013000\nEUR36.05\n\n\nK7M2XQP"
        );
        let francs = Money::new(3_605, "CHF".parse().unwrap());
        assert_eq!(
            Instructions::new(account(), francs, "K7M2XQP").qr_text(),
            None
        );
    }
}
