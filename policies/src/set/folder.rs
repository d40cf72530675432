//! The files of a bundle: what belongs to it, read once into memory; no symlink is followed.

use std::path::Path;

use crate::bundle::SIGNATURE_FILE;
use crate::document::Fault;

/// Largest file of a bundle; a person has to read it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Folders of a bundle, each with one kind of file.
pub(super) const FOLDERS: [&str; 3] = ["agreements", "calendars", "tests"];
/// Files at the root of a bundle. The last may be missing.
pub(super) const ROOT: [&str; 4] = ["purposes.toml", "partners.toml", "keys.toml", "ceilings.toml"];

/// The files of a bundle folder, each read once.
pub(crate) fn read_folder(dir: &Path) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let mut texts = Vec::new();
    let mut faults = Vec::new();
    read_level(dir, "", &mut texts, &mut faults);
    if faults.is_empty() { Ok(texts) } else { Err(faults) }
}

fn read_level(dir: &Path, prefix: &str, texts: &mut Vec<(String, String)>, faults: &mut Vec<Fault>) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            faults.push(Fault::of_file(
                dir.display().to_string(),
                format!("cannot be read: {error}"),
                None,
            ));
            return;
        }
    };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let label = format!("{prefix}{name}");
        // Metadata of the entry itself: a symlink is neither file nor folder here.
        match std::fs::symlink_metadata(&path) {
            // The officers' envelope is no text of the bundle: `bundle` reads it.
            Ok(meta) if meta.is_file() && label == SIGNATURE_FILE => {}
            Ok(meta) if meta.is_dir() && FOLDERS.contains(&label.as_str()) => {
                read_level(&path, &format!("{label}/"), texts, faults);
            }
            Ok(meta)
                if meta.is_file()
                    && path.extension().is_some_and(|ending| ending == "toml")
                    && meta.len() <= FILE_BYTES_MAX =>
            {
                match std::fs::read_to_string(&path) {
                    Ok(text) => texts.push((label, text)),
                    Err(error) => faults.push(Fault::of_file(label, format!("cannot be read: {error}"), None)),
                }
            }
            _ => faults.push(unknown_file(&label)),
        }
    }
}

pub(super) fn unknown_file(file: &str) -> Fault {
    let hint = "a bundle holds purposes.toml, partners.toml, keys.toml, ceilings.toml, agreements/*.toml, calendars/*.toml and tests/*.toml";
    Fault::of_file(file, "this file does not belong to a bundle", Some(hint.into()))
}
