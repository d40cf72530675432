//! A bundle into its folder, whole or not at all.
//!
//! Takes the folder and a bundle; writes it beside the folder, syncs it, and puts it in its place by renaming. Refuses nothing.
//!
//! | A crash after | leaves | and the next start |
//! |---|---|---|
//! | writing beside | `.NAME.incoming`, perhaps half | uses the old folder; the next installation removes the rest |
//! | the first rename | no folder, a whole `.NAME.incoming` | [`recover`] ends the installation |
//! | the second rename | the new folder, `.NAME.replaced` | uses the new one: it is signed, and judged like any other |

use std::fs;
use std::path::{Path, PathBuf};

use shuguan_policies::Bundle;
use shuguan_policies::bundle::SIGNATURE_FILE;

use crate::durable::{self, hidden};
use crate::pki::{PkiFault, keyfile};

/// An installation that can still be taken back.
#[derive(Debug)]
pub(crate) struct Installed {
    folder: PathBuf,
}

/// Installs a bundle; what was there stays beside it as `.NAME.replaced`.
///
/// # Errors
/// When a file cannot be written or moved; the folder is then as it was, or [`recover`] makes it whole.
pub(crate) fn install(folder: &Path, bundle: &Bundle) -> Result<Installed, PkiFault> {
    let (incoming, replaced) = (hidden(folder, ".incoming"), hidden(folder, ".replaced"));
    remove(&incoming)?;
    write(&incoming, bundle)?;
    remove(&replaced)?;
    rename(folder, &replaced)?;
    if let Err(fault) = rename(&incoming, folder) {
        rename(&replaced, folder)?;
        return Err(fault);
    }
    Ok(Installed {
        folder: folder.to_owned(),
    })
}

impl Installed {
    /// Puts back what was there: the log could not say that the new one was loaded.
    ///
    /// # Errors
    /// When a folder cannot be moved; the new bundle then lies in its place, signed, for the next start.
    pub(crate) fn undo(self) -> Result<(), PkiFault> {
        let (incoming, replaced) = (hidden(&self.folder, ".incoming"), hidden(&self.folder, ".replaced"));
        remove(&incoming)?;
        rename(&self.folder, &incoming)?;
        rename(&replaced, &self.folder)?;
        remove(&incoming)
    }
}

/// Ends an installation that a crash cut between its two renames.
///
/// # Errors
/// When the folder cannot be moved.
pub(crate) fn recover(folder: &Path) -> Result<(), PkiFault> {
    let incoming = hidden(folder, ".incoming");
    if !folder.exists() && incoming.is_dir() {
        rename(&incoming, folder)?;
    }
    Ok(())
}

/// Removes a folder of ours, if it is there.
fn remove(folder: &Path) -> Result<(), PkiFault> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(PkiFault::file("remove", folder)(error)),
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), PkiFault> {
    durable::rename(from, to).map_err(PkiFault::file("move", from))
}

/// Every name was checked when the bundle was made: none leaves the folder.
fn write(folder: &Path, bundle: &Bundle) -> Result<(), PkiFault> {
    keyfile::public_folder(folder)?;
    for (name, text) in bundle.texts() {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            keyfile::public_folder(parent)?;
        }
        keyfile::create_public(&path, text.as_bytes())?;
    }
    if let Some(envelope) = bundle.envelope() {
        keyfile::create_public(&folder.join(SIGNATURE_FILE), envelope.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{install, recover};
    use shuguan_policies::Bundle;

    fn bundle(text: &str) -> Bundle {
        let texts = [("keys.toml", text), ("agreements/a.toml", "x")];
        let texts = texts.map(|(name, text)| (name.to_owned(), text.to_owned()));
        Bundle::of(texts.into(), Some("signed\n".into())).unwrap()
    }

    #[test]
    fn a_bundle_is_installed_whole_and_can_be_taken_back() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = place.path().join("policies");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("old.toml"), "old").unwrap();
        install(&folder, &bundle("one")).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("one"));
        let second = install(&folder, &bundle("two")).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("two"));
        second.undo().unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("one"));
        install(&folder, &bundle("three")).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("three"));
    }

    #[test]
    fn a_crash_between_the_renames_is_ended_at_the_next_start() {
        let place = tempfile::TempDir::new().unwrap();
        let folder = place.path().join("policies");
        std::fs::create_dir(&folder).unwrap();
        install(&folder, &bundle("one")).unwrap();
        std::fs::rename(&folder, place.path().join(".policies.incoming")).unwrap();
        recover(&folder).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("one"));
        // Half of an installation beside a folder that is there changes nothing.
        std::fs::create_dir(place.path().join(".policies.incoming")).unwrap();
        recover(&folder).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("one"));
        install(&folder, &bundle("two")).unwrap();
        assert_eq!(Bundle::read(&folder).unwrap(), bundle("two"));
    }
}
