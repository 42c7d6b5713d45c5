//! `checks/payments.py`: Stripe's official SDK and another's stand-in for Stripe judge our adapter and our simulator.
//! `checks/checkout.cjs`: a buyer in Chromium pays, where there is a Chromium.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use super::{Tally, mail::last_line};
use crate::peers::Peers;

/// `debug` is where the simulator and the example `ask` were built.
pub(crate) fn check(debug: &Path, tally: &mut Tally) {
    tally.check("payments: by Stripe's SDK and localstripe", || {
        let (python, out) = crate::peers::install_for_payments()?;
        let mut command = Command::new(python);
        command
            .arg(crate::root().join("checks/payments.py"))
            .arg("--simulator")
            .arg(debug.join("payments-simulator"))
            .arg("--ask")
            .arg(debug.join("examples/ask"));
        last_line(&mut command, &out, "payments")
    });
}

/// What Chromium is called, where it is installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Lets a buyer in Chromium pay orders of a server of its own. A machine without a browser says so.
pub(crate) fn in_the_browser(peers: &Peers, debug: &Path, tally: &mut Tally) {
    let starts = |name: &&&str| {
        let asked = Command::new(name).arg("--version").output();
        asked.is_ok_and(|answer| answer.status.success())
    };
    let Some(chromium) = BROWSERS.iter().find(starts) else {
        println!("checkout: there is no Chromium here, so no browser has looked at the pages");
        return;
    };
    tally.check("checkout: by a buyer in Chromium", || {
        let out = peers.out("checkout")?;
        let program = |name: &str| debug.join(name);
        let mut command = peers.script(&crate::root().join("checks/checkout.cjs"));
        command
            .args(["--chromium", &which(chromium)?, "--program"])
            .arg(program("eventos"))
            .arg("--simulator")
            .arg(program("payments-simulator"))
            .arg("--folder")
            .arg(&out);
        last_line(&mut command, &out, "checkout")
    });
    tally.check("chat: by a person in Chromium and at a terminal", || {
        let out = peers.out("chat")?;
        let mut command = peers.script(&crate::root().join("checks/chat.cjs"));
        command
            .args(["--chromium", &which(chromium)?, "--program"])
            .arg(debug.join("eventos"))
            .arg("--model")
            .arg(debug.join("llm-fake"))
            .arg("--folder")
            .arg(&out);
        last_line(&mut command, &out, "chat")
    });
}

/// Where a program of the `PATH` is.
fn which(name: &str) -> Result<String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name));
    let found = found.into_iter().find(|file| file.is_file());
    let found = found.with_context(|| format!("{name} is not on the PATH"))?;
    Ok(found.to_string_lossy().into_owned())
}
