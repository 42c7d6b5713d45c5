//! Names and addresses of people: masked for those who may not see them, and what stands in their place once they are
//! erased.

use domain::{Cx, EmailAddress, Permission, Untrusted};

/// What a buyer is called once their personal data is erased.
pub const ERASED_NAME: &str = "(erased)";
/// What stands where their address stood; nothing is sent there.
pub const ERASED_EMAIL: &str = "erased@eventos.invalid";

/// A name as the caller may see it: `Ada Lovelace` or `A… L…`.
pub fn name_for(cx: &Cx, name: &Untrusted) -> Untrusted {
    if cx.may(Permission::AttendeesPersonal) {
        return name.clone();
    }
    let initials = name
        .as_str()
        .split_whitespace()
        .filter_map(|word| word.chars().next());
    Untrusted::new(
        &initials
            .map(|c| format!("{c}…"))
            .collect::<Vec<_>>()
            .join(" "),
    )
}

/// An address as the caller may see it: `ada@example.org` or `a…@e….org`.
pub fn email_for(cx: &Cx, email: &EmailAddress) -> Untrusted {
    if cx.may(Permission::AttendeesPersonal) {
        return Untrusted::new(email.as_str());
    }
    let (local, host) = email
        .as_str()
        .rsplit_once('@')
        .unwrap_or((email.as_str(), ""));
    let (name, end) = host.rsplit_once('.').unwrap_or((host, ""));
    let initial = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    Untrusted::new(&format!("{}…@{}….{end}", initial(local), initial(name)))
}

/// What a stranger wrote, as the caller may see it: addresses and longer numbers are left out.
pub fn text_for(cx: &Cx, text: &Untrusted) -> Untrusted {
    if cx.may(Permission::AttendeesPersonal) {
        return text.clone();
    }
    let is_personal =
        |word: &str| word.contains('@') || word.chars().filter(char::is_ascii_digit).count() >= 6;
    let word = |word: &str| {
        let kept = word.trim_end();
        if is_personal(kept) {
            format!("…{}", &word[kept.len()..])
        } else {
            word.to_owned()
        }
    };
    let words = text.as_str().split_inclusive(char::is_whitespace);
    Untrusted::new(&words.map(word).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Role;
    use crate::testing::context;

    #[test]
    fn masks_for_those_who_may_not_see() {
        let (name, email) = (
            Untrusted::new("Ada Lovelace"),
            "ada@example.co.uk".parse().unwrap(),
        );
        let viewer = context(Role::Viewer.permissions());
        assert_eq!(name_for(&viewer, &name).as_str(), "A… L…");
        assert_eq!(email_for(&viewer, &email).as_str(), "a…@e….uk");
        let owner = context(Role::Owner.permissions());
        assert_eq!(name_for(&owner, &name), name);
        assert_eq!(email_for(&owner, &email).as_str(), "ada@example.co.uk");
    }
}
