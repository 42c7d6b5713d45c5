//! Names and addresses of people, masked for those who may not see them.

use domain::{Cx, EmailAddress, Permission, Untrusted};

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
