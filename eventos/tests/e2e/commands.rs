//! The commands people and scripts use.

use std::{
    os::unix::{fs::PermissionsExt, process::CommandExt as _},
    path::Path,
    process::Command,
};

use serde_json::json;

use crate::program::{DataDir, Server};

#[test]
fn a_quiet_token_is_nothing_but_the_token() {
    let data = DataDir::new("quiet");
    let printed = data.stdout(&[
        "token", "create", "--name", "x", "--scopes", "all", "--quiet",
    ]);
    assert!(
        printed.starts_with("eos_") && printed.trim().len() == 68 && printed.lines().count() == 1,
        "{printed:?}"
    );
    let refused = data.run(&["token", "create", "--name", "x", "--scopes", "events:fly"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("events:read"),
        "{said}"
    );
}

#[test]
fn migrate_check_tells_a_fresh_database_from_a_current_one() {
    let data = DataDir::new("migrate");
    let fresh = data.run(&["migrate", "--check"]);
    assert_eq!(
        fresh.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&fresh.stderr)
    );
    assert!(String::from_utf8_lossy(&fresh.stdout).contains("pending"));
    data.stdout(&["migrate"]);
    assert!(data.stdout(&["migrate", "--check"]).contains("up to date"));
}

#[test]
fn doctor_finds_nothing_wrong_with_a_fresh_start_and_hides_secrets() {
    let data = DataDir::new("doctor");
    data.stdout(&["migrate"]);
    let output = data
        .command(&["doctor"])
        .env("EVENTOS_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!said.contains("FAIL"), "{said}");
    let wrong = data
        .command(&["doctor"])
        .env("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/none")
        .env("EVENTOS_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&wrong.stdout).into_owned();
    assert!(
        !wrong.status.success() && said.contains("FAIL") && !said.contains("hunter2"),
        "{said}"
    );
}

#[test]
fn install_keeps_other_settings_and_a_backup() {
    let data = DataDir::new("install");
    let file = data.path().join("claude_desktop_config.json");
    let name = file.to_str().unwrap();
    std::fs::write(
        &file,
        r#"{"theme": "dark", "mcpServers": {"other": {"command": "x"}}}"#,
    )
    .unwrap();
    let shown = data.stdout(&["mcp", "install", "--dry-run", "--client-config", name]);
    assert!(
        shown.contains("\"eventos\"")
            && !std::fs::read_to_string(&file).unwrap().contains("eventos"),
        "{shown}"
    );
    data.stdout(&["mcp", "install", "--client-config", name]);
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["theme"], "dark");
    assert_eq!(
        written["mcpServers"]["eventos"]["args"],
        serde_json::json!(["mcp", "stdio"])
    );
    let backups = std::fs::read_dir(data.path()).unwrap().filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("backup")
    });
    assert_eq!(backups.count(), 1);
    std::fs::write(&file, "{ broken").unwrap();
    assert!(
        !data
            .run(&["mcp", "install", "--client-config", name])
            .status
            .success()
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "{ broken",
        "a file it cannot read is left alone"
    );
}

#[test]
fn prints_completions() {
    let data = DataDir::new("completions");
    assert!(data.stdout(&["completions", "bash"]).contains("eventos"));
}

