//! What of a step people and models see: no secrets, no more than fits.

use domain::Untrusted;
use serde_json::Value;

/// Field names whose values are never shown.
const SECRET: [&str; 8] = [
    "secret",
    "token",
    "password",
    "authorization",
    "api_key",
    "apikey",
    "code",
    "signature",
];
/// Characters of a value that are shown.
const SHOWN: usize = 600;

/// A value as a text, with secrets masked and its end cut off if it is long.
pub(super) fn shown(value: &Value) -> Untrusted {
    let text = masked(value).to_string();
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    Untrusted::new(&short)
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let hide = |name: &str| {
                let name = name.to_lowercase();
                SECRET
                    .iter()
                    .any(|secret| name == *secret || name.ends_with(&format!("_{secret}")))
            };
            fields
                .iter()
                .map(|(name, value)| {
                    let value = if hide(name) && value.is_string() {
                        "•••".into()
                    } else {
                        masked(value)
                    };
                    (name.clone(), value)
                })
                .collect()
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hides_secrets_wherever_they_are() {
        let value = json!({"url": "x", "headers": [{"Authorization": "Bearer eos_1"}], "ticket_code": "ABC", "promo": {"code": "SAVE"}, "zip_code_count": 3});
        let text = shown(&value);
        for secret in ["eos_1", "ABC", "SAVE"] {
            assert!(!text.as_str().contains(secret), "{}", text.as_str());
        }
        assert!(text.as_str().contains("\"url\":\"x\""));
        assert!(shown(&json!("x".repeat(5_000))).as_str().chars().count() < 610);
    }
}
