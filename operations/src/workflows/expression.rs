//! Conditions: CEL over what a run knows. Pure: time comes from the run.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, Program, Value as Cel,
    common::ast::{EntryExpr, Expr, IdedExpr},
};
use domain::{LocalTime, Timestamp, Zone};
use jiff::ToSpan as _;
use serde_json::{Map, Number, Value};

use super::program::StepError;

/// The longest expression, in characters.
const LONGEST: usize = 1_000;
/// How many of `map`, `filter`, `all`, `exists` one expression may have: each goes over a whole list.
const LOOPS: usize = 3;

/// What an expression or a template can see.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub(super) variables: Map<String, Value>,
    pub(super) now: Timestamp,
    pub(super) zone: Zone,
}

/// A condition or another computed value.
#[derive(Clone)]
pub struct Expression {
    source: String,
    program: Arc<Program>,
    names: BTreeSet<String>,
    functions: BTreeSet<String>,
}

/// The functions beside CEL's own.
const FUNCTIONS: &[&str] = &["now", "days", "hours", "minutes", "local", "at_local"];
/// CEL's own that are offered; operators have names that are no words.
const STANDARD: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "dyn",
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Expression {
    /// Reads an expression; the error is a sentence.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        if source.chars().count() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters"));
        }
        if source.contains("{{") {
            return Err("is an expression already; write it without {{ }}".to_owned());
        }
        let program = ENVIRONMENT.compile(source).map_err(|errors| {
            let said = errors.to_string();
            let first = said
                .lines()
                .find(|line| !line.trim().is_empty())
                .unwrap_or("cannot be read");
            format!("is not an expression: {}", first.trim())
        })?;
        let (mut names, mut functions) = (BTreeSet::new(), BTreeSet::new());
        let mut loops = 0;
        walk(
            program.expression(),
            &mut Vec::new(),
            &mut names,
            &mut functions,
            &mut loops,
        );
        if loops > LOOPS {
            return Err(format!(
                "goes over lists {loops} times; at most {LOOPS} are allowed"
            ));
        }
        let known = |name: &&String| {
            FUNCTIONS.contains(&name.as_str())
                || STANDARD.contains(&name.as_str())
                || !name.starts_with(|c: char| c.is_ascii_alphabetic())
        };
        if let Some(unknown) = functions.iter().find(|name| !known(name)) {
            let near =
                super::problem::did_you_mean(unknown, FUNCTIONS.iter().chain(STANDARD).copied());
            return Err(format!("calls {unknown}(), which does not exist. {near}"));
        }
        Ok(Self {
            source: source.to_owned(),
            program: Arc::new(program),
            names,
            functions,
        })
    }

    /// The variables it reads.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether its value depends on when it is asked.
    pub(super) fn uses_now(&self) -> bool {
        self.functions.contains("now")
    }

    /// Its value.
    pub(super) fn value(&self, scope: &Scope) -> Result<Value, StepError> {
        let value = self.compute(scope)?;
        json(&value).ok_or_else(|| self.failed("gives a value that is no plain data".to_owned()))
    }

    /// Its value, which must be true or false.
    pub(super) fn truth(&self, scope: &Scope) -> Result<bool, StepError> {
        match self.compute(scope)? {
            Cel::Bool(truth) => Ok(truth),
            other => {
                let kind = other.type_of();
                Err(self.failed(format!("gives a {kind}; a condition is true or false")))
            }
        }
    }

    /// Its value, which must be an instant.
    pub(super) fn instant(&self, scope: &Scope) -> Result<Timestamp, StepError> {
        let value = self.compute(scope)?;
        instant(&value).map_err(|message| self.failed(message))
    }

    fn compute(&self, scope: &Scope) -> Result<Cel, StepError> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for name in &self.names {
            let value = scope.variables.get(name).unwrap_or(&Value::Null);
            context.add_variable_from_value(name.clone(), cel(value));
        }
        add_functions(&mut context, scope).map_err(|error| self.failed(error.to_string()))?;
        self.program.execute(&context).map_err(|error| {
            let hint = match &error {
                ExecutionError::NoSuchOverload(_)
                | ExecutionError::UnsupportedBinaryOperator(..)
                | ExecutionError::ValuesNotComparable(..) => {
                    "; times in data are texts, so write timestamp(x) around them"
                }
                ExecutionError::NoSuchKey(_) => "; has(x.y) tells whether a field is there",
                _ => "",
            };
            self.failed(format!("cannot be computed: {}{hint}", said(&error)))
        })
    }

    fn failed(&self, what: impl std::fmt::Display) -> StepError {
        StepError {
            code: "expression_failed".to_owned(),
            message: format!("`{}` {what}", self.source),
            is_transient: false,
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.source)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

/// What went wrong, without the values: they may be about people.
fn said(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no field `{key}`"),
        ExecutionError::NoSuchOverload(error) => error.to_string(),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` is not known"),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("`{operator}` does not work on these values")
        }
        ExecutionError::ValuesNotComparable(..) => "these values cannot be compared".to_owned(),
        ExecutionError::FunctionError { function, message } => format!("{function}(): {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter than that".to_owned(),
        _ => "the values do not fit".to_owned(),
    }
}

fn add_functions(
    context: &mut Context<'_, '_>,
    scope: &Scope,
) -> Result<(), cel::DeclarationError> {
    let now = scope.now;
    let home = scope.zone.clone();
    let there = scope.zone.clone();
    context.add_function("now", move || at(now))?;
    context.add_function("days", |n: i64| span(n, 86_400))?;
    context.add_function("hours", |n: i64| span(n, 3_600))?;
    context.add_function("minutes", |n: i64| span(n, 60))?;
    context.add_function("local", move |args: cel::extractors::Arguments| {
        let refuse = |message: String| ExecutionError::function_error("local", message);
        let (when, zone) = match args.0.as_slice() {
            [when] => (when, home.clone()),
            [when, zone] => (when, zone_of(zone).map_err(refuse)?),
            _ => return Err(refuse("give a time and, if you like, a zone".to_owned())),
        };
        let when = instant(when).map_err(refuse)?;
        Ok(Cel::String(Arc::new(when.in_zone(&zone).readable())))
    })?;
    context.add_function("at_local", move |args: cel::extractors::Arguments| {
        let refuse = |message: String| ExecutionError::function_error("at_local", message);
        let usage = "give a time, days to move it by, a clock time such as \"18:00\" and, if you like, a zone";
        let (when, days, clock, zone) = match args.0.as_slice() {
            [when, Cel::Int(days), Cel::String(clock)] => (when, *days, clock, there.clone()),
            [when, Cel::Int(days), Cel::String(clock), zone] => {
                (when, *days, clock, zone_of(zone).map_err(refuse)?)
            }
            _ => return Err(refuse(usage.to_owned())),
        };
        let local = instant(when).map_err(refuse)?.in_zone(&zone).civil();
        let days = i32::try_from(days).map_err(|_| refuse(usage.to_owned()))?;
        let date = local.date().checked_add(days.days());
        let clock: jiff::civil::Time = clock.parse().map_err(|_| refuse(usage.to_owned()))?;
        let date = date.map_err(|_| refuse("the time is out of range".to_owned()))?;
        Ok(at(
            LocalTime::from(date.to_datetime(clock)).resolve_leniently(&zone)
        ))
    })
}

fn zone_of(value: &Cel) -> Result<Zone, String> {
    match value {
        Cel::String(name) => name
            .parse()
            .map_err(|e: domain::time::TimeError| e.to_string()),
        _ => Err("a zone is a text such as \"Europe/Berlin\"".to_owned()),
    }
}

/// An instant as CEL knows it.
fn at(when: Timestamp) -> Cel {
    let text = when.to_string();
    text.parse().map_or(Cel::Null, Cel::Timestamp)
}

fn span(count: i64, seconds: i64) -> Cel {
    let start = Timestamp::from_microseconds(0);
    let end = start.plus_seconds(count.saturating_mul(seconds));
    match (at(end), at(start)) {
        (Cel::Timestamp(end), Cel::Timestamp(start)) => Cel::Duration(end - start),
        _ => Cel::Null,
    }
}

fn instant(value: &Cel) -> Result<Timestamp, String> {
    match value {
        Cel::Timestamp(when) => Ok(Timestamp::from_microseconds(when.timestamp_micros())),
        Cel::String(text) => text
            .parse()
            .map_err(|error: domain::time::TimeError| format!("gives no time: {error}")),
        other => Err(format!("gives a {}; a time is needed", other.type_of())),
    }
}

/// JSON for CEL: whole numbers are signed, so that they compare with those in expressions.
fn cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(truth) => Cel::Bool(*truth),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cel::Int(whole),
            (None, Some(float)) => Cel::Float(float),
            (None, None) => Cel::Null,
        },
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(cel).collect())),
        Value::Object(fields) => {
            let fields: std::collections::HashMap<String, Cel> = fields
                .iter()
                .map(|(name, value)| (name.clone(), cel(value)))
                .collect();
            Cel::Map(fields.into())
        }
    }
}

fn json(value: &Cel) -> Option<Value> {
    Some(match value {
        Cel::Null => Value::Null,
        Cel::Bool(truth) => (*truth).into(),
        Cel::Int(whole) => (*whole).into(),
        Cel::UInt(whole) => (*whole).into(),
        Cel::Float(float) => Number::from_f64(*float).map_or(Value::Null, Value::Number),
        Cel::String(text) => text.as_str().into(),
        Cel::List(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        Cel::Map(map) => {
            let mut fields: Vec<(String, Value)> = map
                .map
                .iter()
                .map(|(key, value)| Some((key.to_string(), json(value)?)))
                .collect::<Option<_>>()?;
            // A hash map has no order of its own; the same value must always be the same text.
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        Cel::Timestamp(when) => Timestamp::from_microseconds(when.timestamp_micros())
            .to_string()
            .into(),
        Cel::Duration(length) => length.num_seconds().into(),
        _ => return None,
    })
}

/// Collects what an expression reads and calls; `bound` are the names its own loops give.
fn walk(
    node: &IdedExpr,
    bound: &mut Vec<String>,
    names: &mut BTreeSet<String>,
    functions: &mut BTreeSet<String>,
    loops: &mut usize,
) {
    match &node.expr {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !name.starts_with('@') && !bound.contains(name) {
                names.insert(name.clone());
            }
        }
        Expr::Select(select) => walk(&select.operand, bound, names, functions, loops),
        Expr::Call(call) => {
            functions.insert(call.func_name.clone());
            for part in call.target.iter().map(|target| &**target).chain(&call.args) {
                walk(part, bound, names, functions, loops);
            }
        }
        Expr::List(list) => {
            for item in &list.elements {
                walk(item, bound, names, functions, loops);
            }
        }
        Expr::Map(map) => {
            for entry in &map.entries {
                if let EntryExpr::MapEntry(entry) = &entry.expr {
                    walk(&entry.key, bound, names, functions, loops);
                    walk(&entry.value, bound, names, functions, loops);
                }
            }
        }
        Expr::Struct(_) => {
            functions.insert("message literals".to_owned());
        }
        Expr::Comprehension(each) => {
            *loops += 1;
            walk(&each.iter_range, bound, names, functions, loops);
            let before = bound.len();
            bound.push(each.iter_var.clone());
            bound.extend(each.iter_var2.clone());
            bound.push(each.accu_var.clone());
            for part in [
                &each.accu_init,
                &each.loop_cond,
                &each.loop_step,
                &each.result,
            ] {
                walk(part, bound, names, functions, loops);
            }
            bound.truncate(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scope() -> Scope {
        let variables = json!({
            "change": {"event_id": "evt_1", "amount": {"amount": 2500, "currency": "EUR"}, "at": "2027-03-27T18:00:00Z"},
            "people": {"items": [{"n": 1}, {"n": 2}, {"n": 3}]},
        });
        Scope {
            variables: variables.as_object().cloned().unwrap(),
            now: "2027-01-11T09:00:00Z".parse().unwrap(),
            zone: "Europe/Berlin".parse().unwrap(),
        }
    }

    fn value(source: &str) -> Value {
        Expression::parse(source).unwrap().value(&scope()).unwrap()
    }

    #[test]
    fn computes_with_what_a_run_knows() {
        assert_eq!(value("change.amount.amount > 2000"), json!(true));
        assert_eq!(value("size(people.items)"), json!(3));
        assert_eq!(
            value("people.items.filter(p, p.n > 1).map(p, p.n)"),
            json!([2, 3])
        );
        assert_eq!(
            value("timestamp(change.at) - days(1)"),
            json!("2027-03-26T18:00:00Z")
        );
        assert_eq!(
            value("timestamp(change.at) + duration('90m')"),
            json!("2027-03-27T19:30:00Z")
        );
        assert_eq!(value("now() + hours(2)"), json!("2027-01-11T11:00:00Z"));
        assert_eq!(value("local(change.at)"), json!("Sat 27 Mar 2027, 19:00"));
        assert_eq!(value("has(change.missing)"), json!(false));
        // The day the clocks go forward: 18:00 there is an hour earlier by UTC.
        assert_eq!(
            value("at_local(change.at, 1, '18:00')"),
            json!("2027-03-28T16:00:00Z")
        );
        assert_eq!(
            value("at_local(change.at, -1, '18:00', 'America/New_York')"),
            json!("2027-03-26T22:00:00Z")
        );
    }

    #[test]
    fn names_what_it_reads_and_not_what_it_binds() {
        let expression =
            Expression::parse("people.items.all(p, p.n < limit) && now() > timestamp(x)").unwrap();
        assert_eq!(
            expression.names().collect::<Vec<_>>(),
            ["limit", "people", "x"]
        );
        assert!(expression.uses_now());
    }

    #[test]
    fn says_what_is_wrong() {
        let parse = |source: &str| Expression::parse(source).unwrap_err();
        assert!(parse("{{ x }}").contains("without {{ }}"));
        assert!(parse("a ==").starts_with("is not an expression"));
        assert!(parse("tody() > 1").contains("tody()"));
        let fail = |source: &str| {
            Expression::parse(source)
                .unwrap()
                .truth(&scope())
                .unwrap_err()
                .message
        };
        assert!(
            fail("change.at - days(1) > now()").contains("timestamp(x)"),
            "{}",
            fail("change.at - days(1) > now()")
        );
        assert!(fail("change.nothing > 1").contains("has(x.y)"));
        assert!(fail("change.event_id").contains("true or false"));
    }
}