#[test]
fn works_as_an_ordinary_user_too() {
    // Under root this starts the program as `nobody`; an ordinary user has shown it in every other test.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root {
        return;
    }
    let data = DataDir::new("ordinary");
    let own = data.path().join("own");
    std::fs::create_dir(&own).unwrap();
    // A copy: the build folder may lie below a home that nobody else may enter.
    let program = data.path().join("eventos");
    std::fs::copy(env!("CARGO_BIN_EXE_eventos"), &program).unwrap();
    assert!(
        Command::new("chown")
            .args(["nobody", own.to_str().unwrap()])
            .status()
            .unwrap()
            .success()
    );
    let output = Command::new(&program)
        .args(["token", "create", "--name", "x", "--quiet"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", &own)
        .env("EVENTOS_DATA_DIR", own.join("data"))
        .uid(65534)
        .gid(65534)
        .current_dir(&own)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(
        String::from_utf8_lossy(&output.stdout).starts_with("eos_"),
        "{said}"
    );
}

#[test]
fn the_demonstration_loads_once() {
    let data = DataDir::new("demo");
    let server = Server::start(&data, &["--demo"]);
    let again = data.stdout(&["demo"]);
    assert!(again.contains("nothing was changed"), "{again}");
    let token = data.stdout(&[
        "token",
        "create",
        "--name",
        "x",
        "--quiet",
        "--organization",
        "demo",
    ]);
    let report = server
        .call(token.trim(), "get_sales_report", &serde_json::json!({}))
        .unwrap()
        .unwrap();
    let orders = report["totals"]["orders_paid"]
        .as_u64()
        .unwrap_or_else(|| panic!("{report}"));
    assert!((1_500..4_000).contains(&orders), "{orders} paid orders");
    assert!(server.stop());
}

#[test]
fn doctor_names_what_a_backup_needs_and_who_can_reach_the_server() {
    let data = DataDir::new("doctor-backup");
    let output = data
        .command(&["doctor"])
        .env("EVENTOS_LISTEN", "0.0.0.0:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("listens beyond this machine"), "{said}");
    let backup = said
        .lines()
        .find(|line| line.starts_with("note  backup"))
        .unwrap_or_else(|| panic!("{said}"));
    assert!(
        backup.ends_with(data.path().to_str().unwrap()),
        "the database is inside: {backup}"
    );
    assert!(said.contains("-U eventos_owner -Fc"), "{said}");
}

#[test]
fn a_backup_of_what_doctor_names_has_everything() {
    // Only root's database lies outside the data directory, and only where others may not enter that.
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !is_root {
        return;
    }
    let data = DataDir::new("doctor-root");
    std::fs::set_permissions(data.path(), PermissionsExt::from_mode(0o700)).unwrap();
    data.stdout(&["migrate"]);
    let output = data
        .command(&["doctor"])
        .env("EVENTOS_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let backup = said.lines().find(|line| line.starts_with("note  backup"));
    let (_, elsewhere) = backup
        .and_then(|line| line.split_once(" and "))
        .unwrap_or_else(|| panic!("{said}"));
    let version = Path::new(elsewhere).join("cluster/PG_VERSION");
    assert!(version.is_file(), "{elsewhere}");
    assert!(!data.path().join("postgres").exists());
    std::fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn settings_for_another_postgresql_do_not_reach_the_embedded_one() {
    let data = DataDir::new("foreign");
    let output = data
        .command(&["migrate"])
        .envs([
            ("PGPORT", "1"),
            ("PGSSLMODE", "require"),
            ("PGOPTIONS", "-c nonsense=1"),
            ("PGUSER", "nobody"),
            ("PGDATABASE", "none"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn install_keeps_links_modes_and_what_the_program_was_told() {
    let data = DataDir::new("install-modes");
    let at = |name: &str| data.path().join(name);
    let mode = |name: &str| std::fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
    let install = |settings: &str| data.stdout(&["mcp", "install", "--client-config", settings]);
    // New settings are for their owner only.
    install(at("new.json").to_str().unwrap());
    assert_eq!(mode("new.json"), 0o600);
    // Those that are there keep their mode, also in the copy, and a link stays one.
    std::fs::write(at("real.json"), "{}").unwrap();
    std::fs::set_permissions(at("real.json"), PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("real.json", at("link.json")).unwrap();
    std::fs::write(at("eventos.toml"), "[organization]\nname = \"Ada's\"\n").unwrap();
    let said = install(at("link.json").to_str().unwrap());
    assert!(at("link.json").symlink_metadata().unwrap().is_symlink());
    assert_eq!(mode("real.json"), 0o640);
    let mut copies = std::fs::read_dir(data.path()).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.starts_with("real.json.backup-").then_some(name)
    });
    assert_eq!(mode(&copies.next().unwrap()), 0o640);
    // A settings file in use is named with its whole path, and words are quoted for the shell.
    let file = at("eventos.toml").to_str().unwrap().to_owned();
    let written = std::fs::read_to_string(at("real.json")).unwrap();
    let written: serde_json::Value = serde_json::from_str(&written).unwrap();
    let arguments = json!(["mcp", "stdio", "--config", file]);
    assert_eq!(written["mcpServers"]["eventos"]["args"], arguments);
    assert!(
        said.contains(&format!("mcp stdio --config {file}")),
        "{said}"
    );
    let spaced = data.run(&[
        "mcp",
        "install",
        "--dry-run",
        "--client-config",
        at("x.json").to_str().unwrap(),
        "--data-dir",
        at("a b").to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&spaced.stdout).into_owned();
    assert!(
        said.contains("'EVENTOS_DATA_DIR=") && said.contains("a b'"),
        "{said}"
    );
}

#[test]
fn install_does_not_forget_the_database_of_the_environment() {
    let data = DataDir::new("install-url");
    let file = data.path().join("settings.json");
    let refused = data
        .command(&["mcp", "install", "--client-config", file.to_str().unwrap()])
        .env("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/none")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("[store]"),
        "{said}"
    );
    assert!(!said.contains("hunter2") && !file.exists(), "{said}");
}
