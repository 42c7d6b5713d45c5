//! What the launcher has to know about the machine around it. The environment is read here and
//! nowhere else, so that a test can put the launcher on a machine of its own making.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The machine as the launcher sees it.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where programs are looked for (`PATH`).
    pub search_path: Option<OsString>,
    /// The user's home directory (`HOME`), which may hold a Postgres.app.
    pub home: Option<PathBuf>,
    /// The user's private directory for sockets (`XDG_RUNTIME_DIR`).
    pub runtime_dir: Option<PathBuf>,
    /// The person who became root with sudo (`SUDO_UID`).
    pub sudo_uid: Option<u32>,
    /// Under which the well-known directories of installed programs and of data are looked for:
    /// `/` everywhere but in tests.
    pub root: PathBuf,
}

impl Surroundings {
    /// Reads the environment of this process.
    pub fn of_this_process() -> Self {
        let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            search_path: variable("PATH"),
            home: variable("HOME").map(PathBuf::from),
            runtime_dir: variable("XDG_RUNTIME_DIR").map(PathBuf::from),
            sudo_uid: variable("SUDO_UID").and_then(|uid| uid.to_str()?.parse().ok()),
            root: PathBuf::from("/"),
        }
    }

    /// Every file of that name on the search path, in its order. A later one counts too: the
    /// first `python3` may be the one without pip.
    pub(super) fn programs(&self, name: &str) -> Vec<PathBuf> {
        let Some(search_path) = &self.search_path else {
            return Vec::new();
        };
        env::split_paths(search_path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .filter(|program| program.is_file())
            .collect()
    }

    /// A well-known directory, such as `var/lib`.
    pub(super) fn well_known(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }
}
