//! `eventos workflow …`, `eventos approvals …`, and the address that starts a workflow, as people and programs use them.

use serde_json::{Value, json};

use crate::program::{DataDir, Server, exchange, until};

const YAML: &str = "id: inbound\ntitle: Take up a lead\non: [{webhook: {}}, {manual: {params: {name: {type: string}}}}]\nsteps:\n  - {id: lead, set: {name: \"{{ trigger.body.name }}\"}}\n  - {id: ok, approve: {title: \"Write to them?\", expires: 2d}}\n";

/// The same, with what is asked for when it is started by hand.
fn by_hand() -> String {
    YAML.replace("trigger.body.name", "params.name")
}

fn yaml(data: &DataDir, name: &str, text: &str) -> String {
    let path = data.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The path of an address that a command prints; it does not know on which port a server beside it listens.
fn way(said: &str, begins: &str) -> String {
    let (_, rest) = said.split_once(begins).unwrap_or_else(|| panic!("{said}"));
    let secret = rest.split_whitespace().next().unwrap_or_default();
    format!("{begins}{secret}")
}

/// What a command that fails says.
fn refused(data: &DataDir, arguments: &[&str]) -> String {
    let output = data.run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said + &String::from_utf8_lossy(&output.stderr)
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (
        answer.0,
        answer.1["error"]["code"].as_str().unwrap_or_default(),
    )
}

#[test]
fn a_program_outside_starts_a_workflow_once_and_only_at_its_address() {
    let data = DataDir::new("hooks");
    let server = Server::start(&data, &[]);
    let file = yaml(&data, "inbound.yaml", YAML);
    data.stdout(&["workflow", "save", &file]);
    // Switched off, the address is there and starts nothing.
    let made = data.stdout(&["workflow", "webhook", "inbound", "--json"]);
    let path = value(&made)["path"].as_str().unwrap().to_owned();
    let off = server.post_json(&path, "", "{}");
    assert_eq!(code(&off), (409, "workflow_not_enabled"));
    data.stdout(&["workflow", "enable", "inbound"]);
    let started = server.post_json(&path, "Idempotency-Key: one\r\n", "{\"name\": \"Ada\"}");
    assert_eq!(
        (started.0, &started.1["is_repeat"]),
        (202, &json!(false)),
        "{started:?}"
    );
    let run = &started.1["run"];
    let again = server.post_json(&path, "Idempotency-Key: one\r\n", "{\"name\": \"Ada\"}");
    assert_eq!(
        (again.0, &again.1["run"], &again.1["is_repeat"]),
        (202, run, &json!(true))
    );
    let other = server.post_json(&path, "Idempotency-Key: one\r\n", "{}");
    assert_eq!(code(&other), (409, "idempotency_key_reused"));
    assert_eq!(
        code(&server.post_json(&path, "", "no")),
        (400, "body_malformed")
    );
    let large = format!("\"{}\"", "x".repeat(256 * 1024));
    assert_eq!(
        code(&server.post_json(&path, "", &large)),
        (413, "body_too_large")
    );
    let unknown = format!("{}z", &path[..path.len() - 1]);
    assert_eq!(
        code(&server.post_json(&unknown, "", "{}")),
        (404, "webhook_unknown")
    );
    assert_eq!(server.get(&path).unwrap().0, 405, "looking starts nothing");

    // A new address ends the old one; a signed one wants a signature; a revoked one is gone.
    let signed = data.stdout(&["workflow", "webhook", "inbound", "--signed"]);
    assert!(
        signed.contains("/hooks/whk_") && signed.contains("whsec_"),
        "{signed}"
    );
    assert_eq!(
        code(&server.post_json(&path, "", "{}")),
        (404, "webhook_unknown")
    );
    let newer = &way(&signed, "/hooks/");
    assert_eq!(
        code(&server.post_json(newer, "", "{}")),
        (401, "signature_wrong")
    );
    data.stdout(&["workflow", "webhook", "inbound", "--revoke"]);
    assert_eq!(
        code(&server.post_json(newer, "", "{}")),
        (404, "webhook_unknown")
    );
    for secret in [&path, newer] {
        assert!(!server.said().contains(secret), "an address is in the log");
    }
    assert!(server.stop());
}

#[test]
fn what_a_program_outside_has_started_waits_for_a_person() {
    let data = DataDir::new("hooks-approval");
    let server = Server::start(&data, &[]);
    let file = yaml(&data, "inbound.yaml", YAML);
    data.stdout(&["workflow", "save", &file]);
    data.stdout(&["workflow", "enable", "inbound"]);
    let made = data.stdout(&["workflow", "webhook", "inbound"]);
    let started = server.post_json(&way(&made, "/hooks/"), "", "{\"name\": \"Ada\"}");
    let run = started.1["run"].as_str().unwrap().to_owned();
    // The run waits for a person, who says yes at the keyboard.
    let waiting = || value(&data.stdout(&["approvals", "list", "--json"]));
    until("it waits for a person", || {
        waiting()["items"]
            .as_array()
            .is_some_and(|all| all.len() == 1)
    });
    let listed = data.stdout(&["approvals", "list"]);
    assert!(
        listed.contains("Write to them?") && listed.contains("the workflow inbound"),
        "{listed}"
    );
    let approval = waiting()["items"][0]["id"].as_str().unwrap().to_owned();
    let shown = data.stdout(&["approvals", "show", &approval, "--link"]);
    let link = way(&shown, "/approvals/");
    let page = server.get(&link).unwrap();
    assert!(
        page.0 == 200 && page.1.contains("Waits for you"),
        "{page:?}"
    );
    let said = data.stdout(&["approvals", "approve", &approval, "--note", "Gladly"]);
    assert!(said.contains("the workflow goes on"), "{said}");
    let page = server.get(&link).unwrap().1;
    assert!(
        page.contains("nothing left for you to do") && page.contains("Gladly"),
        "{page}"
    );
    assert!(!page.contains("<form"), "{page}");
    let show = || value(&data.stdout(&["workflow", "show", &run, "--json"]));
    until("the run ends", || show()["run"]["status"] == "done");
    assert!(show()["steps"].to_string().contains("Ada"), "{}", show());
    let timeline = data.stdout(&["workflow", "show", &run]);
    assert!(
        timeline.contains("lead") && timeline.contains("done"),
        "{timeline}"
    );
    assert!(server.stop());
}

#[test]
fn too_many_requests_at_one_address_are_put_off() {
    let data = DataDir::new("hooks-limit");
    let file = yaml(&data, "inbound.yaml", YAML);
    data.stdout(&["migrate"]);
    let server = Server::start_with(
        &data,
        &[],
        &[
            ("EVENTOS_LIMITS__OPERATIONS_PER_MINUTE", "1"),
            ("EVENTOS_LIMITS__BURST", "2"),
        ],
    );
    data.stdout(&["workflow", "save", &file]);
    data.stdout(&["workflow", "enable", "inbound"]);
    let made = value(&data.stdout(&["workflow", "webhook", "inbound", "--json"]));
    let path = made["path"].as_str().unwrap();
    let statuses: Vec<u16> = (0..4).map(|_| server.post_json(path, "", "{}").0).collect();
    assert_eq!(statuses, [202, 202, 429, 429]);
    assert!(server.stop());
}

#[test]
fn a_workflow_is_checked_tried_switched_and_steered_from_the_keyboard() {
    let data = DataDir::new("workflow-commands");
    // Checking needs neither a server nor a database.
    let wrong = yaml(&data, "wrong.yaml", &by_hand().replace("set:", "sett:"));
    let said = refused(&data, &["workflow", "check", &wrong]);
    assert!(
        said.contains("wrong.yaml:5") && said.contains("1 mistake"),
        "{said}"
    );
    let file = yaml(&data, "inbound.yaml", &by_hand());
    let said = data.stdout(&["workflow", "check", &file]);
    assert!(said.contains("by a signed request; by hand"), "{said}");
    assert!(data.postmaster().is_none(), "no database was started");

    let server = Server::start(&data, &[]);
    let tried = data.stdout(&[
        "workflow", "dry-run", &file, "--param", "name=Ada", "--json",
    ]);
    assert_eq!(value(&tried)["end"], "done", "{tried}");
    assert!(refused(&data, &["workflow", "enable", "inbound"]).contains("no workflow \"inbound\""));
    let saved = value(&data.stdout(&["workflow", "save", &file, "--json"]));
    assert_eq!(
        (&saved["version"], &saved["is_new"]),
        (&json!(1), &json!(true))
    );
    assert!(
        data.stdout(&["workflow", "save", &file])
            .contains("Unchanged: version 1")
    );
    assert!(refused(&data, &["workflow", "run", "inbound"]).contains("not on"));
    data.stdout(&["workflow", "enable", "inbound", "--version", "1"]);
    assert!(data.stdout(&["workflow", "ls"]).contains("inbound"));

    let start = || {
        let started = data.stdout(&[
            "workflow", "run", "inbound", "--param", "name=Ada", "--json",
        ]);
        value(&started)["run"]["id"].as_str().unwrap().to_owned()
    };
    let status = |run: &str| {
        let shown = data.stdout(&["workflow", "show", run, "--json"]);
        value(&shown)["run"]["status"].as_str().unwrap().to_owned()
    };
    let run = start();
    until("it waits", || status(&run) == "waiting");
    data.stdout(&["workflow", "pause", &run]);
    assert_eq!(status(&run), "paused");
    assert!(refused(&data, &["workflow", "retry", &run, "--from", "nowhere"]).contains("no step"));
    data.stdout(&["workflow", "resume", &run]);
    until("it waits again", || status(&run) == "waiting");
    data.stdout(&["workflow", "pause", &run]);
    data.stdout(&["workflow", "skip", &run, "--step", "lead"]);
    until("it goes on behind what was left out", || {
        status(&run) == "waiting"
    });
    data.stdout(&["workflow", "cancel", &run]);
    assert_eq!(status(&run), "cancelled");
    assert!(refused(&data, &["workflow", "resume", &run]).contains("cancelled"));
    let runs = value(&data.stdout(&[
        "workflow",
        "ls",
        "--runs",
        "--status",
        "cancelled",
        "--json",
    ]));
    assert_eq!(runs["items"][0]["id"], json!(run), "{runs}");

    // A question that is rejected ends its run.
    let second = start();
    until("it waits", || status(&second) == "waiting");
    let waiting = value(&data.stdout(&["approvals", "list", "--json"]));
    let waiting = waiting["items"].as_array().unwrap().clone();
    let mine = waiting
        .iter()
        .find(|one| one["run_id"] == json!(second))
        .unwrap();
    let approval = mine["id"].as_str().unwrap();
    let shown = data.stdout(&["approvals", "show", approval]);
    assert!(
        shown.contains("Write to them?") && shown.contains("eventos approvals reject"),
        "{shown}"
    );
    data.stdout(&["approvals", "reject", approval, "--note", "Not now"]);
    until("it ends", || status(&second) == "skipped");
    let said = refused(&data, &["approvals", "approve", approval]);
    assert!(said.contains("rejected already"), "{said}");
    let rejected = data.stdout(&["approvals", "list", "--status", "rejected"]);
    assert!(rejected.contains(approval), "{rejected}");
    data.stdout(&["workflow", "disable", "inbound"]);
    assert!(refused(&data, &["workflow", "run", "inbound"]).contains("not on"));
    assert!(server.stop());
}

#[test]
fn a_mail_brings_the_one_who_decides_to_the_page_and_no_program_sees_the_way() {
    let data = DataDir::new("approval-mail");
    let server = Server::start(&data, &[]);
    let token = data.stdout(&[
        "token", "create", "--name", "agent", "--scopes", "all", "--quiet",
    ]);
    let token = token.trim();
    let call = |tool: &str, arguments: Value| {
        let outer = if tool.starts_with("list") || tool.starts_with("get") {
            "run_read_tool"
        } else {
            "run_write_tool"
        };
        let through = json!({"tool": tool, "arguments": arguments});
        server.call(token, outer, &through).unwrap().unwrap()
    };
    let yaml = "id: look\ntitle: Look\non: [{cron: \"0 9 * * MON\"}]\nsteps:\n  - {id: events, operation: list_events}\n";
    call("save_workflow", json!({"yaml": yaml}));
    let asked = call("enable_workflow", json!({"workflow": "look"}));
    let approval = asked["approval"]["id"].as_str().unwrap();
    let outbox = data.path().join("outbox");
    let mails = || {
        let entries = std::fs::read_dir(&outbox).into_iter().flatten();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .collect::<Vec<_>>()
    };
    until("the mail is a file", || mails().len() == 1);
    let mail = std::fs::read_to_string(&mails()[0]).unwrap();
    // Quoted-printable breaks long lines.
    let mail = mail.replace("=\r\n", "");
    assert!(mail.contains("To decide: "), "{mail}");
    let begins = format!("http://{}/approvals/", server.address);
    let secret = mail
        .split(&begins)
        .nth(1)
        .unwrap_or_else(|| panic!("{mail}"));
    let secret: String = secret.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(secret.len(), 138, "{mail}");
    // Whatever the program that asked may read: its answers, the messages, the log.
    let messages = call("list_messages", json!({}));
    let message = call(
        "get_message",
        json!({"message": messages["items"][0]["id"]}),
    );
    let approvals = call("get_approval", json!({"approval": approval}));
    let seen = format!("{asked}{messages}{message}{approvals}{}", server.said());
    assert!(message.to_string().contains("To decide: "), "{message}");
    assert!(
        !seen.contains(&secret) && !seen.contains(&secret[106..]),
        "{seen}"
    );
    let path = format!("/approvals/{secret}");
    assert!(server.get(&path).unwrap().1.contains("Waits for you"));
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 17\r\n\
         Connection: close\r\n\r\ndecision=approved",
        server.address
    );
    let (status, page) = exchange(server.address, &request).unwrap();
    assert!(
        status == 200 && page.contains("Approved and done"),
        "{page}"
    );
    let page = server.get(&path).unwrap().1;
    assert!(
        page.contains("nothing left for you to do") && !page.contains("<form"),
        "{page}"
    );
    let listed = call("list_workflows", json!({}));
    let look = listed["workflows"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "look");
    assert_eq!(look.unwrap()["is_enabled"], json!(true));
    assert!(!server.said().contains(&secret), "the link is in the log");
    assert!(server.stop());
}
