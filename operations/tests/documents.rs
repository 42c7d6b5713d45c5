//! `docs/catalog.md` and `docs/errors.md`: made from the code, compared on every run. `UPDATE=1` writes them.
#![expect(
    clippy::unwrap_used,
    reason = "writing to a string and plain data cannot fail"
)]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use domain::{Fault as _, FaultSpec, Permission};
use operations::{CATALOG, Entry, RunError, Shelf, Toolset, permission::Role};
use serde_json::Value;
use store::StoreError;

/// Compares a document with what the code says, or writes it.
fn document(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs")
        .join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    if kept != text {
        let differing = kept.lines().zip(text.lines()).find(|(a, b)| a != b);
        panic!(
            "docs/{name} is not what the code says; run `UPDATE=1 cargo test -p operations --test documents`. First difference: {differing:#?}"
        );
    }
}

#[test]
fn the_catalog_page_is_current() {
    let mut page = "# Catalog\n\nEverything EventOS can do. Made from the code by `UPDATE=1 cargo test -p operations --test documents`.\n\n\
        Shelf: *shown* operations are MCP tools; *searchable* ones are found through `search_tools`; those for *operators* are not for models.\n"
        .to_owned();
    for toolset in Toolset::ALL {
        writeln!(page, "\n## {}\n", toolset.as_str()).unwrap();
        for entry in CATALOG.iter().filter(|entry| entry.toolset == *toolset) {
            describe(&mut page, entry);
        }
    }
    document("catalog.md", &page);
}

fn describe(page: &mut String, entry: &Entry) {
    let shelf = match entry.shelf {
        Shelf::Shown => "shown",
        Shelf::Searchable => "searchable",
        Shelf::Operators => "operators",
    };
    let effect = serde_json::to_value(entry.effect).unwrap();
    writeln!(page, "### `{}`\n\n{}\n", entry.name, entry.description()).unwrap();
    writeln!(
        page,
        "{} · needs `{}` · {shelf}\n",
        effect.as_str().unwrap(),
        entry.needs
    )
    .unwrap();
    fields(page, "Input", &entry.input_schema());
    fields(page, "Answer", &entry.output_schema());
    let codes: Vec<String> = entry
        .faults()
        .iter()
        .map(|spec| format!("`{}`", spec.code))
        .collect();
    if !codes.is_empty() {
        writeln!(page, "Refuses with {}.\n", codes.join(", ")).unwrap();
    }
}

fn fields(page: &mut String, title: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object().filter(|p| !p.is_empty()) else {
        return;
    };
    writeln!(page, "| {title} | type | |\n|---|---|---|").unwrap();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, field) in properties {
        let mark = if title == "Input" && required.contains(&name.as_str()) {
            " (required)"
        } else {
            ""
        };
        let detail = if field["x-detail"] == true {
            " *(detailed only)*"
        } else {
            ""
        };
        let text = field["description"]
            .as_str()
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(
            page,
            "| `{name}`{mark} | {} | {text}{detail} |",
            kind(field)
        )
        .unwrap();
    }
    page.push('\n');
}

fn kind(field: &Value) -> String {
    if let Some(words) = field["enum"].as_array() {
        return words
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", ");
    }
    match field["type"].as_str() {
        Some("array") => format!("list of {}", kind(&field["items"])),
        Some(kind) => kind.to_owned(),
        None => "any".to_owned(),
    }
}

#[test]
fn the_page_of_errors_is_current_and_codes_mean_one_thing() {
    let mut by_code: BTreeMap<&str, (FaultSpec, Vec<&str>)> = BTreeMap::new();
    let mut add = |spec: FaultSpec, from: &'static str| {
        let known = by_code.entry(spec.code).or_insert((spec, Vec::new()));
        assert_eq!(known.0, spec, "the code {} means two things", spec.code);
        if !known.1.contains(&from) {
            known.1.push(from);
        }
    };
    for spec in RunError::<StoreError>::specs() {
        add(spec, "every operation");
    }
    for entry in CATALOG {
        for spec in entry.faults() {
            add(spec, entry.name);
        }
    }
    let mut page = "# Errors\n\nEvery code an operation can refuse with. Codes are stable. Made from the code by \
        `UPDATE=1 cargo test -p operations --test documents`.\n\nBeside these, `invalid_input` (kind invalid) says that the input has an unknown \
        or malformed field, and names it.\n\n| code | kind | what to do next | from |\n|---|---|---|---|\n"
        .to_owned();
    for (code, (spec, from)) in &by_code {
        let everywhere = from.contains(&"every operation");
        let from = if everywhere {
            "every operation".to_owned()
        } else {
            from.join(", ")
        };
        writeln!(
            page,
            "| `{code}` | {} | {} | {from} |",
            spec.kind.as_str(),
            spec.next
        )
        .unwrap();
    }
    document("errors.md", &page);
}

