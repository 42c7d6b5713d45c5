//! `docs/workflows`: a page for each workflow of the library with its YAML, and an index. Made from the definitions,
//! compared on every run; `UPDATE=1` writes them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use delivery::template::Builtin;
use operations::workflows::{CatchUp, Definition, LibraryWorkflow, Trigger};
use serde_json::{Map, Value};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/workflows")
}

/// Compares a page with what the library says, or writes it.
fn page(name: &str, text: &str) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::create_dir_all(folder()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    let differing = kept.lines().zip(text.lines()).find(|(a, b)| a != b);
    assert!(
        kept == text,
        "docs/workflows/{name} is not what the library says; run `UPDATE=1 cargo nextest run -p workflows --all-features pages`. \
         First difference: {differing:#?}"
    );
}

/// What starts a workflow, in words.
fn starts(definition: &Definition) -> Vec<String> {
    let written = &definition.document().on;
    let triggers = definition.triggers().iter().zip(written);
    triggers
        .map(|(trigger, written)| match trigger {
            Trigger::Change { kind, condition } => {
                let only = condition.as_ref().map(|only| format!(" if {only:?}"));
                format!("when `{kind}` happens{}", only.unwrap_or_default())
            }
            Trigger::Cron { schedule } => {
                let clock = schedule.zone().map_or_else(
                    || "the organization's clock".to_owned(),
                    |zone| format!("the clock in {}", zone.city()),
                );
                let missed = match written.catch_up.unwrap_or(CatchUp::Last) {
                    CatchUp::Skip => "left out",
                    CatchUp::Last => "made up for once",
                    CatchUp::All => "made up for one by one",
                };
                let pattern = schedule.pattern();
                format!("at `{pattern}` on {clock}; times missed while nothing ran are {missed}")
            }
            Trigger::Manual { .. } => "by hand, or by another workflow".to_owned(),
            Trigger::Webhook => "by a signed request from outside".to_owned(),
        })
        .collect()
}

/// All steps as JSON, those inside an `each` as well.
fn steps(definition: &Definition) -> Vec<Value> {
    fn walk(steps: &Value, found: &mut Vec<Value>) {
        for step in steps.as_array().into_iter().flatten() {
            found.push(step.clone());
            walk(&step["each"]["steps"], found);
        }
    }
    let mut found = Vec::new();
    let document = serde_json::to_value(definition.document()).unwrap();
    walk(&document["steps"], &mut found);
    walk(&document["on_failure"], &mut found);
    found
}

/// Who gets a mail, in words.
fn audience(to: &Map<String, Value>) -> String {
    let text = |name: &str| to.get(name).and_then(Value::as_str);
    if let Some(role) = text("team") {
        return format!("the team (`{role}`, or owners and managers where nobody has the role)");
    }
    match (text("order"), text("event"), text("segment")) {
        (Some(_), ..) => "the buyer".to_owned(),
        (_, Some(_), Some("checked_in")) => "those who were let in".to_owned(),
        (_, Some(_), Some("not_checked_in")) => "those who were not let in".to_owned(),
        (_, Some(_), Some("unpaid")) => "buyers who have not paid".to_owned(),
        (_, Some(_), _) => "everyone with a valid ticket".to_owned(),
        _ => "the people named".to_owned(),
    }
}

/// The mails a workflow sends, as rows of a table.
fn mails(definition: &Definition) -> Vec<String> {
    let steps = steps(definition);
    let mails = steps.iter().filter_map(|step| step["email"].as_object());
    let row = |mail: &Map<String, Value>| {
        let name = mail["template"].as_str().unwrap();
        let template: Builtin = name.parse().unwrap();
        let to = audience(mail["to"].as_object().unwrap());
        let kind = template.kind();
        let subject = template.source(domain::Language::En).subject;
        format!("| `{name}` | {to} | {kind} | {subject} |")
    };
    mails.map(row).collect()
}

/// What can be changed without another thought: parameters, and values that the definition sets.
fn values(definition: &Definition) -> Vec<String> {
    let params = definition.params();
    let mut rows: Vec<String> = params
        .iter()
        .map(|(name, param)| {
            let default = match (&param.default, param.required) {
                (Some(default), _) => format!("`{default}`"),
                (None, true) => "must be given".to_owned(),
                (None, false) => "nothing".to_owned(),
            };
            let about = param.description.as_deref().unwrap_or_default();
            format!(
                "| `{name}` | {}, asked for at each start | {default} | {about} |",
                param.kind
            )
        })
        .collect();
    let fixed = |value: &Value| !value.is_null() && !value.to_string().contains("{{");
    for step in steps(definition) {
        let id = step["id"].as_str().unwrap_or_default().to_owned();
        for (name, value) in step["set"].as_object().into_iter().flatten() {
            if fixed(value) {
                rows.push(format!(
                    "| `{id}.{name}` | set in the definition | `{value}` | |"
                ));
            }
        }
        for field in ["until", "for"] {
            if let Some(value) = step["wait"][field].as_str() {
                let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                rows.push(format!("| `{id}` | waits {field} | `{value}` | |"));
            }
        }
    }
    rows
}

