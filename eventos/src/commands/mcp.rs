//! `eventos mcp`: the MCP server on standard input and output, and setting up clients for it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::Timestamp;
use mcp_server::Caller;
use operations::tokens::{Authenticator, Grant};
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Opened, Organization, quoted};
use crate::{config::Config, home, signals::Signals, web};

/// Talk MCP on standard input and output, or set up a client that does.
#[derive(Debug, clap::Args)]
pub(super) struct Mcp {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve one client on standard input and output.
    Stdio {
        /// Refuse every write.
        #[arg(long)]
        read_only: bool,
        /// Offer only these groups of tools, separated by commas.
        #[arg(long, value_delimiter = ',')]
        toolsets: Option<Vec<String>>,
        #[command(flatten)]
        organization: Organization,
    },
    /// Add EventOS to Claude Desktop, and print the line for Claude Code.
    Install {
        /// Show what would be written; write nothing.
        #[arg(long)]
        dry_run: bool,
        /// The client's settings file, when it is not where Claude Desktop keeps it.
        #[arg(long, value_name = "FILE")]
        client_config: Option<PathBuf>,
        #[command(flatten)]
        organization: Organization,
    },
}

impl Mcp {
    pub(super) async fn run(self, mut config: Config) -> Result<ExitCode> {
        match self.command {
            Command::Stdio {
                read_only,
                toolsets,
                organization,
            } => {
                config.mcp.read_only |= read_only;
                config.mcp.toolsets = toolsets.or(config.mcp.toolsets);
                stdio(&config, &organization).await
            }
            Command::Install {
                dry_run,
                client_config,
                organization,
            } => install(
                &config,
                dry_run,
                client_config,
                organization.organization.as_deref(),
            ),
        }
    }
}

