//! The server's life: started, or adopted when it runs already; watched; stopped.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    os::unix::{ffi::OsStringExt, fs::OpenOptionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use super::{
    Durability, Options,
    binaries::{self, Binaries},
    error::{Doing, EmbeddedError},
    initdb, lock,
    place::{Place, follow_owner},
    postmaster::{Postmaster, pid_file},
    socket,
};

/// How long a server that another program left in some other state is watched.
const OTHERS_PATIENCE: Duration = Duration::from_mins(1);
/// How long our own start may take: after a crash, it may have much to recover.
const START_PATIENCE: Duration = Duration::from_mins(5);
const PAUSE: Duration = Duration::from_millis(5);
/// A log that has grown beyond this is put aside at the next start.
const LONGEST_LOG: u64 = 16 << 20;

/// A server that takes connections.
#[derive(Debug, Clone)]
pub(super) struct Running {
    pub(super) postmaster: Postmaster,
    pub(super) binaries: Binaries,
}

/// Adopts the server or starts it. The caller holds the start lock.
pub(super) fn bring_up(
    place: &Place,
    options: &Options,
    progress: &dyn Fn(&str),
) -> Result<Running, EmbeddedError> {
    let cluster = place.cluster();
    let began = Instant::now();
    let mut told = false;
    loop {
        let found = Postmaster::read(&cluster)?;
        if let Some(lock) = lock::try_exclusive(&place.server_lock())? {
            // No server of ours is left. One that somebody started by hand may be.
            if !found
                .as_ref()
                .is_some_and(|server| server.is_alive(&cluster))
            {
                if found.is_some() {
                    let path = pid_file(&cluster);
                    fs::remove_file(&path).doing("remove the dead server's", path)?;
                }
                return start(place, options, lock, progress);
            }
        }
        if let Some(postmaster) = found.as_ref().filter(|server| server.accepts()) {
            return adopt(place, options, postmaster.clone(), progress);
        }
        if began.elapsed() > OTHERS_PATIENCE {
            let what = "has been starting, stopping or not answering";
            return Err(not_ready(place, what, began, found.as_ref()));
        }
        if !told && began.elapsed() > Duration::from_secs(1) {
            progress("Waiting for the database server, which is starting or stopping");
            told = true;
        }
        thread::sleep(PAUSE);
    }
}

fn adopt(
    place: &Place,
    options: &Options,
    postmaster: Postmaster,
    progress: &dyn Fn(&str),
) -> Result<Running, EmbeddedError> {
    let cluster = place.cluster();
    let around = &options.surroundings;
    // The server knows best which programs it was started from; this one may never find them.
    let own = fs::read(cluster.join("postmaster.opts"))
        .ok()
        .and_then(|line| {
            let end = line
                .windows(2)
                .position(|pair| pair == b" \"")
                .unwrap_or(line.len());
            let program = PathBuf::from(OsString::from_vec(line[..end].trim_ascii().to_vec()));
            Binaries::look_in(program.parent()?, &place.account, around).ok()
        });
    let binaries = if let Some(binaries) = own {
        binaries
    } else {
        let major = initdb::existing_major(place, progress)?;
        binaries::find(options.binaries.as_deref(), major, place, around, progress)?
    };
    tracing::info!(
        postgres.pid = postmaster.pid,
        "joined the private PostgreSQL that runs already"
    );
    Ok(Running {
        postmaster,
        binaries,
    })
}

fn start(
    place: &Place,
    options: &Options,
    lock: File,
    progress: &dyn Fn(&str),
) -> Result<Running, EmbeddedError> {
    place.check_reachable()?;
    let major = initdb::existing_major(place, progress)?;
    let around = &options.surroundings;
    let binaries = binaries::find(options.binaries.as_deref(), major, place, around, progress)?;
    if major.is_none() {
        let version = binaries.version;
        progress(&format!(
            "Creating a PostgreSQL {version} database in {}",
            place.home().display()
        ));
        initdb::create(place, &binaries, options, &lock)?;
    }
    let socket_dir = socket::choose(place, around)?;
    let began = Instant::now();
    let (log, log_begins) = open_log(place)?;
    let child = spawn(place, options, &binaries, &socket_dir, lock, log)?;
    let pid = i32::try_from(child.id()).expect("process numbers are small");
    let ended = watch(child);
    let mut told = false;
    loop {
        let found = Postmaster::read(&place.cluster())?.filter(|server| server.pid == pid);
        if let Some(postmaster) = found.clone().filter(Postmaster::accepts) {
            let ms = began.elapsed().as_millis();
            tracing::info!(
                postgres.pid = pid,
                duration_ms = ms,
                "started the private PostgreSQL"
            );
            return Ok(Running {
                postmaster,
                binaries,
            });
        }
        if let Ok(status) = ended.try_recv() {
            let (log, tail) = (place.log(), log_tail(place, log_begins));
            return Err(EmbeddedError::DidNotStart {
                status: status.to_string(),
                log,
                tail,
            });
        }
        if began.elapsed() > START_PATIENCE {
            return Err(not_ready(place, "has been starting", began, found.as_ref()));
        }
        if !told && began.elapsed() > Duration::from_secs(2) {
            progress("The database server is recovering from a crash; this can take a while");
            told = true;
        }
        thread::sleep(PAUSE);
    }
}

