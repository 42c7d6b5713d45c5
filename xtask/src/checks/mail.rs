//! `checks/mail.py`: other people's mail servers take what `delivery` hands over, and strict readers judge it.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{LIMIT, Tally};
use crate::{peers::Peers, process};

pub(crate) fn check(peers: &Peers, program: &Path, tally: &mut Tally) {
    tally.check("mail: taken by mail servers, read strictly", || {
        judged(peers, program)
    });
}

fn judged(peers: &Peers, program: &Path) -> Result<String> {
    let mut mail = crate::peers::install_for_mail(peers)?;
    let out = peers.out("mail")?;
    let server = MailServer::start(&mut mail.maildev, &out)?;
    let mut command = Command::new(&mail.python);
    command
        .arg(crate::root().join("checks/mail.py"))
        .args(server.arguments())
        .arg("--program")
        .arg(program)
        .arg("--templates")
        .arg(crate::root().join("delivery/templates"));
    last_line(&mut command, &out, "mail")
}

/// Orders, waiting workflows and mails of the running program, whose clock is moved and which is killed in between.
pub(crate) fn check_workflows(peers: &Peers, program: &Path, tally: &mut Tally) {
    tally.check("workflows: by a moved clock, killed in between", || {
        let mut mail = crate::peers::install_for_mail(peers)?;
        let out = peers.out("workflows")?;
        let server = MailServer::start(&mut mail.maildev, &out)?;
        let mut command = Command::new(&peers.python);
        command
            .arg(crate::root().join("checks/workflows.py"))
            .args(server.arguments())
            .arg("--program")
            .arg(program)
            .arg("--folder")
            .arg(&out);
        last_line(&mut command, &out, "workflows")
    });
}

/// Runs a judge, and answers with the last line it prints.
pub(super) fn last_line(command: &mut Command, out: &Path, name: &str) -> Result<String> {
    let finished = process::run(command, out, name, LIMIT)?;
    ensure!(
        finished.status.success(),
        "{}\n{}",
        finished.status,
        finished.last_words()
    );
    let last = finished.stdout.lines().last();
    Ok(last.context("the judge printed nothing")?.to_owned())
}

/// A mail server on this machine only, ended with the value.
struct MailServer {
    child: Child,
    smtp: u16,
    web: u16,
}

impl MailServer {
    fn start(program: &mut Command, out: &Path) -> Result<Self> {
        let (smtp, web) = (free_port()?, free_port()?);
        let child = program
            .args(["--ip", "127.0.0.1", "--smtp", &smtp.to_string()])
            .args(["--web-ip", "127.0.0.1", "--web", &web.to_string()])
            // It keeps files in a folder of one name, which another account may own.
            .env("TMPDIR", out)
            .stdin(Stdio::null())
            .stdout(File::create(out.join("maildev.out"))?)
            .stderr(File::create(out.join("maildev.err"))?)
            .spawn()
            .context("maildev did not start")?;
        let mut server = Self { child, smtp, web };
        let deadline = Instant::now() + Duration::from_mins(1);
        while !(answers(smtp) && answers(web)) {
            if let Some(status) = server.child.try_wait()? {
                bail!("maildev ended with {status}; see {}", out.display());
            }
            ensure!(
                Instant::now() < deadline,
                "maildev was not ready after a minute"
            );
            thread::sleep(Duration::from_millis(100));
        }
        Ok(server)
    }

    /// Where it is, for a judge.
    fn arguments(&self) -> [String; 4] {
        let smtp = format!("smtp://127.0.0.1:{}", self.smtp);
        let api = format!("http://127.0.0.1:{}", self.web);
        ["--smtp".to_owned(), smtp, "--api".to_owned(), api]
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
