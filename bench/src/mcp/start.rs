//! How long the program takes until it is ready, and what it then holds in memory.

use std::{path::Path, thread, time::Duration};

use anyhow::Result;

use crate::{program::Installed, stats::Spread};

/// What starting costs.
#[derive(Debug)]
pub(crate) struct Starts {
    /// Seconds with nothing there: the database is made and migrated.
    pub(crate) first: Spread,
    /// Seconds with a database there that is not running.
    pub(crate) later: Spread,
    /// MB of the program, without PostgreSQL, some seconds after it became ready.
    pub(crate) resident: Option<Spread>,
}

/// Starts the program on empty folders, each once anew and once again.
pub(crate) fn measure(installed: &Installed, scratch: &Path, times: u32) -> Result<Starts> {
    let (mut first, mut later, mut resident) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..times {
        eprintln!("start {} of {times}", number + 1);
        let data_dir = scratch.join(format!("empty-{number}"));
        if data_dir.exists() {
            std::fs::remove_dir_all(&data_dir)?;
        }
        let fresh = Installed {
            data_dir: data_dir.clone(),
            ..installed.clone()
        };
        let (server, took) = fresh.serve(&[])?;
        first.push(took.as_secs_f64());
        drop(server);
        let (server, took) = fresh.serve(&[])?;
        later.push(took.as_secs_f64());
        thread::sleep(Duration::from_secs(3));
        resident.extend(server.resident());
        drop(server);
        std::fs::remove_dir_all(&data_dir)?;
    }
    Ok(Starts {
        first: Spread::of(first),
        later: Spread::of(later),
        resident: (!resident.is_empty()).then(|| Spread::of(resident)),
    })
}
