//! A bundle as it was read: every file once, with the officers' envelope beside them.
//!
//! Takes a folder, or (name, text) pairs that came over the wire; gives the texts, which nothing reads a second time. Refuses symlinks, files that no
//! bundle has, names that could leave the folder, and more bytes than a person would read.

use std::path::Path;

use crate::canonical::Canonical;
use crate::document::Fault;
use crate::envelope::ENVELOPE_BYTES_MAX;
use crate::set::{self, Catalogue, PolicySet};

/// The envelope's file in a bundle's folder.
pub const SIGNATURE_FILE: &str = "bundle.sig";
/// Most files of a bundle.
const FILES_MAX: usize = 1_024;
/// Most bytes of a bundle, all files together.
pub const BUNDLE_BYTES_MAX: usize = 8 << 20;

/// The files of a bundle and its envelope, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// File name relative to the bundle, with its text; sorted.
    texts: Vec<(String, String)>,
    envelope: Option<String>,
}

impl Bundle {
    /// Reads a folder.
    ///
    /// # Errors
    /// Every file that cannot be read or does not belong there.
    pub fn read(dir: &Path) -> Result<Self, Vec<Fault>> {
        let texts = set::read_folder(dir)?;
        let envelope = read_envelope(&dir.join(SIGNATURE_FILE)).map_err(|fault| vec![fault])?;
        Self::of(texts, envelope)
    }

    /// The same from what somebody sent.
    ///
    /// # Errors
    /// Names that no file of a bundle can have, a name twice, too many files or bytes.
    pub fn of(mut texts: Vec<(String, String)>, envelope: Option<String>) -> Result<Self, Vec<Fault>> {
        texts.sort();
        let mut faults: Vec<Fault> = texts
            .iter()
            .filter(|(name, _)| !is_name(name))
            .map(|_| Fault::of_file("?", "this name is not one of a bundle's file", Some(NAMES.into())))
            .collect();
        let names = texts.iter().zip(texts.iter().skip(1));
        let twice = names.filter(|((one, _), (next, _))| one == next);
        faults.extend(twice.map(|((name, _), _)| Fault::of_file(name, "this file is there twice", None)));
        let bytes: usize = texts.iter().map(|(_, text)| text.len()).sum();
        if texts.len() > FILES_MAX || bytes > BUNDLE_BYTES_MAX {
            let what = format!("a bundle has at most {FILES_MAX} files and {BUNDLE_BYTES_MAX} bytes");
            faults.push(Fault::of_file(".", what, None));
        }
        if faults.is_empty() {
            Ok(Self { texts, envelope })
        } else {
            Err(faults)
        }
    }

    /// File names with their texts, sorted.
    pub fn texts(&self) -> &[(String, String)] {
        &self.texts
    }

    /// The text of the envelope, if there is one.
    pub fn envelope(&self) -> Option<&str> {
        self.envelope.as_deref()
    }

    /// SHA-256 over every name and every byte: unlike [`PolicySet::hash`], a comment changes it.
    pub fn files_hash(&self) -> [u8; 32] {
        let mut out = Canonical::new("shuguan.bundle-files.v1");
        out.count(self.texts.len());
        for (name, text) in &self.texts {
            out.text(name).text(text);
        }
        out.hash()
    }

    /// What the bundle allows.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn compile(&self) -> Result<PolicySet, Vec<Fault>> {
        PolicySet::from_texts(self.texts.clone())
    }

    /// The same although its own tests may fail: for whoever is changing it.
    ///
    /// # Errors
    /// Every other fault of every file.
    pub fn compile_untested(&self) -> Result<PolicySet, Vec<Fault>> {
        PolicySet::build_untested(&mut self.texts.clone(), Catalogue::of_adapters())
    }
}

const NAMES: &str = "a name has letters, digits, `-`, `_` and `.`, ends with `.toml` and lies at most one folder deep";

/// A name that stays inside the folder, whatever joins it to a path.
fn is_name(name: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    let toml = Path::new(name).extension().is_some_and(|ending| ending == "toml");
    name.len() <= 200 && toml && name.split('/').count() <= 2 && name.split('/').all(plain)
}

fn read_envelope(path: &Path) -> Result<Option<String>, Fault> {
    let fault = |what: String| Fault::of_file(SIGNATURE_FILE, what, None);
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fault(format!("cannot be read: {error}"))),
        Ok(meta) if !meta.is_file() => Err(fault("it is not a plain file".into())),
        Ok(meta) if meta.len() > ENVELOPE_BYTES_MAX as u64 => {
            Err(fault(format!("it is longer than {ENVELOPE_BYTES_MAX} bytes")))
        }
        Ok(_) => match std::fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(fault(format!("cannot be read: {error}"))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{BUNDLE_BYTES_MAX, Bundle, SIGNATURE_FILE};

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn no_name_leaves_the_folder() {
        for name in [
            "../x.toml",
            "/x.toml",
            "a/../x.toml",
            "agreements/../../x.toml",
            "agreements//x.toml",
            "agreements/.toml",
            ".x.toml",
            "a/b/c.toml",
            "a\\b.toml",
            "x.toml\0",
            "x\n.toml",
            "x.sig",
            "bundle.sig",
            "",
            ".toml",
        ] {
            assert!(Bundle::of(vec![pair(name, "")], None).is_err(), "{name:?}");
        }
        assert!(Bundle::of(vec![pair("agreements/2026-卫生.toml", ""), pair("keys.toml", "")], None).is_ok());
    }

    #[test]
    fn a_file_twice_or_too_much_of_it_is_refused() {
        assert!(Bundle::of(vec![pair("a.toml", "x"), pair("a.toml", "y")], None).is_err());
        assert!(Bundle::of(vec![pair("a.toml", &"x".repeat(BUNDLE_BYTES_MAX + 1))], None).is_err());
    }

    #[test]
    fn the_hash_of_the_files_tells_every_byte_and_every_name() {
        let hash = |texts: Vec<_>| Bundle::of(texts, None).unwrap().files_hash();
        let one = hash(vec![pair("a.toml", "x"), pair("b.toml", "")]);
        assert_eq!(
            one,
            hash(vec![pair("b.toml", ""), pair("a.toml", "x")]),
            "order is nothing"
        );
        for other in [
            vec![pair("a.toml", "x ")],
            vec![pair("a.toml", "x"), pair("c.toml", "")],
            vec![pair("a.toml", ""), pair("b.toml", "x")],
            vec![pair("a.toml", "x")],
        ] {
            assert_ne!(one, hash(other));
        }
    }

    #[test]
    fn a_folder_is_read_with_its_envelope_and_a_link_is_not() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("keys.toml"), "format = 1\n").unwrap();
        assert_eq!(Bundle::read(folder.path()).unwrap().envelope(), None);
        let signature = folder.path().join(SIGNATURE_FILE);
        std::fs::write(&signature, "signed\n").unwrap();
        let bundle = Bundle::read(folder.path()).unwrap();
        assert_eq!(bundle.envelope(), Some("signed\n"));
        assert_eq!(bundle.texts(), [pair("keys.toml", "format = 1\n")]);
        std::fs::write(&signature, vec![b'x'; 70_000]).unwrap();
        assert!(Bundle::read(folder.path()).is_err());
        std::fs::remove_file(&signature).unwrap();
        std::os::unix::fs::symlink(folder.path().join("keys.toml"), &signature).unwrap();
        assert!(Bundle::read(folder.path()).is_err());
    }
}
