//! Is the backup one of this gateway's log, and does the journal that is there know more of it?
//!
//! Takes a configuration and a manifest. Refuses the backup of another log, and to take the place of a journal that can be read and is longer. A log is known
//! under several names: those of its volumes, and of logs that it succeeds; the journal that is there and the one of the backup say which.

use std::path::Path;

use super::Manifest;
use crate::command::exit::{Exit, Failure};
use crate::config::Config;
use crate::journal::{BACKUP_DATABASE, JournalPlace, Reader};

/// The backup's log is the configured one, or one of the two journals knows both names for its own.
pub(super) fn is_ours(config: &Config, folder: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let (ours, theirs) = (&config.gateway.log_origin, &manifest.log);
    if ours == theirs {
        return Ok(());
    }
    let copy = folder.join(BACKUP_DATABASE);
    let knows = |place: &JournalPlace| {
        let names = names(place);
        names.contains(ours) && names.contains(theirs)
    };
    if knows(&config.journal.place) || knows(&copy.as_path().into()) {
        return Ok(());
    }
    Err(Failure::new(
        Exit::NotProven,
        format!("`{}` is a backup of `{theirs}`, and the log of this gateway is `{ours}`", folder.display()),
    )
    .because("neither the journal that is there nor that of the backup knows one as the predecessor of the other")
    .then(format!(
        "use a backup of this gateway. Where `{ours}` is to succeed `{theirs}`, whose newest journal is lost: restore with `{theirs}` as `log_origin`, and name the successor after that"
    )))
}

/// Names of the log of a journal; none of one that cannot be read.
fn names(place: &JournalPlace) -> Vec<String> {
    let volumes = Reader::open(place).and_then(|reader| reader.volumes());
    let volumes = volumes.unwrap_or_default();
    volumes.into_iter().map(|volume| volume.origin).collect()
}

/// The journal that is there holds no more entries than the backup, or none that can be read.
pub(super) fn is_not_longer(config: &Config, size: u64) -> Result<(), Failure> {
    let newest = Reader::open(&config.journal.place).and_then(|reader| reader.newest());
    let more = newest.map_or(0, |newest| newest.size.saturating_sub(size));
    if more == 0 {
        return Ok(());
    }
    Err(Failure::local(format!(
        "`{}` can be read and holds {more} entries more than the backup",
        config.journal.place
    ))
    .because("receipts are out for them, and the next start removes the payload files of what was not relayed yet: a gateway has no others")
    .then("say --only registry when the journal is sound; --lose-newer when it is not, and these entries are to be lost"))
}
