//! Templates: what a mail says, with gaps, and how the gaps are filled.
//!
//! A body is Markdown with placeholders such as `{{ event.title }}` (and `{% if %}`, `{% for %}`). What fills a gap is
//! text and stays text: it is put in after the Markdown has been read, so a name cannot become a link. An unknown
//! placeholder is an error, when a template is saved and when it is filled.

mod builtin;
mod gaps;
mod layout;
mod markdown;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

pub use domain::{Language, MessageKind as Kind};
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;

pub use builtin::{Builtin, Placeholder};
pub use layout::Frame;

/// Steps a template may take at most, so that a loop cannot hold up the sender.
const FUEL: u64 = 50_000;

/// What a mail says, with gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The subject line.
    pub subject: String,
    /// The line that inboxes show behind the subject.
    pub preheader: String,
    /// Markdown.
    pub body: String,
}

/// A mail with its gaps filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The subject line.
    pub subject: String,
    /// A whole HTML page.
    pub html: String,
    /// The same as plain text.
    pub text: String,
}

/// What is wrong with a template, or with what fills it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It cannot be read.
    #[error("the template cannot be read (line {line} of the {part}): {reason}")]
    Malformed {
        /// `subject`, `preheader` or `body`.
        part: &'static str,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It uses placeholders that nothing fills.
    #[error("nothing fills {}; known here: {}", listed(.unknown), listed(.known))]
    UnknownPlaceholder {
        /// Those used.
        unknown: Vec<String>,
        /// Those there are.
        known: Vec<String>,
    },
    /// A link that is not https.
    #[error("links must begin with https:// (or mailto:), but one leads to {0:?}")]
    Link(String),
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("{{{{ {name} }}}}"))
        .collect();
    names.join(", ")
}

impl Source {
    fn parts(&self) -> [(&'static str, &str); 3] {
        [
            ("subject", &self.subject),
            ("preheader", &self.preheader),
            ("body", &self.body),
        ]
    }

    /// The placeholders it uses, such as `event.title`.
    pub fn placeholders(&self) -> Result<BTreeSet<String>, TemplateError> {
        let environment = environment();
        let mut used = BTreeSet::new();
        for (part, text) in self.parts() {
            let template = environment.template_from_str(text);
            let template = template.map_err(|error| malformed(part, &error))?;
            used.extend(template.undeclared_variables(true));
        }
        // Functions of the template language are no gaps.
        used.retain(|name| !environment.globals().any(|(global, _)| global == name));
        Ok(used)
    }

    /// Refuses what cannot be read or filled, and links that are not https.
    pub fn check(&self, known: &[Placeholder]) -> Result<(), TemplateError> {
        let used = self.placeholders()?;
        let is_known = |name: &String| known.iter().any(|placeholder| placeholder.name == name);
        let unknown: Vec<String> = used.into_iter().filter(|name| !is_known(name)).collect();
        if !unknown.is_empty() {
            let known = known
                .iter()
                .map(|placeholder| placeholder.name.to_owned())
                .collect();
            return Err(TemplateError::UnknownPlaceholder { unknown, known });
        }
        match markdown::links(&self.body)
            .into_iter()
            .find(|link| !is_allowed_link(link))
        {
            Some(link) => Err(TemplateError::Link(link)),
            None => Ok(()),
        }
    }

    /// Fills the gaps from an object, inside the frame that all mails share.
    pub fn fill(&self, values: &Value, frame: &Frame<'_>) -> Result<Filled, TemplateError> {
        let subject = plain("subject", &self.subject, values)?;
        let preheader = plain("preheader", &self.preheader, values)?;
        let (marked, filling) = mark("body", &self.body, values)?;
        let body = markdown::html(&marked, &filling, frame);
        let subject = subject.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Filled {
            html: layout::page(frame, &subject, &preheader, &body),
            text: layout::plain(frame, &markdown::text(&marked, &filling)),
            subject,
        })
    }
}

/// A link that a template may name: https, an address, or a gap that is filled later.
fn is_allowed_link(link: &str) -> bool {
    let lower = link.trim().to_lowercase();
    lower.starts_with("https://") || lower.starts_with("mailto:") || lower.starts_with("{{")
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment
}

