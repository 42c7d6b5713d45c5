//! The directory for the server's socket: private, and with a path short enough for a socket.

use std::{
    fmt::Write,
    fs,
    os::unix::{fs::MetadataExt, net::UnixListener},
    path::{Path, PathBuf},
};

use super::{
    error::EmbeddedError,
    place::{Place, make_dir, short_name},
    postmaster::SOCKET,
    surroundings::Surroundings,
};

/// The shortest limit of the systems we run on (macOS; Linux has 107), less the socket's name.
const LONGEST: usize = 103 - 1 - SOCKET.len();

/// Finds the directory, makes it if need be, and sees that a socket can be made in it.
///
/// Entering it is the only thing that a client has to prove, so it must be the account's and shut
/// to everyone else; root gets in anyway.
pub(super) fn choose(place: &Place, surroundings: &Surroundings) -> Result<PathBuf, EmbeddedError> {
    let name = format!(
        "eventos-{}-{}",
        place.account.uid(),
        short_name(place.home())
    );
    let mut candidates = vec![place.home().join("run")];
    // The runtime directory is the user's: it is no place for what another account runs.
    if let Some(folder) = surroundings
        .runtime_dir
        .as_ref()
        .filter(|_| !place.account.is_other())
    {
        candidates.push(folder.join(&name));
    }
    candidates.push(Path::new("/tmp").join(&name));

    let mut tried = String::new();
    for folder in candidates {
        match prepare(&folder, place) {
            Ok(()) => return Ok(folder),
            Err(reason) => {
                writeln!(tried, "  {}: {reason}", folder.display())
                    .expect("writing to a string cannot fail");
            }
        }
    }
    Err(EmbeddedError::NoSocketDir { tried })
}

fn prepare(folder: &Path, place: &Place) -> Result<(), String> {
    let text = folder.to_str().ok_or("its name is not text")?;
    if text.len() > LONGEST {
        return Err(format!("its name is longer than {LONGEST} bytes"));
    }
    // The setting is a list; in it these separate and quote.
    if text.contains([',', '"', '\'', '\\', '\n']) {
        return Err("its name holds characters that PostgreSQL's settings cannot".to_owned());
    }
    if make_dir(folder, 0o700).map_err(|error| because(&error))? {
        place
            .account
            .give(folder)
            .map_err(|error| because(&error))?;
    }
    let metadata = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() || metadata.uid() != place.account.uid() || metadata.mode() & 0o077 != 0 {
        return Err("it exists and is somebody else's or open to others".to_owned());
    }
    // Some file systems (shared folders of virtual machines) have no sockets.
    let probe = folder.join(SOCKET);
    match fs::remove_file(&probe) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.to_string()),
        _ => {}
    }
    // The caller holds the server lock, so a lock file here is a dead server's; PostgreSQL would
    // be put off by it if the number in it were in use again.
    let _ = fs::remove_file(folder.join(format!("{SOCKET}.lock")));
    UnixListener::bind(&probe).map_err(|error| error.to_string())?;
    fs::remove_file(&probe).map_err(|error| error.to_string())
}

fn because(error: &EmbeddedError) -> String {
    use std::error::Error;
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}
