//! `eventos serve`: the server.

use std::{io::IsTerminal as _, net::SocketAddr, process::ExitCode, sync::Arc, time::Instant};

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Opened;
use crate::{
    config::Config,
    demo, home, listen,
    mail::Outgoing,
    signals::Signals,
    web::{self, Door},
    worker,
};

/// Start the server.
#[derive(Debug, Default, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are switches of the command line"
)]
pub(super) struct Serve {
    /// Where to listen, such as 127.0.0.1:4280.
    #[arg(long, value_name = "ADDR:PORT", env = "EVENTOS_LISTEN")]
    listen: Option<SocketAddr>,
    /// Load the demonstration organization first, unless it is there.
    #[arg(long)]
    demo: bool,
    /// Refuse every write over MCP.
    #[arg(long)]
    read_only: bool,
    /// Offer only these groups of tools over MCP, separated by commas.
    #[arg(long, value_delimiter = ',')]
    toolsets: Option<Vec<String>>,
    /// Print the link to the chat even where nobody sits at a terminal.
    #[arg(long)]
    chat_link: bool,
    /// Execute no workflows; `eventos work` does it elsewhere.
    #[arg(long)]
    no_worker: bool,
}

impl Serve {
    pub(super) async fn run(self, mut config: Config) -> Result<ExitCode> {
        let started = Instant::now();
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        config.mcp.read_only |= self.read_only;
        config.mcp.toolsets = self.toolsets.or(config.mcp.toolsets);
        // The port first: a second server should fail before it touches the database.
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.with_context(|| {
            format!(
                "cannot listen on {}; is another server running there?",
                config.listen
            )
        })?;
        config.listen = listener.local_addr()?;
        let opened = Opened::new(&config).await?;
        if self.demo {
            demo::load(&opened.database.store).await?;
        }
        home::found_first(&opened.app, &config).await?;
        workflows::sync_library(&opened.app).await?;
        let key = home::sealing_key(&config.data_dir)?;
        let mut signals = Signals::new()?;
        let stop = CancellationToken::new();
        let watch = opened.database.keep_running(&stop);
        let round = opened.database.keep_tidy(&stop);
        let outgoing = Outgoing::new(&config, key)?;
        let sending = outgoing.keep_sending(&opened.app, &stop);
        let worker = if config.workflows.worker && !self.no_worker {
            Some(worker::prepare(&opened.database.store, &config, key, None)?)
        } else {
            None
        };
        // Of several organizations, the chat is that of the settings'; with none named there, of none.
        let home = home::choose(&opened.app, &config, None).await.ok();
        let door = home.map(|home| {
            let visitor = (home.organization_id, home.owner_id);
            Arc::new(Door::new(
                key,
                visitor,
                config.url().starts_with("https://"),
            ))
        });
        let opening = door.as_ref().and_then(|door| door.path());
        let router = web::router(&opened.app, &opened.database, &config, key, door, &stop)?;
        tracing::info!(
            seconds = started.elapsed().as_secs_f64(),
            "Ready at {}/ (MCP at {0}/mcp)",
            config.url()
        );
        // Whoever reads the log must not come in: only a terminal is told, or who asks for it.
        if let Some(path) = opening.filter(|_| self.chat_link || std::io::stderr().is_terminal()) {
            eprintln!(
                "Chat at {}{path} (works once, within 15 minutes)",
                config.url()
            );
        }
        let serving = listen::serve(listener, router, listen::HEAD_WITHIN, &stop);
        let working = async {
            match worker {
                Some(worker) => worker.run(stop.clone()).await,
                None => drop(
                    stop.run_until_cancelled(opened.database.keep_ringing())
                        .await,
                ),
            }
        };
        let both = async { tokio::join!(serving, working) };
        signals.run(&stop, both).await;
        stop.cancel();
        // What is being handed over is finished; the rest waits for the next start.
        sending.await.context("the sender of messages failed")?;
        round.await.context("the daily round failed")?;
        opened.finish(&mut signals, watch).await?;
        tracing::info!("Stopped");
        Ok(ExitCode::SUCCESS)
    }
}