/// Serves one client. With a token in `EVENTOS_TOKEN` it has the token's rights; without one it acts for the owner,
/// who could open the database anyway, but with no more than a token may hold.
async fn stdio(config: &Config, organization: &Organization) -> Result<ExitCode> {
    let opened = Opened::new(config).await?;
    let token = std::env::var_os("EVENTOS_TOKEN")
        .and_then(|token| token.into_string().ok())
        .filter(|t| !t.is_empty());
    let caller = if let Some(token) = token {
        // The server asks again with every request; here it is only said sooner, and to a person.
        let authenticator = Authenticator::new(opened.app.clone());
        let grant = authenticator.authenticate(&token, Timestamp::now()).await?;
        grant.context(
            "EVENTOS_TOKEN is unknown, revoked or expired; make one with `eventos token create`",
        )?;
        Caller::Token(token)
    } else {
        let home = opened.home(config, organization).await?;
        Caller::Known(Grant::local(home.organization_id, home.owner_id))
    };
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let watch = opened.database.keep_running(&stop);
    let mut options = web::mcp_options(config, home::sealing_key(&config.data_dir)?)?;
    options.shutdown = stop.clone();
    let serving = mcp_server::serve_stdio(opened.app.clone(), caller, options);
    let both = async {
        tokio::select! {
            served = serving => served,
            never = opened.database.keep_ringing() => match never {},
        }
    };
    let served = signals.run(&stop, both).await;
    let was_asked = stop.is_cancelled();
    stop.cancel();
    opened.finish(&mut signals, watch).await?;
    match served {
        Some(Err(error)) if !was_asked => {
            Err(anyhow::anyhow!("the client's connection failed: {error}"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn install(
    config: &Config,
    dry_run: bool,
    file: Option<PathBuf>,
    organization: Option<&str>,
) -> Result<ExitCode> {
    if let Some(variable) = config.sources.database {
        bail!(
            "{variable} names the database here, and a client that starts EventOS does not know it; the URL is not \
             copied into the client's settings, because it holds a password. Put it as `url` under [store] into {}, \
             readable for you only, unset {variable} and run this again",
            config.data_dir.join("eventos.toml").display()
        );
    }
    let program = std::env::current_exe().context("the program does not know where it is")?;
    let server = server(&program, config, organization);
    let file = match file {
        Some(file) => file,
        None => claude_desktop_config()?,
    };
    // A link goes on leading to the file it leads to.
    let file = match file.canonicalize() {
        Ok(real) => real,
        Err(_) if file.symlink_metadata().is_err() => file,
        Err(error) => {
            return Err(error).with_context(|| format!("{} leads nowhere", file.display()));
        }
    };
    let before = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let after = with_server(&before, &server).with_context(|| {
        format!(
            "{} is not in order; mend or remove it first",
            file.display()
        )
    })?;
    if before == after {
        println!("Claude Desktop knows EventOS already ({}).", file.display());
    } else if dry_run {
        println!("Would write {}:\n\n{after}", file.display());
    } else {
        write_with_backup(&file, &before, &after)?;
        println!(
            "Added EventOS to {}. Restart Claude Desktop.",
            file.display()
        );
    }
    print_lines(config, &program, &server);
    Ok(ExitCode::SUCCESS)
}

/// The commands that tell Claude Code, for a shell.
fn print_lines(config: &Config, program: &Path, server: &Value) {
    let data_dir = format!("EVENTOS_DATA_DIR={}", config.data_dir.display());
    let program = program.display().to_string();
    let mut line = vec![
        "claude", "mcp", "add", "eventos", "--env", &data_dir, "--", &program,
    ];
    line.extend(
        server["args"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str),
    );
    let line: Vec<String> = line.into_iter().map(quoted).collect();
    println!("\nClaude Code, on this machine:\n  {}", line.join(" "));
    println!(
        "\nClaude Code, over HTTP to a running `eventos serve`:\n  claude mcp add --transport http eventos {} --header \"Authorization: Bearer $({} token create --name claude-code --quiet)\"",
        quoted(&format!("{}/mcp", config.url())),
        quoted(&program),
    );
}

/// The entry for a client's settings. A database URL is not copied into them: it holds a password.
fn server(program: &Path, config: &Config, organization: Option<&str>) -> Value {
    let mut arguments = vec!["mcp".to_owned(), "stdio".to_owned()];
    if let Some(organization) = organization {
        arguments.extend(["--organization".to_owned(), organization.to_owned()]);
    }
    // The client starts the program in a folder of its own, where it would not find the file again.
    if let Some(file) = &config.sources.file {
        arguments.extend(["--config".to_owned(), file.to_string_lossy().into_owned()]);
    }
    json!({"command": program, "args": arguments, "env": {"EVENTOS_DATA_DIR": config.data_dir}})
}

/// A client's settings with EventOS in them, everything else as it was.
fn with_server(settings: &str, server: &Value) -> Result<String> {
    let mut settings: Value = if settings.trim().is_empty() {
        json!({})
    } else {
        serde_json::from_str(settings)?
    };
    let Some(root) = settings.as_object_mut() else {
        bail!("it does not hold a JSON object")
    };
    let servers = root
        .entry("mcpServers")
        .or_insert_with(|| Value::Object(Map::new()));
    let Some(servers) = servers.as_object_mut() else {
        bail!("its mcpServers is not an object")
    };
    servers.insert("eventos".to_owned(), server.clone());
    Ok(serde_json::to_string_pretty(&settings)? + "\n")
}

/// Writes a file beside the old one and swaps them, so that a crash leaves one or the other; keeps the old one. Such
/// settings hold other programs' secrets: nobody may read the new files who could not read the old one.
fn write_with_backup(file: &Path, before: &str, after: &str) -> Result<()> {
    let folder = file.parent().context("the settings file has no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let old = fs::metadata(file).ok();
    if !before.is_empty() {
        let ending = format!("json.backup-{}", Timestamp::now().as_microseconds());
        let backup = file.with_extension(ending);
        write_new(&backup, before, old.as_ref())?;
        println!("Kept the old settings as {}.", backup.display());
    }
    let fresh = file.with_extension(format!("json.new-{}", std::process::id()));
    write_new(&fresh, after, old.as_ref())?;
    fs::rename(&fresh, file).with_context(|| format!("cannot replace {}", file.display()))
}

/// Writes a file that must not exist yet, with the owner and mode of another, or else for its owner only.
fn write_new(file: &Path, text: &str, like: Option<&fs::Metadata>) -> Result<()> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut made = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(file)?;
        made.write_all(text.as_bytes())?;
        if let Some(like) = like {
            let own = made.metadata()?;
            if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
                chown(file, Some(like.uid()), Some(like.gid()))?;
            }
            made.set_permissions(like.permissions())?;
        }
        made.sync_all()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Where Claude Desktop keeps its settings.
fn claude_desktop_config() -> Result<PathBuf> {
    let home = std::env::home_dir()
        .context("there is no home directory; name the file with --client-config")?;
    let folder = if cfg!(target_os = "macos") {
        "Library/Application Support/Claude"
    } else {
        ".config/Claude"
    };
    Ok(home.join(folder).join("claude_desktop_config.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_everything_else_in_the_settings() {
        let server = json!({"command": "eventos"});
        let before = r#"{"theme":"dark","mcpServers":{"other":{"command":"x"},"eventos":{"command":"old"}}}"#;
        let after: Value = serde_json::from_str(&with_server(before, &server).unwrap()).unwrap();
        assert_eq!(
            after,
            json!({"theme": "dark", "mcpServers": {"other": {"command": "x"}, "eventos": server}})
        );
        assert!(with_server("", &server).unwrap().contains("mcpServers"));
    }

    #[test]
    fn refuses_settings_it_would_spoil() {
        for broken in ["[1]", "{", r#"{"mcpServers": 3}"#] {
            assert!(with_server(broken, &json!({})).is_err(), "{broken}");
        }
    }
}
