//! The house's rules that no compiler checks, as tests over the files.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::root;

/// Files of the checkout with an ending, without build output and hidden folders.
fn files(ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && name != "target" && name != "node_modules" {
                    walk(&path, ending, found);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), ending, &mut found);
    assert!(
        !found.is_empty(),
        "no {ending} files: the tidy test looks in the wrong place"
    );
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// The part of a source file before its tests.
fn production(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn assert_none(broken: &[String], rule: &str) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

#[test]
fn every_file_says_what_lives_in_it() {
    let silent = files(".rs")
        .into_iter()
        .filter(|f| !fs::read_to_string(f).unwrap().starts_with("//! "));
    assert_none(
        &silent.map(|f| shown(&f)).collect::<Vec<_>>(),
        "files without a first line of //!",
    );
}

#[test]
fn files_fit_in_a_head() {
    // Lists and tables may be longer; none is yet.
    let lines = |f: &PathBuf| production(&fs::read_to_string(f).unwrap()).lines().count();
    let long = files(".rs")
        .into_iter()
        .filter(|f| !shown(f).contains("/tests/"))
        .filter(|f| lines(f) > 700);
    assert_none(
        &long.map(|f| shown(&f)).collect::<Vec<_>>(),
        "files over 700 lines before their tests",
    );
}

#[test]
fn only_store_and_operations_know_sqlx() {
    // Their test kit too, `domain` behind a feature, and the benchmarks, which ask the database directly to compare.
    let may = [
        "bench/Cargo.toml",
        "bench/peers/Cargo.toml",
        "store/Cargo.toml",
        "operations/Cargo.toml",
        "testkit/Cargo.toml",
        "domain/Cargo.toml",
        "Cargo.toml",
    ];
    let names = |f: &PathBuf| {
        fs::read_to_string(f)
            .unwrap()
            .lines()
            .any(|l| l.trim_start().starts_with("sqlx"))
    };
    let wrong = files("Cargo.toml")
        .into_iter()
        .filter(|f| names(f) && !may.contains(&shown(f).as_str()));
    assert_none(
        &wrong.map(|f| shown(&f)).collect::<Vec<_>>(),
        "crates that name sqlx",
    );
    let domain = fs::read_to_string(root().join("domain/Cargo.toml")).unwrap();
    assert!(
        domain.contains("sqlx = { workspace = true, optional = true }"),
        "domain knows sqlx only behind a feature"
    );
}

#[test]
fn surfaces_cannot_see_the_store() {
    for surface in ["mcp-server", "http-api"] {
        let manifest = fs::read_to_string(root().join(surface).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for other in ["store", "mcp-server", "http-api", "workflows"] {
            assert!(
                !dependencies.contains(&format!("\n{other}.")),
                "{surface} must not depend on {other}"
            );
        }
    }
    let operations = fs::read_to_string(root().join("operations/Cargo.toml")).unwrap();
    for protocol in ["rmcp", "axum", "hyper", "mcp-server", "http-api"] {
        assert!(
            !operations.contains(protocol),
            "operations must not know {protocol}"
        );
    }
}

#[test]
fn ports_see_nothing_but_words() {
    // What leads outside knows neither the database nor the rules that call it.
    for port in ["delivery", "llm", "payments"] {
        let manifest = fs::read_to_string(root().join(port).join("Cargo.toml")).unwrap();
        for above in ["\nstore", "\noperations", "\nworkflows", "\ntestkit"] {
            assert!(
                !manifest.contains(above),
                "{port} must not depend on{}",
                above.replace('\n', " ")
            );
        }
    }
}

#[test]
fn the_engine_knows_no_business_tables_and_no_surface() {
    // It executes what rows say: through operations, and the runs of the store. What it calls outside, it calls itself.
    let manifest = fs::read_to_string(root().join("workflows/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for surface in ["\nmcp-server", "\naxum", "\nrmcp", "\neventos", "\nsqlx"] {
        assert!(
            !dependencies.contains(surface),
            "workflows must not depend on{}",
            surface.replace('\n', " ")
        );
    }
    let wrong = files(".rs").into_iter().filter(|f| {
        let text = fs::read_to_string(f).unwrap();
        let code = production(&text);
        shown(f).starts_with("workflows/src/")
            && [".write(", ".system(", ".conn()"].iter().any(|opening| {
                code.contains(&format!("store{opening}")) || code.contains(&format!("tx{opening}"))
            })
    });
    assert_none(
        &wrong.map(|f| shown(&f)).collect::<Vec<_>>(),
        "files of the engine that open transactions; store::runs does that",
    );
    // What operations are made of must not depend on how they are executed later.
    let operations = fs::read_to_string(root().join("operations/Cargo.toml")).unwrap();
    assert!(
        !operations.contains("workflows.workspace"),
        "operations must not know the engine"
    );
}

#[test]
fn sql_lives_in_files_of_its_own() {
    let wrong = files(".rs").into_iter().filter(|f| {
        let name = shown(f);
        let may =
            name.starts_with("store/") || name.starts_with("testkit/") || name.ends_with("/sql.rs");
        let text = fs::read_to_string(f).unwrap();
        // Taken apart, so that this file does not name what it forbids.
        let queries = ["query", "query_as", "query_scalar"].map(|q| format!("sqlx::{q}"));
        !may && queries
            .iter()
            .any(|query| production(&text).contains(query.as_str()))
    });
    let wrong = wrong
        .map(|f| shown(&f))
        .filter(|name| name != "xtask/src/tidy.rs" && !name.contains("/tests"));
    assert_none(
        &wrong.collect::<Vec<_>>(),
        "files with SQL that are not called sql.rs",
    );
}

#[test]
fn lower_subjects_never_use_higher_ones() {
    let lib = fs::read_to_string(root().join("operations/src/lib.rs")).unwrap();
    let listed = lib
        .split("Subjects, lowest first")
        .nth(1)
        .expect("lib.rs lists the subjects");
    let listed = listed.split("\n#!").next().unwrap();
    let order: Vec<&str> = listed
        .split("[`")
        .skip(1)
        .map(|s| s.split('`').next().unwrap())
        .collect();
    let folders: BTreeSet<String> = fs::read_dir(root().join("operations/src"))
        .unwrap()
        .map(|e| e.unwrap())
        .filter(|e| e.path().is_dir())
        .map(|e| e.file_name().to_string_lossy().into_owned())
        // What tests of surfaces share is no subject.
        .filter(|name| name != "testing")
        .collect();
    let named: BTreeSet<String> = order.iter().map(ToString::to_string).collect();
    assert_eq!(
        folders, named,
        "the subjects listed in lib.rs are not the folders"
    );
    let mut wrong = Vec::new();
    for file in files(".rs") {
        let name = shown(&file);
        let Some(subject) = name
            .strip_prefix("operations/src/")
            .and_then(|rest| rest.split_once('/'))
            .map(|(s, _)| s)
        else {
            continue;
        };
        let Some(rank) = order.iter().position(|s| *s == subject) else {
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let code: String = production(&text)
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for higher in &order[rank + 1..] {
            let inside_braces = code.split("use crate::{").skip(1).any(|uses| {
                uses.split("};")
                    .next()
                    .unwrap()
                    .split([',', '\n'])
                    .any(|u| {
                        let u = u.trim();
                        u == *higher || u.starts_with(&format!("{higher}::"))
                    })
            });
            if inside_braces
                || code.contains(&format!("crate::{higher}::"))
                || code.contains(&format!("crate::{higher};"))
            {
                wrong.push(format!("{name} uses {higher}"));
            }
        }
    }
    assert_none(&wrong, "uses that go up the list");
}

#[test]
fn every_operation_has_tests_in_its_file() {
    let untested = files(".rs").into_iter().filter(|f| {
        let text = fs::read_to_string(f).unwrap();
        shown(f).starts_with("operations/src/")
            && text.contains("impl Operation for")
            && !text.contains("#[tokio::test]")
    });
    assert_none(
        &untested.map(|f| shown(&f)).collect::<Vec<_>>(),
        "operations without tests in their file",
    );
}

#[test]
fn the_catalog_lists_every_operation() {
    let catalog = fs::read_to_string(root().join("operations/src/catalog.rs")).unwrap();
    let mut missing = Vec::new();
    for file in files(".rs")
        .into_iter()
        .filter(|f| shown(f).starts_with("operations/src/"))
    {
        let text = fs::read_to_string(&file).unwrap();
        for name in text
            .split("impl Operation for ")
            .skip(1)
            .map(|rest| rest.split([' ', '{']).next().unwrap())
        {
            if !catalog.contains(&format!("entry::<{name}>(")) {
                missing.push(name.to_owned());
            }
        }
    }
    assert_none(&missing, "operations that are not in the catalog");
}

#[test]
fn words_the_glossary_rejects_are_no_identifiers() {
    // Only words that cannot stand for anything else in this code.
    let rejected = [
        "coupon",
        "voucher",
        "tenant",
        "sku",
        "reservation",
        "promoter",
        "checkin",
        "quota",
    ];
    let mut wrong = Vec::new();
    for file in files(".rs")
        .into_iter()
        .filter(|f| !shown(f).starts_with("xtask/"))
    {
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, l)| !l.trim_start().starts_with("//"))
        {
            let code: String = line.split('"').step_by(2).collect();
            let words = code
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .flat_map(snake_words)
                .collect::<Vec<_>>();
            if let Some(word) = words.iter().find(|w| rejected.contains(&w.as_str())) {
                // `Quota` is what the rate limiter's library calls its limit.
                if !line.contains("Quota") {
                    wrong.push(format!("{}:{}: {word}", shown(&file), number + 1));
                }
            }
        }
    }
    assert_none(&wrong, "identifiers the glossary rejects");
}

/// The words of an identifier, in lower case: `CheckIn` and `check_in` are both `check`, `in`.
fn snake_words(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in identifier.chars() {
        if c == '_' || c.is_uppercase() {
            words.push(String::new());
        }
        if c != '_' {
            let last = words.last_mut().unwrap();
            last.extend(c.to_lowercase());
        }
    }
    words
}

#[test]
fn unfinished_work_names_its_issue() {
    let marks =
        ["TO", "FIX"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" }));
    let mut wrong = Vec::new();
    for ending in [".rs", ".sql", ".py", ".toml", ".html"] {
        for file in files(ending) {
            let text = fs::read_to_string(&file).unwrap();
            let lines = text
                .lines()
                .enumerate()
                .filter(|(_, l)| marks.iter().any(|m| l.contains(m)) && !l.contains('#'));
            wrong.extend(lines.map(|(number, _)| format!("{}:{}", shown(&file), number + 1)));
        }
    }
    assert_none(&wrong, "marks of unfinished work without an issue's number");
}

#[test]
fn documents_keep_to_their_length() {
    for (name, limit) in [
        ("README.md", 150),
        ("ARCHITECTURE.md", 300),
        ("CONTRIBUTING.md", 200),
    ] {
        let lines = fs::read_to_string(root().join(name))
            .unwrap()
            .lines()
            .count();
        assert!(lines <= limit, "{name} has {lines} lines; at most {limit}");
    }
}

#[test]
fn migrations_that_have_landed_are_unchanged() {
    let list = root().join("migrations/checksums.txt");
    let known = fs::read_to_string(&list).unwrap();
    let mut wrong = Vec::new();
    for line in known.lines().filter(|l| !l.starts_with('#')) {
        let (sum, name) = line
            .split_once("  ")
            .expect("lines of checksums.txt are `sum  name`");
        match fs::read(root().join("migrations").join(name)) {
            Ok(content) if checksum(&content) == sum => {}
            Ok(_) => wrong.push(format!("{name} was edited; write a new migration instead")),
            Err(_) => wrong.push(format!("{name} is gone")),
        }
    }
    for file in files(".sql") {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !known.contains(&name) {
            wrong.push(format!(
                "add to migrations/checksums.txt:  {}  {name}",
                checksum(&fs::read(&file).unwrap())
            ));
        }
    }
    assert_none(&wrong, "migrations are forward only");
}

/// FNV-1a, 64 bits: it guards against forgetting, not against malice.
fn checksum(content: &[u8]) -> String {
    let hash = content
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}