#[test]
fn the_matrix_of_roles_is_current() {
    let mut page = "# Roles\n\nWhat a member of each role may do. Made from the code by `UPDATE=1 cargo test -p operations --test documents`.\n\n|".to_owned();
    for role in Role::ALL {
        write!(page, " | {role}").unwrap();
    }
    page.push_str(" |\n|---");
    page.push_str(&"|:-:".repeat(Role::ALL.len()));
    page.push_str("|\n");
    for permission in Permission::ALL {
        write!(page, "| `{permission}`").unwrap();
        for role in Role::ALL {
            page.push_str(if role.permissions().allows(*permission) {
                " | ✓"
            } else {
                " | "
            });
        }
        page.push_str(" |\n");
    }
    document("roles.md", &page);
}

#[test]
fn names_are_unique_and_in_form() {
    let mut names: Vec<&str> = CATALOG.iter().map(|entry| entry.name).collect();
    for name in &names {
        assert!(
            name.len() <= 64 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
    }
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CATALOG.len());
    for entry in CATALOG {
        assert!(
            !entry.description().is_empty(),
            "{} says nothing about itself",
            entry.name
        );
        for (field, schema) in entry.input_schema()["properties"].as_object().unwrap() {
            assert!(
                schema["description"].is_string(),
                "{}.{field} says nothing about itself",
                entry.name
            );
        }
    }
}

#[test]
fn the_schema_of_workflows_is_current() {
    let schema = serde_json::to_string_pretty(&operations::workflows::json_schema()).unwrap();
    document("workflow.schema.json", &format!("{schema}\n"));
}

/// A kind of change as the code declares it.
struct Declared {
    kind: String,
    says: String,
    fields: Vec<String>,
}

/// The changes declared in the sources: kind, doc comment and fields of each struct.
fn declared_changes(folder: &Path, found: &mut Vec<Declared>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            declared_changes(&path, found);
            continue;
        }
        if path.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("impl Change for ").skip(1) {
            let name = part.split(' ').next().unwrap();
            let kind = part.split("const KIND: &'static str = \"").nth(1).unwrap();
            let (before, body) = text.split_once(&format!("struct {name} {{")).unwrap();
            let comment = before
                .lines()
                .rev()
                .skip(1)
                .find(|line| line.starts_with("/// "));
            // What is not serialized is in no payload.
            let fields = body.split("\n}").next().unwrap();
            let unseen = |part: &str| {
                part.split_once('\n')
                    .map_or("", |(_, rest)| rest)
                    .to_owned()
            };
            let mut parts = fields.split("#[serde(skip)]\n");
            let first = parts.next().unwrap_or_default().to_owned();
            let fields = first + &parts.map(unseen).collect::<String>();
            let fields = fields.lines();
            let field = |line: &str| {
                let (name, kind) = line.trim().split_once(": ")?;
                let name = name.rsplit(' ').next()?;
                (!line.trim().starts_with("//"))
                    .then(|| format!("`{name}` {}", kind.trim_end_matches(',')))
            };
            found.push(Declared {
                kind: kind.split('"').next().unwrap().to_owned(),
                says: comment
                    .unwrap_or_default()
                    .trim_start_matches("/// ")
                    .to_owned(),
                fields: fields.filter_map(field).collect(),
            });
        }
    }
}

#[test]
fn the_page_of_changes_is_current_and_lists_every_kind() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut declared = Vec::new();
    for folder in ["operations/src", "store/src", "domain/src"] {
        declared_changes(&root.join(folder), &mut declared);
    }
    declared.sort_by(|a, b| a.kind.cmp(&b.kind));
    let in_code: Vec<&str> = declared.iter().map(|change| change.kind.as_str()).collect();
    let listed: Vec<&str> = operations::change_kinds::KINDS
        .iter()
        .map(|(kind, _)| *kind)
        .collect();
    assert_eq!(
        in_code, listed,
        "operations/src/change_kinds.rs lists other kinds than the code has, or in another order"
    );
    let mut page = "# Changes\n\nEvery kind of change that is recorded: what workflows start from and wait for, and what subscribers \
        hear of. A workflow sees the fields as `change.<field>`. Made from the code by `UPDATE=1 cargo test -p operations --test documents`.\n\n\
        | kind | when | fields |\n|---|---|---|\n"
        .to_owned();
    for (change, (kind, when)) in declared.iter().zip(operations::change_kinds::KINDS) {
        assert!(!change.says.is_empty(), "{kind} says nothing about itself");
        writeln!(page, "| `{kind}` | {when} | {} |", change.fields.join(", ")).unwrap();
    }
    document("changes.md", &page);
}
