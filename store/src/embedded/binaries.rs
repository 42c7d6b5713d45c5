//! The search for Postgres's programs on this machine.

use std::{
    fmt::{self, Write},
    fs,
    path::{Path, PathBuf},
};

use super::{
    account::Account, error::EmbeddedError, fetch, place::Place, surroundings::Surroundings,
};

/// The oldest major version that will do.
const OLDEST: u32 = 15;

/// Where packages put the programs: a directory, the beginning of the names in it that count, and
/// the way on from there.
const WELL_KNOWN: &[(&str, &str, &str)] = &[
    ("usr/lib/postgresql", "", "bin"),
    ("usr", "pgsql-", "bin"),
    ("usr/lib", "postgresql", "bin"),
    ("usr/lib64", "postgresql", "bin"),
    ("usr/libexec", "postgresql", ""),
    ("opt/homebrew/opt", "postgresql", "bin"),
    ("usr/local/opt", "postgresql", "bin"),
    ("home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// A version of Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The one that decides about the format of the data.
    pub major: u32,
    /// The one that only repairs; 0 for a version before its release.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// Reads what `postgres --version` prints, such as `postgres (PostgreSQL) 15.18 (Debian ...)`.
    fn parse(text: &str) -> Option<Self> {
        let number = text
            .split_once("(PostgreSQL) ")?
            .1
            .split_whitespace()
            .next()?;
        let digits = |part: &str| -> Option<u32> {
            part.split(|c: char| !c.is_ascii_digit())
                .next()?
                .parse()
                .ok()
        };
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some(Self {
            major: digits(major)?,
            minor: digits(minor).unwrap_or(0),
        })
    }
}

/// A folder of programs that have been seen to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

impl Binaries {
    /// Looks at one folder, or at `bin` in it. `initdb` is enough of a hint to look for the server
    /// beside it; clients alone are often installed without one.
    pub(super) fn look_in(
        folder: &Path,
        account: &Account,
        surroundings: &Surroundings,
    ) -> Result<Self, String> {
        let folder = [folder.to_owned(), folder.join("bin")]
            .into_iter()
            .find(|folder| folder.join("initdb").exists())
            .ok_or("there is no initdb")?;
        // A link to initdb alone may be all that the search path holds.
        let initdb = folder
            .join("initdb")
            .canonicalize()
            .map_err(|error| error.to_string())?;
        let folder = initdb.parent().ok_or("there is no initdb")?.to_owned();
        let server = folder.join("postgres");
        if !server.is_file() {
            return Err("there is no server beside initdb".to_owned());
        }
        // Running it as the account that is to run it answers at once whether that account may,
        // whether it was built for this machine, and which version it is.
        let answer = account
            .command(&server, surroundings)
            .arg("--version")
            .output()
            .map_err(|error| format!("it does not run as {}: {error}", account.name()))?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let version = Version::parse(&text).ok_or_else(|| {
            let complaint = String::from_utf8_lossy(&answer.stderr);
            format!(
                "it does not run: {}",
                complaint.lines().next().unwrap_or("no answer")
            )
        })?;
        if version.major < OLDEST {
            return Err(format!("it is version {version}"));
        }
        Ok(Self { folder, version })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Finds programs for a cluster of the major version `needed`, or for a new cluster; fetches them
/// when there are none.
pub(super) fn find(
    chosen: Option<&Path>,
    needed: Option<u32>,
    place: &Place,
    surroundings: &Surroundings,
    progress: &dyn Fn(&str),
) -> Result<Binaries, EmbeddedError> {
    if let Some(major) = needed.filter(|major| *major < OLDEST) {
        return Err(EmbeddedError::TooOld {
            cluster: place.cluster(),
            major,
        });
    }
    let fits = |found: &Binaries| needed.is_none_or(|major| major == found.version.major);
    let other_major = |found: String| EmbeddedError::OtherMajor {
        cluster: place.cluster(),
        needed: needed.expect("only a needed version can be missed"),
        found,
    };

    if let Some(path) = chosen {
        return match Binaries::look_in(path, &place.account, surroundings) {
            Ok(found) if fits(&found) => Ok(found),
            Ok(found) => Err(other_major(describe(&[found]))),
            Err(reason) => Err(EmbeddedError::BinariesUnusable {
                path: path.to_owned(),
                reason,
            }),
        };
    }

    let (mut others, mut looked) = (Vec::new(), String::new());
    for folder in candidates(place, surroundings) {
        match Binaries::look_in(&folder, &place.account, surroundings) {
            Ok(found) if fits(&found) => return Ok(found),
            Ok(found) if others.contains(&found) => {}
            Ok(found) => others.push(found),
            Err(reason) => note(&mut looked, &format!("{}: {reason}", folder.display())),
        }
    }
    if needed.is_some_and(|major| major != fetch::MAJOR) && !others.is_empty() {
        return Err(other_major(describe(&others)));
    }
    match fetch::fetch(place, surroundings, progress) {
        Ok(found) if fits(&found) => Ok(found),
        Ok(found) => {
            others.push(found);
            Err(other_major(describe(&others)))
        }
        Err(reasons) => {
            for reason in reasons {
                note(&mut looked, &reason);
            }
            Err(EmbeddedError::NoBinaries { looked })
        }
    }
}

/// The folders worth a look, the likeliest first; under one roof the newest first.
fn candidates(place: &Place, surroundings: &Surroundings) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = surroundings
        .programs("initdb")
        .iter()
        .filter_map(|program| program.canonicalize().ok()?.parent().map(Path::to_owned))
        .collect();
    for (roof, beginning, rest) in WELL_KNOWN {
        found.extend(under(&surroundings.well_known(roof), beginning, rest));
    }
    if let Some(home) = &surroundings.home {
        let versions = home.join("Applications/Postgres.app/Contents/Versions");
        found.extend(under(&versions, "", "bin"));
    }
    found.extend(fetch::fetched(place));
    let mut seen = Vec::new();
    found.retain(|folder| {
        !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    found
}

fn under(roof: &Path, beginning: &str, rest: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(roof) else {
        return Vec::new();
    };
    let mut folders: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(beginning))
        .map(|entry| {
            if rest.is_empty() {
                entry.path()
            } else {
                entry.path().join(rest)
            }
        })
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    // By their numbers, so that 15 comes before 9.
    folders.sort_by_key(|folder| std::cmp::Reverse(numbers(folder)));
    folders
}

fn numbers(folder: &Path) -> Vec<u32> {
    let text = folder.to_string_lossy();
    text.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

fn describe(found: &[Binaries]) -> String {
    let each = |one: &Binaries| format!("{} in {}", one.version, one.folder.display());
    found.iter().map(each).collect::<Vec<_>>().join(", ")
}

fn note(looked: &mut String, line: &str) {
    writeln!(looked, "  - {line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_packagers_print_them() {
        let read = |text| Version::parse(text).map(|version| version.to_string());
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(read(debian).as_deref(), Some("15.18"));
        assert_eq!(
            read("postgres (PostgreSQL) 19beta2").as_deref(),
            Some("19.0")
        );
        assert_eq!(read("postgres (PostgreSQL) 9.6.24").as_deref(), Some("9.6"));
        assert_eq!(read("sh: postgres: not found"), None);
    }

    #[test]
    fn newer_versions_come_first_by_number_and_not_by_letter() {
        let mut folders = [
            Path::new("/usr/lib/postgresql/9/bin"),
            Path::new("/usr/lib/postgresql/15/bin"),
        ];
        folders.sort_by_key(|folder| std::cmp::Reverse(numbers(folder)));
        assert!(folders[0].ends_with("15/bin"));
    }
}
