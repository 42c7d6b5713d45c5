//! What an update changed, field by field: for the audit trail and for the person who confirms.

use serde::Serialize;

/// One field, before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// What people call the field.
    pub field: &'static str,
    /// The value before, if there was one.
    pub before: Option<String>,
    /// The value after, if there is one.
    pub after: Option<String>,
}

/// A field with its value before and after.
pub(crate) type Compared = (&'static str, Option<String>, Option<String>);

/// Those of the fields that differ.
pub(crate) fn differing(fields: impl IntoIterator<Item = Compared>) -> Vec<FieldChange> {
    let differing = fields
        .into_iter()
        .filter(|(_, before, after)| before != after);
    differing
        .map(|(field, before, after)| FieldChange {
            field,
            before,
            after,
        })
        .collect()
}

/// `title from "Gala" to "Spring Gala"; summary from nothing to "…"`.
pub(crate) fn describe(changed: &[FieldChange]) -> String {
    let show = |value: &Option<String>| match value {
        Some(text) if text.chars().count() > 60 => {
            format!("{:?}…", text.chars().take(60).collect::<String>())
        }
        Some(text) => format!("{text:?}"),
        None => "nothing".to_owned(),
    };
    let fields = changed
        .iter()
        .map(|c| format!("{} from {} to {}", c.field, show(&c.before), show(&c.after)));
    fields.collect::<Vec<_>>().join("; ")
}
