//! `shuguan db restore`: what `db backup` made goes back into its place.
//!
//! Takes a folder with its `backup.json`, and a configuration; gives journal and payloads, the registry (SQLite), or both, as they were when the backup was
//! made, and says what to do next. Reads every file whole before it changes anything. Refuses a backup that is not what its manifest says, or is of another
//! log, a store that a process has open, and one that is there, unless that is said: then the older one stays beside it under another name, because of a
//! journal nobody may be able to make it again. One that holds more than the backup is refused until that is said too. Never touches the head file, which
//! tells a start that the journal is an older one. Wrapped keys of evidence records go back where the backup still has their file, and are missed by nothing
//! but those records where it has not. A crash leaves the older store, with or without a second name, or, where its log could not be folded, none
//! in its place and all of it under the other name; running the command again puts the backup in place.

mod log;
mod place;

use std::path::{Component, Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use serde_json::json;
use shuguan_ledger::checkpoint::Checkpoint;

use self::place::Fresh;
use super::Which;
use super::backup::{MANIFEST, REGISTRY};
use crate::chain::Chain;
use crate::clock::Clock;
use crate::command::config;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::config::Config;
use crate::journal::{self, BACKUP_DATABASE, BACKUP_EVIDENCE_KEYS, BACKUP_PAYLOADS};
use crate::registry::RegistrySettings;

/// What `backup.json` says.
#[derive(Debug, Deserialize)]
struct Manifest {
    schema: String,
    made: String,
    log: String,
    size: u64,
    files: Vec<Listed>,
}

/// A file of the backup.
#[derive(Clone, Debug, Deserialize)]
struct Listed {
    path: PathBuf,
    bytes: u64,
    sha256: String,
}

/// Wrapped keys of evidence records.
#[derive(Clone, Copy, Debug)]
enum Keys<'m> {
    /// The journal does not go back, or the backup is of a version that left them in it.
    None,
    /// They go back into the journal.
    There(&'m Listed),
    /// The file was removed: they had a shorter life than the rest.
    Removed,
}

impl<'m> Keys<'m> {
    fn of(folder: &Path, listed: Option<&'m Listed>) -> Self {
        match listed {
            None => Self::None,
            Some(listed) if folder.join(&listed.path).exists() => Self::There(listed),
            Some(_) => Self::Removed,
        }
    }

    fn listed(self) -> Option<&'m Listed> {
        match self {
            Self::There(listed) => Some(listed),
            Self::None | Self::Removed => None,
        }
    }
}

/// What goes where.
#[derive(Debug)]
struct Plan<'m> {
    journal: Option<(&'m Listed, &'m Path)>,
    keys: Keys<'m>,
    payloads: Vec<&'m Listed>,
    registry: Option<(&'m Listed, &'m Path)>,
}

impl Plan<'_> {
    fn files(&self) -> impl Iterator<Item = &Listed> {
        let databases = [&self.journal, &self.registry].into_iter().flatten();
        databases
            .map(|(listed, _)| *listed)
            .chain(self.keys.listed())
            .chain(self.payloads.iter().copied())
    }

    fn places(&self) -> impl Iterator<Item = &Path> {
        let databases = [&self.journal, &self.registry].into_iter().flatten();
        databases.map(|(_, to)| *to)
    }
}

pub(super) fn run(
    path: &Path,
    folder: &Path,
    only: Option<Which>,
    (replace, lose_newer): (bool, bool),
    output: &Output,
) -> Result<Exit, Failure> {
    let config = config::load(path)?;
    let manifest = manifest(folder)?;
    let plan = plan(&config, folder, &manifest, only)?;
    log::is_ours(&config, folder, &manifest)?;
    // Held until the end: no gateway starts in between. Only one has the registry, and it is the one that has the journal.
    let _lock = hold(&config)?;
    for there in plan.places() {
        vacant(there, replace)?;
    }
    if plan.journal.is_some() && !lose_newer {
        log::is_not_longer(&config, manifest.size)?;
    }
    // Before the lock is given back: what they hold open may have another name by then.
    let _alone = plan.places().map(place::alone).collect::<Result<Vec<_>, Failure>>()?;
    let bytes = plan.files().fold(0, |sum: u64, file| sum.saturating_add(file.bytes));
    let bar = bar(bytes, output);
    let kept = swap(&config, folder, &plan, &bar)?;
    bar.finish_and_clear();
    tell(&config, &manifest, &plan, &kept, output);
    Ok(Exit::Done)
}

