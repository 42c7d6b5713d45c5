//! `eventos chat`: talking to the organizer's assistant in the terminal, and deciding what it proposes.

use std::{
    collections::HashSet,
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail};
use domain::{ConversationId, Timestamp};
use operations::{
    Operation, RunError,
    approvals::{Approval, ApprovalStatus, DecideApproval, Decision},
    conversations::{
        AskAgent, ConversationDetail, ConversationEntry, ConversationStatus, EntryKind,
        GetConversation, ListConversations, StopConversation,
    },
};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio_util::sync::CancellationToken;

use super::{
    Organization,
    acting::{Acting, json, refused},
};
use crate::{config::Config, home, worker};

/// Talk to the organizer's assistant. Nothing it proposes happens before you agree.
#[derive(Debug, clap::Args)]
pub(super) struct Chat {
    /// What to say first.
    message: Option<String>,
    /// Go on with a conversation; `last` for the newest.
    #[arg(long = "continue", value_name = "ID")]
    conversation: Option<String>,
    /// List your conversations.
    #[arg(long, conflicts_with_all = ["message", "conversation"])]
    list: bool,
    /// Print JSON (with --list).
    #[arg(long, requires = "list")]
    json: bool,
    /// Have the work done elsewhere: by a server, or by `eventos work`.
    #[arg(long)]
    no_worker: bool,
    #[command(flatten)]
    organization: Organization,
}

/// How often is looked while the assistant is at work.
const LOOK: Duration = Duration::from_millis(150);

impl Chat {
    pub(super) async fn run(self, config: &Config) -> Result<ExitCode> {
        let acting = Acting::begin(config, &self.organization, "eventos chat").await?;
        if self.list {
            let outcome = list(&acting, self.json).await;
            acting.end().await?;
            return outcome;
        }
        let stop = CancellationToken::new();
        let working = if self.no_worker {
            None
        } else {
            let key = home::sealing_key(&config.data_dir)?;
            let worker = worker::prepare(&acting.opened.database.store, config, key, None)?;
            let stopping = stop.clone();
            #[expect(clippy::disallowed_methods, reason = "waited for below")]
            Some(tokio::spawn(async move { worker.run(stopping).await }))
        };
        let outcome = self.talk(&acting).await;
        stop.cancel();
        if let Some(working) = working {
            working.await?;
        }
        acting.end().await?;
        outcome
    }

