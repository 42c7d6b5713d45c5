//! Values with `{{ }}` in them. A text that is exactly one placeholder keeps the type of what it names.

use std::{collections::BTreeSet, sync::LazyLock};

use domain::{LocalDate, Timestamp, Zone};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value as Jinja,
    value::{Rest, Serde},
};
use serde_json::Value;

use super::{expression::Scope, program::StepError};

/// How much work one text may cost.
const FUEL: u64 = 50_000;
/// The longest text that may come out.
const LONGEST: usize = 100_000;

/// Where filters find the organization's zone; no definition can have a variable of this name.
const ZONE: &str = "__zone";

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.add_filter("local", local);
    environment.add_filter("day", day);
    environment.add_filter("money", money);
    environment
});

/// A value whose texts may have placeholders.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template(Value);

impl Template {
    /// Reads a value; calls back with path and sentence for each text that cannot be read.
    pub(super) fn parse(value: &Value, path: &str, refuse: &mut impl FnMut(&str, String)) -> Self {
        each_text(value, path, &mut |path, text| {
            if let Err(error) = names_in(text) {
                refuse(path, error);
            }
        });
        Self(value.clone())
    }

    /// The variables it reads, each with the path where it stands.
    pub(super) fn names(&self, path: &str) -> Vec<(String, String)> {
        let mut names = Vec::new();
        each_text(&self.0, path, &mut |path, text| {
            let found = names_in(text).unwrap_or_default();
            names.extend(found.into_iter().map(|name| (path.to_owned(), name)));
        });
        names
    }

    /// The value as it was written.
    pub(super) fn source(&self) -> &Value {
        &self.0
    }

    /// The value with all placeholders filled in.
    pub(super) fn render(&self, scope: &Scope) -> Result<Value, StepError> {
        render(&self.0, scope)
    }

    /// The text with all placeholders filled in.
    pub(super) fn text(&self, scope: &Scope) -> Result<String, StepError> {
        Ok(match self.render(scope)? {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

fn each_text(value: &Value, path: &str, visit: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => visit(path, text),
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                each_text(item, &format!("{path}[{i}]"), visit);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                each_text(value, &super::problem::below(path, name), visit);
            }
        }
        _ => {}
    }
}

/// The expression of a text that is one placeholder and nothing else.
fn only_placeholder(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim_matches('-').trim())
}

fn names_in(text: &str) -> Result<BTreeSet<String>, String> {
    let names = match only_placeholder(text) {
        Some(inner) => ENVIRONMENT
            .compile_expression(inner)
            .map(|expression| expression.undeclared_variables(false)),
        None => ENVIRONMENT
            .template_from_str(text)
            .map(|template| template.undeclared_variables(false)),
    };
    let names = names
        .map_err(|error| format!("has a placeholder that cannot be read: {}", said(&error)))?;
    Ok(names
        .into_iter()
        .filter(|name| name != "now" && name != "range")
        .collect())
}

fn render(value: &Value, scope: &Scope) -> Result<Value, StepError> {
    Ok(match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => fill(text, scope)?,
        Value::Array(items) => {
            let items = items.iter().map(|item| render(item, scope));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), render(value, scope)?)));
            Value::Object(fields.collect::<Result<_, StepError>>()?)
        }
        other => other.clone(),
    })
}

fn fill(text: &str, scope: &Scope) -> Result<Value, StepError> {
    let failed = |error: &Error| StepError {
        code: "template_failed".to_owned(),
        message: format!("`{text}` cannot be filled in: {}", said(error)),
        is_transient: false,
    };
    let now = scope.now.to_string();
    let now = Jinja::from_function(move || now.clone());
    // Only what the text names: a run's variables may be large.
    let named = names_in(text).unwrap_or_default();
    let named = named.into_iter().filter_map(|name| {
        let value = Jinja::from(Serde(scope.variables.get(&name)?));
        Some((name, value))
    });
    let given = [("now", now), (ZONE, scope.zone.name().into())];
    let given = given.map(|(name, value)| (name.to_owned(), value));
    let values = Jinja::from_pairs(given.into_iter().chain(named));
    if let Some(inner) = only_placeholder(text) {
        let value = ENVIRONMENT
            .compile_expression(inner)
            .and_then(|expression| expression.eval(values));
        let value = value.map_err(|error| failed(&error))?;
        if value.is_undefined() {
            let error = Error::from(ErrorKind::UndefinedError);
            return Err(failed(&error));
        }
        return serde_json::to_value(&value)
            .map_err(|error| failed(&Error::new(ErrorKind::BadSerialization, error.to_string())));
    }
    let filled = ENVIRONMENT
        .template_from_str(text)
        .and_then(|template| template.render(values))
        .map_err(|error| failed(&error))?;
    if filled.len() > LONGEST {
        let error = Error::new(ErrorKind::WriteFailure, "the text becomes too long");
        return Err(failed(&error));
    }
    Ok(filled.into())
}