fn spawn(
    place: &Place,
    options: &Options,
    binaries: &Binaries,
    socket_dir: &Path,
    lock: File,
    log: File,
) -> Result<Child, EmbeddedError> {
    let server = binaries.program("postgres");
    let mut command = place.account.command(&server, &options.surroundings);
    let mut set = |name: &str, value: &str| {
        command.arg("-c").arg(format!("{name}={value}"));
    };
    set("listen_addresses", "");
    set("port", "5432");
    set(
        "unix_socket_directories",
        &format!("\"{}\"", socket_dir.display()),
    );
    set("unix_socket_permissions", "0700");
    set("max_connections", &options.max_connections.to_string());
    set("shared_buffers", "128MB");
    set("timezone", "UTC");
    set("log_timezone", "UTC");
    set("log_destination", "stderr");
    set("logging_collector", "off");
    set("cluster_name", "eventos");
    if options.durability == Durability::Throwaway {
        // Commits still reach the system's memory: turning off `synchronous_commit` as well would
        // lose them when the server is killed.
        set("fsync", "off");
        set("full_page_writes", "off");
    }
    command
        .arg("-D")
        .arg(place.cluster())
        // The lock lives as long as any process of the server: see `lock`.
        .stdin(Stdio::from(lock))
        .stdout(Stdio::from(log.try_clone().doing("share", place.log())?))
        .stderr(Stdio::from(log))
        // Ctrl-C in the terminal is for EventOS, which then stops the server in good order.
        .process_group(0)
        .spawn()
        .doing("run", server)
}

/// Waits for the server's end in a thread of its own. Without it a server that crashes under this
/// program stays behind as a dead child; a handle could not wait, for the server may outlive the
/// handle that started it.
fn watch(mut child: Child) -> mpsc::Receiver<ExitStatus> {
    let (tell, ended) = mpsc::channel();
    thread::spawn(move || {
        if let Ok(status) = child.wait() {
            tracing::debug!(postgres.pid = child.id(), %status, "the private PostgreSQL ended");
            // Nobody may be asking any more.
            let _ = tell.send(status);
        }
    });
    ended
}

/// Stops the server and waits until every process of it is gone. The caller holds the start lock
/// and knows that nobody else uses the server.
pub(super) fn stop(place: &Place) -> Result<(), EmbeddedError> {
    let cluster = place.cluster();
    let began = Instant::now();
    let mut asked = None;
    loop {
        let found = Postmaster::read(&cluster)?.filter(|server| server.is_alive(&cluster));
        // Both, for on a network drive a lock may not outlive the program that took it.
        if found.is_none() && lock::try_exclusive(&place.server_lock())?.is_some() {
            break;
        }
        if let Some(server) = &found
            && asked != Some(server.pid)
        {
            server.stop().doing("stop the server of", &cluster)?;
            asked = Some(server.pid);
        }
        if began.elapsed() > OTHERS_PATIENCE {
            return Err(not_ready(
                place,
                "has been shutting down",
                began,
                found.as_ref(),
            ));
        }
        thread::sleep(PAUSE);
    }
    if let Some(pid) = asked {
        let ms = began.elapsed().as_millis();
        tracing::info!(
            postgres.pid = pid,
            duration_ms = ms,
            "stopped the private PostgreSQL"
        );
    }
    Ok(())
}

fn not_ready(
    place: &Place,
    what: &'static str,
    began: Instant,
    server: Option<&Postmaster>,
) -> EmbeddedError {
    let advice = match server {
        Some(server) => format!("To end it, run `kill -INT {}`.", server.pid),
        None => "Its remaining processes hold the server.lock in its directory.".to_owned(),
    };
    let (seconds, log, tail) = (began.elapsed().as_secs(), place.log(), log_tail(place, 0));
    EmbeddedError::NotReady {
        what,
        seconds,
        advice,
        log,
        tail,
    }
}

/// Opens the log to append to it, and says where the new lines will begin.
fn open_log(place: &Place) -> Result<(File, u64), EmbeddedError> {
    let path = place.log();
    if fs::metadata(&path).is_ok_and(|log| log.len() > LONGEST_LOG) {
        fs::rename(&path, path.with_extension("log.1")).doing("put aside", &path)?;
    }
    // It may quote statements, and with them people's data.
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path);
    let file = file.doing("open", &path)?;
    follow_owner(&path).doing("change the owner of", &path)?;
    let length = file.metadata().doing("look at", &path)?.len();
    Ok((file, length))
}

/// The last lines of the log after `begins`; nothing when it cannot be read, for this is told
/// along with an error that matters more.
fn log_tail(place: &Place, begins: u64) -> String {
    const ENOUGH: u64 = 8 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(place.log())?;
        let from = file.metadata()?.len().saturating_sub(ENOUGH).max(begins);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