/// Copies everything beside its place, checked on the way, and only then puts it there: the journal's files before its database, which names them. A file of
/// the same name is the same; one that the journal does not name, a start removes once the journal is known for the newest.
fn swap(config: &Config, folder: &Path, plan: &Plan<'_>, bar: &ProgressBar) -> Result<Vec<PathBuf>, Failure> {
    let copy =
        |listed: &Listed, to: &Path| Fresh::copy(&folder.join(&listed.path), to, (listed.bytes, &listed.sha256), bar);
    let (mut databases, mut payloads) = (Vec::new(), Vec::new());
    for (listed, to) in [plan.journal, plan.registry].into_iter().flatten() {
        databases.push(copy(listed, to)?);
    }
    if let (Some(listed), Some((_, to)), Some(journal)) = (plan.keys.listed(), plan.journal, databases.first()) {
        // Never in its place: it is removed again, and the keys stand in the journal alone.
        let keys = copy(listed, &to.with_file_name(BACKUP_EVIDENCE_KEYS))?;
        let put = journal::put_keys_in(journal.made(), keys.made());
        put.map_err(|fault| place::failed(&folder.join(&listed.path), &Chain(&fault)))?;
    }
    for listed in &plan.payloads {
        let name = listed.path.file_name().unwrap_or_default();
        payloads.push(copy(listed, &config.journal.payloads.join(name))?);
    }
    for fresh in payloads {
        fresh.into_place(None)?;
    }
    let stamp = place::free(&stamp(), &plan.places().collect::<Vec<_>>());
    let (mut kept, mut placed) = (Vec::new(), None);
    for fresh in databases {
        let to = fresh.place().to_owned();
        kept.extend(
            fresh
                .into_place(Some(&stamp))
                .map_err(|failure| halfway(failure, placed.as_deref(), &kept))?,
        );
        placed = Some(to);
    }
    Ok(kept)
}

/// Of two databases the second one is not in its place.
fn halfway(failure: Failure, placed: Option<&Path>, kept: &[PathBuf]) -> Failure {
    let Some(placed) = placed else { return failure };
    let kept: Vec<String> = kept.iter().map(|path| format!("`{}`", path.display())).collect();
    let was = if kept.is_empty() {
        "nothing".into()
    } else {
        kept.join(", ")
    };
    let why = failure.why.clone().unwrap_or_default();
    failure.because(format!(
        "{why}; `{}` is that of the backup already, and what was there is {was}",
        placed.display()
    ))
}

/// The time as it stands in the names of what is kept.
fn stamp() -> String {
    let now = shuguan_ledger::time::format(Clock::system().now_us());
    let digits = now.chars().filter(char::is_ascii_digit).take(14);
    format!("before-restore-{}", digits.collect::<String>())
}

fn manifest(folder: &Path) -> Result<Manifest, Failure> {
    let path = folder.join(MANIFEST);
    let bytes = std::fs::read(&path).map_err(|error| {
        Failure::local(format!("`{}` is no backup", folder.display()))
            .because(format!("`{}`: {error}", path.display()))
            .then("name a folder that `shuguan db backup` made; it writes `backup.json` last")
    })?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| no_backup(&path, error))?;
    if manifest.schema != "shuguan.db-backup.v1" {
        return Err(no_backup(&path, format!("its schema is `{}`", manifest.schema)));
    }
    // They are shown to people.
    if [&manifest.made, &manifest.log]
        .iter()
        .any(|text| text.contains(char::is_control))
    {
        return Err(no_backup(&path, "a control character stands in its `made` or `log`"));
    }
    for file in &manifest.files {
        if !is_ours(&file.path) {
            return Err(no_backup(
                &path,
                format!("it names `{}`", file.path.to_string_lossy().escape_debug()),
            ));
        }
    }
    Ok(manifest)
}

/// A name that a backup has: nothing outside its folder is read, and nothing outside the stores' folders written.
fn is_ours(path: &Path) -> bool {
    if path.to_string_lossy().contains(char::is_control) {
        return false;
    }
    let parts: Vec<Component<'_>> = path.components().collect();
    match parts.as_slice() {
        [Component::Normal(name)] => [BACKUP_DATABASE, REGISTRY, BACKUP_EVIDENCE_KEYS]
            .iter()
            .any(|ours| *name == *ours),
        [Component::Normal(folder), Component::Normal(_)] => *folder == BACKUP_PAYLOADS,
        _ => false,
    }
}

fn no_backup(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Exit::NotProven,
        format!("`{}` is not what a backup says of itself", path.display()),
    )
    .because(why)
    .then("use another backup; nothing was changed")
}