/// Evaluates a template with a mark for each gap; what fills them, in order.
fn mark(
    part: &'static str,
    text: &str,
    values: &Value,
) -> Result<(String, Vec<String>), TemplateError> {
    let filling: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut environment = environment();
    let gaps = Arc::clone(&filling);
    environment.set_formatter(move |out, _, value| {
        if value.is_undefined() {
            return Err(minijinja::ErrorKind::UndefinedError.into());
        }
        let mut gaps = gaps.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = if value.is_none() {
            String::new()
        } else {
            value.to_string()
        };
        out.write_str(&markdown::gap(gaps.len()))?;
        gaps.push(shown);
        Ok(())
    });
    let text = markdown::without_marks(text);
    let marked = environment
        .render_str(&text, minijinja::value::Serde(values))
        .map_err(|error| malformed(part, &error))?;
    let filling = std::mem::take(&mut *filling.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((marked, filling))
}

/// Evaluates a template that is not Markdown.
fn plain(part: &'static str, text: &str, values: &Value) -> Result<String, TemplateError> {
    let (marked, filling) = mark(part, text, values)?;
    Ok(markdown::filled(&marked, &filling))
}

fn malformed(part: &'static str, error: &minijinja::Error) -> TemplateError {
    let reason = match error.kind() {
        minijinja::ErrorKind::UndefinedError => "a placeholder has no value".to_owned(),
        minijinja::ErrorKind::OutOfFuel => "it takes too many steps".to_owned(),
        _ => error
            .detail()
            .map_or_else(|| error.kind().to_string(), ToOwned::to_owned),
    };
    TemplateError::Malformed {
        part,
        line: error.line().unwrap_or(1),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame() -> Frame<'static> {
        Frame {
            organization: "Größenwahn",
            accent: None,
            language: Language::En,
            unsubscribe: None,
        }
    }

    fn source(body: &str) -> Source {
        Source {
            subject: "Hi {{ name }}".to_owned(),
            preheader: String::new(),
            body: body.to_owned(),
        }
    }

    fn filled(body: &str, name: &str) -> Filled {
        let values = json!({"name": name, "url": "https://example.org/o/1?a=1&b=2", "none": null, "rows": [{"a": 1}, {"a": 2}]});
        source(body).fill(&values, &frame()).unwrap()
    }

    #[test]
    fn what_fills_a_gap_stays_text() {
        let evil = "<b>Ada</b> [win](https://evil.example) **x** {{ url }} &amp; `y`";
        let mail = filled("Hello **{{ name }}**,\n\nbye", evil);
        assert!(mail.html.contains(
            "&lt;b&gt;Ada&lt;/b&gt; [win](https://evil.example) **x** {{ url }} &amp;amp; `y`"
        ));
        assert!(!mail.html.contains("href=\"https://evil.example\""));
        assert!(mail.text.contains(evil), "{}", mail.text);
        assert_eq!(mail.subject, format!("Hi {evil}"));
    }

    #[test]
    fn a_link_alone_becomes_a_button() {
        let mail = filled(
            "[See your tickets]({{ url }})\n\nAn [ordinary]({{ url }}) link.",
            "Ada",
        );
        assert_eq!(mail.html.matches("class=\"button\"").count(), 1);
        assert_eq!(
            mail.html
                .matches("https://example.org/o/1?a=1&amp;b=2")
                .count(),
            2
        );
        assert!(
            mail.text
                .contains("See your tickets:\nhttps://example.org/o/1?a=1&b=2"),
            "{}",
            mail.text
        );
        assert!(
            mail.text
                .contains("An ordinary (https://example.org/o/1?a=1&b=2) link."),
            "{}",
            mail.text
        );
    }

    #[test]
    fn a_script_is_no_link() {
        let values = json!({"name": "javascript:alert(1)"});
        let mail = source("[x]({{ name }}) <script>alert(2)</script>")
            .fill(&values, &frame())
            .unwrap();
        assert!(!mail.html.contains("href=\"javascript"), "{}", mail.html);
        assert!(!mail.html.contains("<script"), "{}", mail.html);
        assert!(source("[x](javascript:y)").check(&[]).is_err());
        assert_eq!(
            Source {
                subject: String::new(),
                ..source("see [x](http://example.org)")
            }
            .check(&[]),
            Err(TemplateError::Link("http://example.org".to_owned()))
        );
    }

    #[test]
    fn unknown_placeholders_are_refused() {
        let known = [Placeholder {
            name: "name",
            about: "",
            sample: json!(""),
        }];
        let error = source("{{ nmae }} {% if event.x %}{% endif %}")
            .check(&known)
            .unwrap_err();
        assert!(
            error.to_string().contains("{{ event.x }}, {{ nmae }}"),
            "{error}"
        );
        assert!(
            source("{{ name }} {% for n in range(3) %}{{ n }}{% endfor %}")
                .check(&known)
                .is_ok()
        );
        assert!(matches!(
            source("{{ name").check(&known),
            Err(TemplateError::Malformed { part: "body", .. })
        ));
        assert!(
            source("{{ nmae }}")
                .fill(&json!({"name": "x"}), &frame())
                .is_err()
        );
    }

    #[test]
    fn control_flow_and_tables_work() {
        let mail = filled(
            "{% if none %}no{% else %}yes{% endif %}\n\n| n | a |\n|---|--:|\n{% for r in rows %}| x{{ none }} | {{ r.a }} |\n{% endfor %}",
            "Ada",
        );
        assert!(
            mail.html.contains("yes") && mail.html.matches("<tr>").count() >= 3,
            "{}",
            mail.html
        );
        assert!(mail.text.contains("x  1\nx  2"), "{}", mail.text);
    }

    #[test]
    fn a_template_cannot_run_for_ever() {
        let body = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
        assert!(source(body).fill(&json!({"name": ""}), &frame()).is_err());
    }
}