fn table(page: &mut String, title: &str, head: &str, rows: &[String]) {
    if rows.is_empty() {
        return;
    }
    let columns = "|---".repeat(head.matches('|').count() - 1);
    write!(
        page,
        "\n## {title}\n\n{head}\n{columns}|\n{}\n",
        rows.join("\n")
    )
    .unwrap();
}

fn described(library: &LibraryWorkflow, definition: &Definition) -> String {
    let name = definition.name();
    let mut page = format!(
        "<!-- Made from workflows/library/{name}.yaml; see README.md. -->\n# {}\n\n",
        definition.title()
    );
    if let Some(description) = definition.description() {
        writeln!(page, "{}\n", description.trim()).unwrap();
    }
    let on = if library.enabled_by_default {
        "It is **on** from the start."
    } else {
        "It is **off** until somebody switches it on."
    };
    writeln!(page, "{on} It starts:\n").unwrap();
    for start in starts(definition) {
        writeln!(page, "- {start}").unwrap();
    }
    let by_change = (definition.triggers().iter()).any(|t| matches!(t, Trigger::Change { .. }));
    if by_change {
        page.push_str("\nWhat happened before it was switched on does not start it.\n");
    }
    let head = "| template | to | kind | subject |";
    table(&mut page, "Mails", head, &mails(definition));
    let head = "| name | what it is | default | |";
    table(&mut page, "Values", head, &values(definition));
    let by_hand = (definition.triggers().iter()).any(|t| matches!(t, Trigger::Manual { .. }));
    let params = definition.params();
    let required = params.iter().filter(|(_, param)| param.required);
    let given = required.fold(String::new(), |given, (param, _)| {
        format!("{given} --param {param}=…")
    });
    let outline = definition.outline().join("\n");
    write!(page, "\n## Steps\n\n```text\n{outline}\n```\n").unwrap();
    write!(
        page,
        "\n## Switching and changing it\n\n\
         In a chat: “Switch on the workflow {name}”, “Show me what {name} would do”, or “Change {name} so that …”. The \
         assistant tries it with `dry_run_workflow`, stores a version of your own with `save_workflow`, and asks for \
         `enable_workflow`, which a person approves. On the server:\n\n\
         ```sh\n\
         eventos workflow dry-run {name}{given}\n\
         eventos workflow enable {name}\n\
         eventos workflow disable {name}\n\
         eventos workflow ls --runs --workflow {name}\n\
         ```\n\n\
         To change it there, write the definition below to a file, edit it, and store it as your own; it then no longer \
         follows the program's:\n\n\
         ```sh\n\
         eventos workflow check {name}.yaml\n\
         eventos workflow save {name}.yaml\n\
         eventos workflow enable {name}\n\
         ```\n"
    )
    .unwrap();
    if by_hand {
        write!(page, "\nTo start it: `eventos workflow run {name}{given}`, or in a chat with `start_workflow`.\n").unwrap();
    }
    let yaml = library.source.trim_end();
    write!(page, "\n## Definition\n\n```yaml\n{yaml}\n```\n").unwrap();
    page
}

#[test]
fn every_workflow_has_a_page_and_every_page_a_workflow() {
    let mut index = "# The library of workflows\n\nWhat EventOS can do by itself. Each organization has all of these and \
        switches on what it wants; each can be changed in a chat or as YAML. Pages are made from the definitions in \
        `workflows/library` by `UPDATE=1 cargo nextest run -p workflows --all-features pages`. \
        [The schema of definitions](../workflow.schema.json), [what can start them](../changes.md).\n\n\
        | workflow | what it does | from the start | starts |\n|---|---|:-:|---|\n"
        .to_owned();
    let mut expected = BTreeSet::from(["README.md".to_owned()]);
    for library in workflows::library() {
        let definition = Definition::parse(&library.source).unwrap();
        let name = definition.name();
        let on = if library.enabled_by_default {
            "on"
        } else {
            "off"
        };
        let starts = starts(&definition).join("; ").replace('|', "\\|");
        let title = definition.title();
        writeln!(index, "| [{name}]({name}.md) | {title} | {on} | {starts} |").unwrap();
        page(&format!("{name}.md"), &described(&library, &definition));
        expected.insert(format!("{name}.md"));
    }
    page("README.md", &index);
    let files = fs::read_dir(folder()).unwrap();
    let kept: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(kept, expected);
}