fn plan<'m>(
    config: &'m Config,
    folder: &Path,
    manifest: &'m Manifest,
    only: Option<Which>,
) -> Result<Plan<'m>, Failure> {
    let file = |name: &str| manifest.files.iter().find(|file| file.path == Path::new(name));
    let database = config.journal.place.file().ok_or_else(|| {
        let place = &config.journal.place;
        Failure::local(format!(
            "the journal is at `{place}`, of which `db backup` makes no copy"
        ))
        .then("pg_restore --clean --dbname … journal.dump, then the folder of payloads that was copied with it")
    })?;
    let journal = match (only, file(BACKUP_DATABASE)) {
        (Some(Which::Registry), _) => None,
        (_, Some(listed)) => Some((listed, database)),
        (_, None) => return Err(lacks(BACKUP_DATABASE)),
    };
    let registry = match (only, &config.registry.store, file(REGISTRY)) {
        (Some(Which::Journal), ..) | (None, RegistrySettings::Postgres(_), _) | (None, _, None) => None,
        (Some(Which::Registry), RegistrySettings::Postgres(_), _) => {
            return Err(
                Failure::local("the registry is on PostgreSQL, of which `db backup` makes no copy")
                    .then("pg_restore --clean --dbname … registry.dump"),
            );
        }
        (_, RegistrySettings::Sqlite(settings), Some(listed)) => Some((listed, settings.path.as_path())),
        (Some(Which::Registry), RegistrySettings::Sqlite(_), None) => return Err(lacks(REGISTRY)),
    };
    let payloads = manifest
        .files
        .iter()
        .filter(|file| file.path.starts_with(BACKUP_PAYLOADS));
    let keys = file(BACKUP_EVIDENCE_KEYS).filter(|_| journal.is_some());
    Ok(Plan {
        keys: Keys::of(folder, keys),
        payloads: if journal.is_some() {
            payloads.collect()
        } else {
            Vec::new()
        },
        journal,
        registry,
    })
}

fn lacks(name: &str) -> Failure {
    Failure::local(format!("the backup has no `{name}`")).then("use another one")
}

fn hold(config: &Config) -> Result<std::fs::File, Failure> {
    let database = config.journal.place.file().unwrap_or(Path::new(""));
    journal::hold(database).map_err(|fault| {
        Failure::local("the stores cannot be replaced now")
            .because(Chain(&fault))
            .then("stop the gateway")
    })
}

fn vacant(database: &Path, replace: bool) -> Result<(), Failure> {
    if replace || !database.exists() {
        return Ok(());
    }
    Err(Failure::local(format!("`{}` is there", database.display()))
        .because("a backup is older than what it takes the place of, and of an older journal receipts are out for what it lacks")
        .then("say --only registry when the journal is sound, and --replace when that is meant: what is there is kept under another name"))
}

fn bar(bytes: u64, output: &Output) -> ProgressBar {
    if !output.shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn tell(config: &Config, manifest: &Manifest, plan: &Plan<'_>, kept: &[PathBuf], output: &Output) {
    let (made, log, size) = (&manifest.made, &manifest.log, manifest.size);
    let ahead = plan.journal.and_then(|_| ahead(config, size));
    if output.is_json() {
        let restored: Vec<&Path> = plan.files().map(|file| file.path.as_path()).collect();
        let document = json!({
            "made": made, "log": log, "size": size, "restored": restored, "kept": kept, "lost_entries": ahead,
        });
        output.json("shuguan.db-restore.v1", &document);
    }
    for (listed, to) in [plan.journal, plan.registry].into_iter().flatten() {
        output.note(format!(
            "`{}` is what `{}` was at {made}",
            to.display(),
            listed.path.display()
        ));
    }
    if let Keys::Removed = plan.keys {
        output.note(format!(
            "`{BACKUP_EVIDENCE_KEYS}` is not in the backup any more: no evidence record that was sealed before it opens again; receipts and the log go on verifying"
        ));
    }
    if let Keys::There(_) = plan.keys {
        output.note("evidence records open as they did then: what was shredded since, and the journal does not say so, is to be shredded again");
    }
    for path in kept {
        output.note(format!(
            "kept: `{}`; remove it when nothing of it is needed any more",
            path.display()
        ));
    }
    if plan.journal.is_some() && !kept.is_empty() {
        output.note("the next start removes the payload files that the restored journal does not name; copy them first when the kept one is to go back");
    }
    if plan.journal.is_some() {
        output.note(format!(
            "the journal holds {size} entries of `{log}`: shuguan verify log"
        ));
    }
    match (plan.journal, plan.registry, &config.registry.store) {
        (Some(_), None, RegistrySettings::Postgres(_)) => {
            output.note("the registry is on PostgreSQL: pg_restore --clean --dbname … registry.dump");
        }
        (Some(_), None, RegistrySettings::Sqlite(_)) => output.note("the registry is as it was"),
        _ => {}
    }
    match ahead {
        Some(entries) => {
            output.note(format!(
                "next: the head file knows {entries} entries more, so a gateway does not start with this journal. Look for a newer one; when the newest is lost, name a successor in `log_origin` and: shuguan db recover"
            ));
        }
        None => output.note("next: start the gateway; one that had relayed more says so: shuguan db fsck, and shuguan relay feed-again for what is missing"),
    }
}

/// How many entries more the head file says there were; none: it says nothing of the kind.
fn ahead(config: &Config, size: u64) -> Option<u64> {
    let note = std::fs::read_to_string(&config.journal.head).ok()?;
    let head = Checkpoint::unverified(&note).ok()?;
    head.size.checked_sub(size).filter(|entries| *entries > 0)
}