    async fn talk(self, acting: &Acting) -> Result<ExitCode> {
        let mut talk = Talk {
            acting,
            lines: BufReader::new(tokio::io::stdin()).lines(),
            id: None,
            after: 0,
            screen: Screen::new(),
        };
        talk.id = match self.conversation.as_deref() {
            None => None,
            Some("last") => Some(newest(acting).await?),
            Some(id) => Some(id.parse()?),
        };
        if talk.id.is_some() {
            talk.catch_up().await?;
        } else if self.message.is_none() {
            println!("What do you want to get done? (Ctrl-D ends, Ctrl-C stops the assistant)");
        }
        let mut first = self.message;
        loop {
            let message = match first.take() {
                Some(message) => message,
                None => match talk.ask("> ").await? {
                    Some(line) if line.trim().is_empty() => continue,
                    Some(line) => line,
                    None => break,
                },
            };
            if let Err(code) = talk.turn(message).await? {
                return Ok(code);
            }
        }
        if let Some(id) = talk.id {
            println!("\nGo on with: eventos chat --continue {id}");
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(acting: &Acting, as_json: bool) -> Result<ExitCode> {
    let page = acting.run(ListConversations::default()).await?;
    if as_json {
        json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    if page.items.is_empty() {
        println!("No conversations yet. Begin one: eventos chat");
    }
    for conversation in page.items {
        let at = acting.local(conversation.updated_at);
        println!("{}  {at}  {}", conversation.id, conversation.title);
    }
    Ok(ExitCode::SUCCESS)
}

async fn newest(acting: &Acting) -> Result<ConversationId> {
    let page = acting.run(ListConversations::default()).await?;
    match page.items.first() {
        Some(conversation) => Ok(conversation.id),
        None => bail!("there is no conversation yet; begin one with: eventos chat"),
    }
}

/// A conversation at the keyboard.
struct Talk<'a> {
    acting: &'a Acting,
    lines: Lines<BufReader<Stdin>>,
    id: Option<ConversationId>,
    after: i64,
    screen: Screen,
}

impl Talk<'_> {
    async fn run<O: Operation>(&self, operation: O) -> Result<O::Output, RunError<O::Error>> {
        let now = self.acting.cx.clone().with_now(Timestamp::now());
        self.acting.opened.app.run(&now, operation).await
    }

    /// A line from the person; nothing at the end.
    async fn ask(&mut self, prompt: &str) -> Result<Option<String>> {
        print!("{prompt}");
        std::io::stdout().flush()?;
        tokio::select! {
            line = self.lines.next_line() => Ok(line?),
            pressed = tokio::signal::ctrl_c() => {
                pressed?;
                println!();
                Ok(None)
            }
        }
    }

    /// What was said before.
    async fn catch_up(&mut self) -> Result<()> {
        let detail = self.look().await?;
        for entry in &detail.entries {
            self.screen.show(entry);
        }
        self.screen.line();
        if matches!(
            detail.conversation.status,
            ConversationStatus::Working | ConversationStatus::Deciding
        ) {
            self.follow().await?;
        }
        Ok(())
    }

    async fn turn(&mut self, message: String) -> Result<Result<(), ExitCode>> {
        let ask = AskAgent {
            message,
            conversation: self.id,
            agent: None,
        };
        match self.run(ask).await {
            Ok(conversation) => self.id = Some(conversation.id),
            Err(error) => {
                let code = refused(&error);
                // In a conversation the next line may do better.
                return Ok(if self.id.is_some() { Ok(()) } else { Err(code) });
            }
        }
        self.follow().await?;
        Ok(Ok(()))
    }

    async fn look(&mut self) -> Result<ConversationDetail> {
        let Some(id) = self.id else {
            bail!("there is no conversation");
        };
        let get = GetConversation {
            conversation: id,
            after: Some(self.after),
        };
        let detail = self.run(get).await?;
        if let Some(last) = detail.entries.last() {
            self.after = last.seq;
        }
        Ok(detail)
    }

    /// Shows what happens until it is the person's turn to speak.
    async fn follow(&mut self) -> Result<()> {
        loop {
            let detail = self.look().await?;
            for entry in &detail.entries {
                self.screen.show(entry);
            }
            match detail.conversation.status {
                ConversationStatus::Working => {}
                ConversationStatus::Deciding => {
                    let waiting = |one: &&Approval| one.status == ApprovalStatus::Pending;
                    if let Some(proposal) = detail.proposals.iter().find(waiting) {
                        self.screen.proposal(proposal);
                        self.decide(proposal).await?;
                    }
                }
                ConversationStatus::Idle | ConversationStatus::Failed => {
                    self.screen.line();
                    return Ok(());
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                pressed = tokio::signal::ctrl_c() => {
                    pressed?;
                    self.stop().await?;
                }
            }
        }
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(conversation) = self.id {
            drop(self.run(StopConversation { conversation }).await);
        }
        Ok(())
    }

    async fn decide(&mut self, proposal: &Approval) -> Result<()> {
        let (decision, note) = loop {
            let Some(said) = self.ask("Approve? [y]es, [n]o, [s]top: ").await? else {
                // Nobody is there any more: it waits, and can be decided later.
                bail!(
                    "it waits for your decision: eventos approvals show {}",
                    proposal.id
                );
            };
            match said.trim().to_lowercase().as_str() {
                "y" | "yes" => break (Decision::Approved, None),
                "n" | "no" => {
                    let note = self.ask("What should be different? ").await?;
                    let note = note.map(|note| note.trim().to_owned());
                    break (Decision::Rejected, note.filter(|note| !note.is_empty()));
                }
                "s" | "stop" => return self.stop().await,
                _ => {}
            }
        };
        let command = DecideApproval {
            approval: proposal.id,
            decision,
            note,
        };
        match self.run(command).await {
            Ok(decided) => println!("{}", decided.outcome),
            Err(error) => drop(refused(&error)),
        }
        Ok(())
    }
}

/// What the person sees. Colour only on a terminal.
struct Screen {
    colour: bool,
    /// The step whose words are being printed, and those words.
    saying: Option<(String, String)>,
    seen: HashSet<String>,
}

impl Screen {
    fn new() -> Self {
        Self {
            colour: std::io::stdout().is_terminal(),
            saying: None,
            seen: HashSet::new(),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Ends a line that was begun.
    fn line(&mut self) {
        if self.saying.take().is_some() {
            println!();
        }
    }

    fn show(&mut self, entry: &ConversationEntry) {
        let text = entry.body["text"].as_str().unwrap_or_default();
        match entry.kind {
            EntryKind::Asked => {
                // What the person has just typed stands there already.
                if self.seen.insert(format!("{}", entry.turn))
                    && entry.turn > 1
                    && self.saying.is_some()
                {
                    self.line();
                }
            }
            EntryKind::Text => {
                let step = format!(
                    "{}/{}",
                    entry.turn,
                    entry.body["step"].as_str().unwrap_or_default()
                );
                self.words(&step, text, entry.body["is_first"] == true);
            }
            EntryKind::Said => self.whole(&format!("{}/{}", entry.turn, entry.part), text),
            EntryKind::Tool => self.tool(entry),
            EntryKind::Ended => {
                if let Some(message) = entry.body["message"].as_str() {
                    self.line();
                    println!("{}", self.paint("33", message));
                }
            }
        }
        drop(std::io::stdout().flush());
    }

    fn words(&mut self, step: &str, text: &str, is_first: bool) {
        let goes_on = self
            .saying
            .as_ref()
            .is_some_and(|(saying, _)| saying == step)
            && !is_first;
        if goes_on {
            if let Some((_, said)) = &mut self.saying {
                said.push_str(text);
            }
        } else {
            self.line();
            self.saying = Some((step.to_owned(), text.to_owned()));
        }
        print!("{text}");
    }

    /// All of what was said: what of it is not printed yet.
    fn whole(&mut self, step: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        let said = self.saying.as_ref().filter(|(saying, _)| saying == step);
        let rest = said.and_then(|(_, said)| text.strip_prefix(said.as_str()));
        if let Some(rest) = rest {
            println!("{rest}");
        } else {
            self.line();
            println!("{text}");
        }
        self.saying = None;
    }

    fn tool(&mut self, entry: &ConversationEntry) {
        self.line();
        let body = &entry.body;
        let detail = body["detail"].as_str().unwrap_or_default();
        if body["state"] == "refused" {
            println!(
                "{}",
                self.paint(
                    "2",
                    &format!("    refused: {}", detail.lines().next().unwrap_or_default())
                )
            );
        } else if let Some(label) = body["label"].as_str()
            && self.seen.insert(format!("{}/{}", entry.turn, entry.part))
        {
            println!("{}", self.paint("2", &format!("  · {label}")));
        }
    }

    fn proposal(&mut self, proposal: &Approval) {
        self.line();
        println!("\n{}", self.paint("1", &proposal.title));
        for line in &proposal.preview {
            println!(
                "  {} {}",
                self.paint("32", "+"),
                domain::text::sentence(line)
            );
        }
        println!("{}", self.paint("2", &proposal.reason));
    }
}