/// What went wrong, without values.
fn said(error: &Error) -> String {
    match error.kind() {
        ErrorKind::UndefinedError => {
            "it names something that is not there; `| default(…)` gives another value".to_owned()
        }
        ErrorKind::OutOfFuel => "it takes too much work".to_owned(),
        kind => error
            .detail()
            .map_or_else(|| kind.to_string(), ToOwned::to_owned),
    }
}

/// `{{ when | local }}` or `{{ when | local("Europe/Berlin") }}`: as the clock there shows it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "filters take their arguments by value"
)]
fn local(
    state: &minijinja::State<'_, '_>,
    when: String,
    zone: Rest<String>,
) -> Result<String, Error> {
    let zone = zone.first().cloned().unwrap_or_else(|| home(state));
    let when: Timestamp = when.parse().map_err(refuse)?;
    let zone: Zone = zone.parse().map_err(refuse)?;
    Ok(when.in_zone(&zone).readable())
}

/// `{{ when | day }}`: the day on the organization's calendar, such as 2027-02-04; `{{ when | day(-7) }}` is a week
/// before it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "filters take their arguments by value"
)]
fn day(state: &minijinja::State<'_, '_>, when: String, days: Rest<i32>) -> Result<String, Error> {
    let when: Timestamp = when.parse().map_err(refuse)?;
    let zone: Zone = home(state).parse().map_err(refuse)?;
    let day = LocalDate::from(when.in_zone(&zone));
    Ok(day
        .plus_days(days.first().copied().unwrap_or_default())
        .to_string())
}

/// The organization's zone, as the scope brought it.
fn home(state: &minijinja::State<'_, '_>) -> String {
    let home = state.lookup(ZONE).map(|zone| zone.to_string());
    home.unwrap_or_else(|| "Etc/UTC".to_owned())
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "errors are passed on by value"
)]
fn refuse(error: domain::time::TimeError) -> Error {
    Error::new(ErrorKind::InvalidOperation, error.to_string())
}

/// `{{ order.total | money }}`: an amount as people read it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "filters take their arguments by value"
)]
fn money(value: Jinja) -> Result<String, Error> {
    let money: Result<domain::Money, _> =
        serde_json::to_value(&value).and_then(serde_json::from_value);
    money.map(|money| money.to_string()).map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            "money has an amount and a currency",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let variables = json!({
            "person": {"name": "Ada", "age": 36, "tags": ["a", "b"], "at": "2027-02-04T18:00:00Z"},
            "total": {"amount": 2500, "currency": "EUR"},
        });
        Scope {
            variables: variables.as_object().cloned().unwrap(),
            now: "2027-01-11T09:00:00Z".parse().unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
        }
    }

    fn rendered(value: impl Into<Value>) -> Value {
        let value = value.into();
        Template::parse(&value, "with", &mut |path, error| panic!("{path} {error}"))
            .render(&scope())
            .unwrap()
    }

    #[test]
    fn one_placeholder_keeps_its_type() {
        assert_eq!(
            rendered(
                json!({"a": "{{ person.age }}", "b": "{{ person.tags }}", "c": "{{ person.age + 1 }} years", "d": 7})
            ),
            json!({"a": 36, "b": ["a", "b"], "c": "37 years", "d": 7})
        );
        assert_eq!(
            rendered(json!("{{ now() }}")),
            json!("2027-01-11T09:00:00Z")
        );
        assert_eq!(
            rendered(json!("{{ person.at | day }} {{ person.at | day(-7) }}")),
            rendered(json!("{{ person.at | day(0) }} {{ person.at | day(-7) }}"))
        );
        assert_eq!(
            rendered(json!("on {{ person.at | local }}")),
            json!("on Thu 4 Feb 2027, 19:00")
        );
        assert_eq!(rendered(json!("{{ total | money }}")), json!("25.00 EUR"));
        assert_eq!(
            rendered(json!("{{ person.nick | default('you') }}")),
            json!("you")
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let mut problems = Vec::new();
        let value = json!({"a": ["{{ person. }}"], "b": "{% if x %}"});
        Template::parse(&value, "with", &mut |path, error| {
            problems.push((path.to_owned(), error));
        });
        assert_eq!(problems.len(), 2);
        assert_eq!(problems[0].0, "with.a[0]");
        let missing = Template(json!("{{ person.nick }}"))
            .render(&scope())
            .unwrap_err();
        assert!(
            missing.message.contains("not there") && !missing.message.contains("Ada"),
            "{}",
            missing.message
        );
        let endless = "{% for i in range(100000) %}{{ i }}{% endfor %}";
        assert!(Template(json!(endless)).render(&scope()).is_err());
    }

    #[test]
    fn names_what_it_reads() {
        let template = Template(
            json!({"a": "{{ person.age }}", "b": ["{{ other | default(1) }} {{ now() }}"]}),
        );
        let names = template.names("with");
        assert_eq!(
            names,
            [
                ("with.a".to_owned(), "person".to_owned()),
                ("with.b[0]".to_owned(), "other".to_owned())
            ]
        );
    }
}
