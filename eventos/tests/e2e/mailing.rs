//! A mail from the tool call to the file it becomes, and from the link in it to the list of those who want none.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::program::{DataDir, Server, until};

fn mails(data: &DataDir) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(data.path().join("outbox")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect()
}

#[test]
fn news_arrive_and_can_be_declined_in_one_step() {
    let data = DataDir::new("mailing");
    let server = Server::start(&data, &[]);
    assert!(
        server.said().contains("No mail server is set"),
        "{}",
        server.said()
    );
    let token = data.stdout(&[
        "token", "create", "--name", "e2e", "--scopes", "all", "--quiet",
    ]);
    let token = token.trim();
    let write = |tool: &str, arguments: Value| {
        let through = json!({"tool": tool, "arguments": arguments});
        server
            .call(token, "run_write_tool", &through)
            .unwrap()
            .unwrap()
    };
    let read = |tool: &str| {
        let through = json!({"tool": tool, "arguments": {}});
        server
            .call(token, "run_read_tool", &through)
            .unwrap()
            .unwrap()
    };
    let news = json!({"message": {"template": "launch_announcement"}});
    write("send_test_message", news.clone());
    until("the mail is a file", || mails(&data).len() == 1);
    let mail = std::fs::read_to_string(&mails(&data)[0]).unwrap();
    assert!(
        mail.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
        "{mail}"
    );
    let link = mail
        .split("List-Unsubscribe: <")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap();
    let path = link
        .strip_prefix(&format!("http://{}", server.address))
        .expect("a link to this server");
    let (status, page) = server.get(path).unwrap();
    assert!(
        status == 200 && page.contains("<button>Unsubscribe</button>"),
        "{page}"
    );
    assert_eq!(server.get(&format!("{path}0")).unwrap().0, 404);
    assert!(
        !read("list_suppressions")
            .to_string()
            .contains("unsubscribed"),
        "looking changes nothing"
    );
    let post = |path: &str| server.post_form(path, "List-Unsubscribe=One-Click").0;
    assert_eq!(
        (post(path), post(path), post("/u/nonsense")),
        (200, 200, 404)
    );
    assert!(
        read("list_suppressions")
            .to_string()
            .contains("unsubscribed")
    );
    let through = json!({"tool": "send_test_message", "arguments": news});
    let refused = server.call(token, "run_write_tool", &through).unwrap();
    assert!(
        format!("{refused:?}").contains("own_address_suppressed"),
        "{refused:?}"
    );
    let tickets = json!({"message": {"template": "order_confirmation"}});
    write("send_test_message", tickets);
    until("mail about orders still arrives", || {
        mails(&data).len() == 2
    });
    assert!(server.stop());
}
