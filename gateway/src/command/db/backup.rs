//! `shuguan db backup`: journal and registry into a folder, while the gateway runs.
//!
//! Takes a configuration and a folder that is empty or not there; gives `journal.db`, `payloads/`, `registry.db` (SQLite), `evidence-keys.db` and, last,
//! `backup.json` with the SHA-256 of each: a folder without it is no backup. The journal first, so that the registry of a backup holds at least what its
//! journal says was relayed. Refuses a folder with something in it. Holds no key of the gateway; the wrapped keys of evidence records are in `evidence-keys.db`
//! alone, which may be removed before the rest: shredding is none as long as a copy of it is kept.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use shuguan_ledger::checkpoint::Checkpoint;

use crate::chain::Chain;
use crate::clock::Clock;
use crate::command::config;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::durable::private_folder;
use crate::hex::hex;
use crate::journal::{self, BACKUP_DATABASE, BACKUP_EVIDENCE_KEYS, BACKUP_PAYLOADS};
use crate::registry::RegistrySettings;
use crate::sha256;

pub(super) const REGISTRY: &str = "registry.db";
pub(super) const MANIFEST: &str = "backup.json";

pub(super) fn run(path: &Path, folder: &Path, output: &Output) -> Result<Exit, Failure> {
    let config = config::load(path)?;
    let journal = &config.journal;
    let Some(database) = journal.place.file() else {
        return Err(Failure::local(format!(
            "the journal is at `{}`, which PostgreSQL copies",
            journal.place
        ))
        .then(format!(
            "pg_dump --format=custom --exclude-table-data=wrapped_key --file journal.dump …, pg_dump --format=custom --data-only --table=wrapped_key --file evidence-keys.dump … into a place that is kept for a shorter time, and right after them a copy of `{}`",
            journal.payloads.display()
        )));
    };
    empty(folder)?;
    let (note, files) = journal::backup(database, &journal.payloads, folder).map_err(|fault| failed(folder, &fault))?;
    output.note(format!("the journal is in `{}`, with {files} files", folder.display()));
    let mut paths = vec![PathBuf::from(BACKUP_DATABASE)];
    if let RegistrySettings::Sqlite(registry) = &config.registry.store {
        journal::snapshot(&registry.path, &folder.join(REGISTRY)).map_err(|fault| failed(folder, &fault))?;
        paths.push(REGISTRY.into());
        output.note("the registry is in it");
    }
    paths.push(BACKUP_EVIDENCE_KEYS.into());
    paths.extend(listed(folder).map_err(|error| failed(folder, &error))?);
    let manifest = manifest(folder, &note, &paths).map_err(|error| failed(folder, &error))?;
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    output.file(&folder.join(MANIFEST), &bytes)?;
    if output.is_json() {
        output.json("shuguan.db-backup.v1", &manifest);
    }
    if let RegistrySettings::Postgres(_) = &config.registry.store {
        output.note(
            "next: pg_dump --format=custom --file registry.dump …     now, so that it holds what this journal relayed",
        );
    }
    output.note(format!(
        "`{BACKUP_EVIDENCE_KEYS}` holds the wrapped keys of evidence records: keep it for days and not for years, and remove it from every backup after a `shuguan shred`; without it the backup is as good but for opening those"
    ));
    output.note(format!(
        "next: shuguan verify log {} --trust trust/trust.txt",
        folder.join(BACKUP_DATABASE).display()
    ));
    Ok(Exit::Done)
}

/// Makes the folder, or finds it empty.
fn empty(folder: &Path) -> Result<(), Failure> {
    private_folder(folder).map_err(|error| failed(folder, &error))?;
    let mut entries = std::fs::read_dir(folder).map_err(|error| failed(folder, &error))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(Failure::local(format!("`{}` is not empty", folder.display())).then("name a new folder")),
    }
}

fn failed(folder: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::local(format!("the backup in `{}` is not made", folder.display()))
        .because(Chain(error))
        .then("remove the folder and run the command again; without `backup.json` it is no backup")
}

/// The files of payloads, relative.
fn listed(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.join(BACKUP_PAYLOADS))? {
        names.push(Path::new(BACKUP_PAYLOADS).join(entry?.file_name()));
    }
    names.sort();
    Ok(names)
}

fn manifest(folder: &Path, note: &str, paths: &[PathBuf]) -> std::io::Result<Value> {
    let checkpoint = Checkpoint::unverified(note).map_err(std::io::Error::other)?;
    let mut files = Vec::new();
    for path in paths {
        let file = folder.join(path);
        let digest = sha256::of_file(&file)?;
        let bytes = std::fs::metadata(&file)?.len();
        files.push(json!({ "path": path, "bytes": bytes, "sha256": hex(&digest) }));
    }
    Ok(json!({
        "schema": "shuguan.db-backup.v1",
        "made": shuguan_ledger::time::format(Clock::system().now_us()),
        "log": checkpoint.origin,
        "size": checkpoint.size,
        "files": files,
    }))
}
