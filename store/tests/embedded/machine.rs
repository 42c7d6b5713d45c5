//! What the tests stand on: folders, other programs, and machines with little on them.

use std::{
    env,
    ffi::OsString,
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, test_kill_process};
use sqlx::{Connection, PgConnection, Row};
use store::embedded::{Cluster, Durability, Options, Surroundings};

pub(crate) const HELPER_DIR: &str = "EVENTOS_TEST_HELPER_DIR";
pub(crate) const HELPER_PATH: &str = "EVENTOS_TEST_HELPER_PATH";

/// A directory that the account which runs Postgres can walk to, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("eventos-test-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self(path)
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            durability: Durability::Throwaway,
            max_connections: 20,
            ..Options::new(self.0.join("data"))
        }
    }

    pub(crate) fn options_where_all_may_write(&self) -> Options {
        let shared = self.0.join("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, Permissions::from_mode(0o777)).unwrap();
        Options {
            data_dir: shared.join("data"),
            ..self.options()
        }
    }

    /// A data directory in a folder that only root may enter, on a machine of its own.
    pub(crate) fn options_out_of_reach(&self) -> Options {
        let closed = self.0.join("closed");
        fs::create_dir(&closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        let mut options = self.options();
        options.data_dir = closed.join("data");
        options.surroundings.root = self.0.join("machine");
        options.binaries = Some(folder_of_binaries());
        options
    }

    pub(crate) fn cluster(&self) -> PathBuf {
        self.0.join("data/postgres/cluster")
    }

    pub(crate) fn open(&self) -> Cluster {
        Cluster::open(&self.options(), &|_| ()).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Another program with a share in the cluster, which it keeps until its input ends.
pub(crate) struct Program(pub(crate) Child);

impl Program {
    pub(crate) fn command(options: &Options) -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "helper_that_is_another_program", "--nocapture"])
            .env(HELPER_DIR, &options.data_dir)
            // Somebody's settings for another server, which must not reach this one.
            .envs([
                ("PGDATA", "/nowhere"),
                ("PGPORT", "1"),
                ("PGSSLMODE", "require"),
                ("PGOPTIONS", "-c nonsense=1"),
            ])
            .env("LC_ALL", "tlh_QO.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(path) = &options.surroundings.search_path {
            command.env(HELPER_PATH, path);
        }
        command
    }

    pub(crate) fn spawn(options: &Options) -> Self {
        Self(Self::command(options).spawn().unwrap())
    }

    /// Spawns it as the user nobody. Needs root.
    pub(crate) fn spawn_as_nobody(folder: &Folder, options: &Options) -> Self {
        // Where this binary was built may be shut to others.
        let copy = folder.0.join("program");
        fs::copy(env::current_exe().unwrap(), &copy).unwrap();
        let model = Self::command(options);
        let mut command = Command::new(&copy);
        command
            .args(model.get_args())
            .env_clear()
            .envs(
                model
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env(HELPER_PATH, "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .current_dir("/")
            .uid(nobody("-u"))
            .gid(nobody("-g"));
        Self(command.spawn().unwrap())
    }

    /// Waits until it has the cluster open, and gives the server's process number and address.
    pub(crate) fn opened(&mut self) -> (i32, String) {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 {
            if let Some((_, answer)) = line.split_once("opened: ") {
                let (pid, url) = answer.trim().split_once(' ').unwrap();
                let found = (pid.parse().unwrap(), url.to_owned());
                // Kept open, for the program may still have something to say.
                self.0.stdout = Some(output.into_inner());
                return found;
            }
            line.clear();
        }
        panic!("the other program ended without opening the cluster");
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn leave(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed must not leave it waiting, or stopped, for ever.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn nobody(what: &str) -> u32 {
    let answer = Command::new("id").args([what, "nobody"]).output().unwrap();
    String::from_utf8(answer.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

pub(crate) async fn ask(url: &str, query: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(query)
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0)
}

pub(crate) fn is_running(pid: i32) -> bool {
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok()
}

pub(crate) fn soon(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{what}: not within 10 s"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// A machine on which nothing is installed in the usual places.
pub(crate) fn bare_machine(folder: &Folder) -> Surroundings {
    Surroundings {
        search_path: None,
        home: None,
        runtime_dir: None,
        sudo_uid: None,
        root: folder.0.join("bare"),
    }
}

/// A search path that leads to these programs of the real one only.
pub(crate) fn search_path_with(folder: &Folder, programs: &[&str]) -> OsString {
    let bin = folder.0.join(format!("bin-{}", programs.len()));
    fs::create_dir(&bin).unwrap();
    let path = env::var_os("PATH").unwrap();
    for name in programs {
        let script = format!(
            "#!/bin/sh\nPATH='{}' exec {name} \"$@\"\n",
            path.to_str().unwrap()
        );
        fs::write(bin.join(name), script).unwrap();
        fs::set_permissions(bin.join(name), Permissions::from_mode(0o755)).unwrap();
    }
    bin.into_os_string()
}

/// The installed binaries, for a test that hides the places they are found in.
pub(crate) fn folder_of_binaries() -> PathBuf {
    let folder = Folder::new();
    folder.open().binaries()
}
