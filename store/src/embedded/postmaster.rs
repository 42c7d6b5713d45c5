//! The server's main process as its `postmaster.pid` describes it.

use std::{
    fs,
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, net::UnixStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};

use super::error::{Doing, EmbeddedError};

/// The name Postgres gives its socket, for the one port a private server needs.
pub(super) const SOCKET: &str = ".s.PGSQL.5432";

/// A server's main process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    pub(super) pid: i32,
    /// Where its socket lies. It is read and never computed: the program that started the server
    /// may have had another environment.
    pub(super) socket_dir: PathBuf,
    ready: bool,
}

impl Postmaster {
    /// Reads the file, if there is one that holds a process number.
    pub(super) fn read(cluster: &Path) -> Result<Option<Self>, EmbeddedError> {
        let path = pid_file(cluster);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).doing("read", path),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse::<i32>().ok()?;
        // The file grows while the server starts: a line not there yet is an empty one.
        let socket_dir = lines.nth(3).unwrap_or_default().into();
        let ready = lines.nth(2).unwrap_or_default().trim() == "ready";
        (pid > 0).then_some(Self {
            pid,
            socket_dir,
            ready,
        })
    }

    /// Whether it takes connections.
    pub(super) fn accepts(&self) -> bool {
        self.ready && self.answers().is_ok()
    }

    /// Asks whether the server speaks TLS and waits for its yes or no. The connection alone would
    /// prove nothing: the system makes it on behalf of a server that is stopped or about to die.
    fn answers(&self) -> io::Result<()> {
        const LENGTH_AND_CODE: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
        let mut stream = UnixStream::connect(self.socket_dir.join(SOCKET))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(&LENGTH_AND_CODE)?;
        stream.read_exact(&mut [0])
    }

    /// Whether the process is alive and is the server of this cluster. The number alone proves
    /// nothing: after a crash or in a new container it may be anybody's.
    pub(super) fn is_alive(&self, cluster: &Path) -> bool {
        if test_kill_process(self.process()) == Err(Errno::SRCH) {
            return false;
        }
        let entry = PathBuf::from(format!("/proc/{}", self.pid));
        if !Path::new("/proc/self").exists() {
            return self.is_alive_by_ps(cluster);
        }
        let Ok(stat) = fs::read_to_string(entry.join("stat")) else {
            return false;
        };
        // The name in parentheses may hold anything; the state follows the last one. A dead child
        // that its parent has not asked about ("Z") still answers signals.
        let state = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.trim().chars().next());
        if matches!(state, Some('Z' | 'X')) {
            return false;
        }
        if let Ok(folder) = fs::read_link(entry.join("cwd")) {
            return folder == cluster;
        }
        fs::read(entry.join("cmdline")).is_ok_and(|line| mentions(&line, cluster))
    }

    fn is_alive_by_ps(&self, cluster: &Path) -> bool {
        let pid = self.pid.to_string();
        let Ok(answer) = Command::new("ps")
            .args(["-ww", "-o", "state=,command=", "-p", &pid])
            .output()
        else {
            // Better to wait for a stranger than to start a second server on the same files.
            return true;
        };
        !answer.stdout.trim_ascii_start().starts_with(b"Z") && mentions(&answer.stdout, cluster)
    }

    /// Asks for a fast shutdown: sessions end, changes are written out.
    pub(super) fn stop(&self) -> io::Result<()> {
        match kill_process(self.process(), Signal::INT) {
            Err(Errno::SRCH) => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    fn process(&self) -> Pid {
        Pid::from_raw(self.pid).expect("`parse` takes only positive numbers")
    }
}

/// The file in which the server says who it is.
pub(super) fn pid_file(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

fn mentions(line: &[u8], cluster: &Path) -> bool {
    let wanted = cluster.as_os_str().as_bytes();
    line.windows(wanted.len()).any(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str =
        "4711\n/data/cluster\n1790000000\n5432\n/run/eventos\n\n  5432001    163\nready   \n";

    #[test]
    fn the_fifth_line_is_the_socket_and_the_eighth_the_state() {
        let found = Postmaster::parse(READY).expect("it is complete");
        assert_eq!((found.pid, found.ready), (4711, true));
        assert_eq!(found.socket_dir, Path::new("/run/eventos"));
        let starting = Postmaster::parse(&READY.replace("ready   ", "starting"));
        assert!(!starting.expect("it is complete").ready);
    }

    #[test]
    fn a_half_written_file_is_a_server_that_is_not_ready() {
        let found = Postmaster::parse("4711\n/data/cluster\n").expect("the number is there");
        assert!(!found.accepts());
        assert_eq!(Postmaster::parse(""), None);
        assert_eq!(Postmaster::parse("0\n"), None);
    }

    #[test]
    fn a_living_process_that_is_not_the_server_does_not_count() {
        let pid = i32::try_from(std::process::id()).expect("process numbers are small");
        let own = Postmaster {
            pid,
            socket_dir: PathBuf::new(),
            ready: true,
        };
        assert!(!own.is_alive(Path::new("/nowhere/like/this/cluster")));
    }
}
