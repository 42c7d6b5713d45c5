//! `cargo xtask mcpb`: the program as a bundle that Claude Desktop installs with a double click.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{ci, peers, process};

/// Builds the program for release and packs it. One bundle per platform: run it on each.
pub(crate) fn main() -> Result<ExitCode> {
    ci::cargo(&["build", "--release", "-p", "eventos"], &[])?;
    let folder = ci::target().join("mcpb");
    write_manifest(&folder, &ci::target().join("release/eventos"))?;
    let peers = peers::install()?;
    let bundle = ci::target().join("eventos.mcpb");
    let out = peers.out("mcpb-pack")?;
    let mut pack = peers.command("mcpb")?;
    pack.arg("pack").arg(&folder).arg(&bundle);
    let packed = process::run(&mut pack, &out, "pack", std::time::Duration::from_mins(5))?;
    ensure!(packed.status.success(), "{}", packed.last_words());
    println!("{}", bundle.display());
    Ok(ExitCode::SUCCESS)
}

/// Lays out the bundle's folder: manifest and program. Returns the manifest.
pub(crate) fn write_manifest(folder: &Path, program: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder.join("server"))?;
    fs::copy(program, folder.join("server/eventos"))
        .with_context(|| format!("{} is not built", program.display()))?;
    let manifest = folder.join("manifest.json");
    fs::write(&manifest, serde_json::to_string_pretty(&content())? + "\n")?;
    Ok(manifest)
}

fn content() -> Value {
    // The folder is the program's own default: the bundle and the command line are to find the same events.
    let (platform, below_home) = if cfg!(target_os = "macos") {
        ("darwin", "Library/Application Support/eventos")
    } else {
        ("linux", ".local/share/eventos")
    };
    json!({
        "manifest_version": "0.3",
        "name": "eventos",
        "display_name": "EventOS",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Run your events and ticket sales by chatting.",
        "long_description": "EventOS keeps events, venues, ticket types, orders, check-ins and reports in a PostgreSQL of its own on this computer. Anything that takes something away from people is shown and confirmed first.",
        "author": {"name": "The EventOS authors"},
        "license": "Apache-2.0",
        "server": {
            "type": "binary",
            "entry_point": "server/eventos",
            "mcp_config": {
                "command": "${__dirname}/server/eventos",
                "args": ["mcp", "stdio"],
                "env": {"EVENTOS_DATA_DIR": "${user_config.data_dir}", "EVENTOS_MCP__READ_ONLY": "${user_config.read_only}"}
            }
        },
        "user_config": {
            "data_dir": {
                "type": "directory",
                "title": "Data folder",
                "description": "Where events and orders are kept.",
                "default": format!("${{HOME}}/{below_home}"),
                "required": true
            },
            "read_only": {
                "type": "boolean",
                "title": "Read only",
                "description": "Let Claude look, but change nothing.",
                "default": false,
                "required": false
            }
        },
        "tools_generated": true,
        "compatibility": {"platforms": [platform]}
    })
}
