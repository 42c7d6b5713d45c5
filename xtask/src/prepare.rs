//! `cargo xtask prepare`: checks every query against a real database and writes down what it found.
//!
//! The files in `operations/.sqlx` let everybody else build without a database. `cargo xtask ci` fails when they are
//! not those of the present queries; the compiler has then checked each query against the present schema as well.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{ci, root};

/// Builds `operations` against a migrated database and writes down what was found.
pub(crate) fn run() -> Result<()> {
    let (fresh, found) = checked(&["check", "-p", "operations"])?;
    let kept = kept();
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    for file in found.keys() {
        fs::copy(fresh.join(file), kept.join(file))?;
    }
    println!("{} queries written to operations/.sqlx", found.len());
    Ok(())
}

/// Runs a cargo command that builds `operations` and fails when the kept metadata is not that of the queries in it.
pub(crate) fn check(command: &[&str]) -> Result<()> {
    let (_, found) = checked(command)?;
    let known = queries(&kept())?;
    let missing: Vec<_> = found
        .iter()
        .filter(|(file, _)| !known.contains_key(*file))
        .map(|(_, query)| query)
        .collect();
    let stale: Vec<_> = known
        .keys()
        .filter(|file| !found.contains_key(*file))
        .collect();
    if !missing.is_empty() || !stale.is_empty() {
        bail!(
            "operations/.sqlx is not up to date; run `cargo xtask prepare`. New: {missing:#?} Gone: {stale:#?}"
        );
    }
    println!("{} queries, all known", found.len());
    Ok(())
}

/// Runs a cargo command with a migrated database to check queries on; returns the folder with the metadata it wrote,
/// and the queries in it.
fn checked(command: &[&str]) -> Result<(PathBuf, BTreeMap<PathBuf, String>)> {
    let fresh = ci::target().join("sqlx-fresh");
    if fresh.exists() {
        fs::remove_dir_all(&fresh)?;
    }
    fs::create_dir_all(&fresh)?;
    let cluster = testkit::kept_cluster();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let database = runtime.block_on(testkit::TestDatabase::create());
    // The macros run only when the crate is compiled anew.
    #[expect(
        clippy::disallowed_methods,
        reason = "a file's time of change, not a time of the product"
    )]
    let now = std::time::SystemTime::now();
    fs::File::open(root().join("operations/src/lib.rs"))?.set_modified(now)?;
    let folder = fresh
        .to_str()
        .context("the target folder has a strange name")?;
    let environment = [
        ("EVENTOS_CHECK_DATABASE_URL", database.url()),
        ("SQLX_OFFLINE", "false"),
        ("SQLX_OFFLINE_DIR", folder),
    ];
    let built = ci::cargo(command, &environment);
    drop(database);
    cluster.close()?;
    built?;
    let found = queries(&fresh)?;
    if found.is_empty() {
        bail!("no query was checked; is the crate `operations` still where it was?");
    }
    Ok((fresh, found))
}

/// Where the metadata is kept.
fn kept() -> PathBuf {
    root().join("operations/.sqlx")
}

/// The queries in a folder of metadata, by file name (a hash of the query).
fn queries(folder: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut queries = BTreeMap::new();
    if !folder.exists() {
        return Ok(queries);
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = PathBuf::from(entry.file_name());
        if name.extension().is_some_and(|e| e == "json") {
            let data: Value = serde_json::from_slice(&fs::read(entry.path())?)?;
            queries.insert(name, data["query"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(queries)
}
