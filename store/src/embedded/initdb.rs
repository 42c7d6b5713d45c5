//! Making the database cluster: under another name first, so that whatever interrupts it leaves
//! nothing that could be taken for a database.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{
    Durability, OWNER, Options,
    binaries::Binaries,
    error::{Doing, EmbeddedError},
    place::{Place, make_dir},
};

const DRAFT: &str = "cluster.new-";

/// The major version of the cluster that is there, if there is one. The caller holds the server
/// lock, so no `initdb` of ours is at work either.
pub(super) fn existing_major(
    place: &Place,
    progress: &dyn Fn(&str),
) -> Result<Option<u32>, EmbeddedError> {
    discard_drafts(place);
    let cluster = place.cluster();
    match fs::read_dir(&cluster) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing("read", cluster),
        Ok(mut entries) => {
            if entries.next().is_none() {
                fs::remove_dir(&cluster).doing("remove the empty directory", cluster)?;
                return Ok(None);
            }
        }
    }
    let version = fs::read_to_string(cluster.join("PG_VERSION"));
    // Every database that ever held a row has both of these; `initdb` makes them late.
    let (control, template) = (
        cluster.join("global/pg_control").exists(),
        cluster.join("base/1/PG_VERSION").exists(),
    );
    if control
        && template
        && let Some(major) = version.ok().and_then(|text| text.trim().parse().ok())
    {
        return Ok(Some(major));
    }
    if control || template || !cluster.join("base").is_dir() {
        return Err(EmbeddedError::NotACluster { path: cluster });
    }
    let aside = (1..u32::MAX)
        .map(|number| place.home().join(format!("cluster.interrupted-{number}")))
        .find(|path| !path.exists())
        .expect("no disk holds that many directories");
    fs::rename(&cluster, &aside).doing("move aside", &cluster)?;
    progress(&format!(
        "Moved an unfinished database aside, to {}",
        aside.display()
    ));
    Ok(None)
}

/// Makes a new cluster. `lock` is the server lock, which `initdb` inherits: should this program be
/// killed, the next one waits until `initdb` is gone too.
pub(super) fn create(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    lock: &File,
) -> Result<(), EmbeddedError> {
    let draft = place.home().join(format!("{DRAFT}{}", std::process::id()));
    make_dir(&draft, 0o700)?;
    place.account.give(&draft)?;
    let mut outcome = run(
        place,
        binaries,
        options,
        lock,
        &draft,
        locale(binaries, true),
    );
    if let Err(EmbeddedError::Initdb { output, .. }) = &outcome
        && output.contains("locale")
    {
        // Older systems have no C.UTF-8.
        outcome = run(
            place,
            binaries,
            options,
            lock,
            &draft,
            locale(binaries, false),
        );
    }
    if let Err(error) = outcome {
        let _ = fs::remove_dir_all(&draft);
        return Err(error);
    }
    let cluster = place.cluster();
    fs::rename(&draft, &cluster).doing("rename the new database to", &cluster)?;
    if options.durability == Durability::Durable {
        let home = place.home();
        File::open(home)
            .and_then(|folder| folder.sync_all())
            .doing("write out", home)?;
    }
    Ok(())
}

fn run(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    lock: &File,
    draft: &Path,
    locale: &[&str],
) -> Result<(), EmbeddedError> {
    let initdb = binaries.program("initdb");
    let mut command = place.account.command(&initdb, &options.surroundings);
    command
        .arg("--pgdata")
        .arg(draft)
        .args(["--username", OWNER, "--encoding=UTF8", "--no-instructions"])
        // Who may enter the socket's directory is trusted; nothing listens anywhere else.
        .args(["--auth-local=trust", "--auth-host=reject"])
        .args(locale);
    if options.durability == Durability::Throwaway {
        command.arg("--no-sync");
    }
    let inherited = lock.try_clone().doing("share", place.server_lock())?;
    let answer = command
        .stdin(Stdio::from(inherited))
        .output()
        .doing("run", &initdb)?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let output = lines[lines.len().saturating_sub(12)..].join("\n");
    Err(EmbeddedError::Initdb {
        path: draft.to_owned(),
        output,
    })
}

/// The same order and the same character classes on every machine, without a library whose next
/// version sorts differently and so breaks indexes.
fn locale(binaries: &Binaries, first_try: bool) -> &'static [&'static str] {
    match (binaries.version.major, first_try) {
        (17.., true) => &[
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        ],
        (_, true) => &["--locale=C.UTF-8"],
        (_, false) => &["--locale=C"],
    }
}

/// What killed programs left behind. Whatever cannot be removed now is tried again next time.
fn discard_drafts(place: &Place) {
    let entries = fs::read_dir(place.home())
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    let drafts = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(DRAFT));
    for path in drafts.map(|entry| entry.path()).collect::<Vec<PathBuf>>() {
        let _ = fs::remove_dir_all(path);
    }
}
