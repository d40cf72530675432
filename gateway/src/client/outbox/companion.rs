//! The small file beside a feed that says that it is complete: `june.csv.ok` or `june.csv.chk`.
//!
//! Takes its text; gives the stated number of rows, SHA-256 and constants. Empty is fine. Takes `count=812`, `sha256: HEX`, `constant=month=202511`, a line of `sha256sum`, or the bare
//! words; of several constants each has a line. Refuses what it would have to ignore: a control figure that is not checked must not look as if it were.

use std::path::Path;

use crate::hex::unhex;

/// Longest companion that is read, bytes.
const BYTES_MAX: u64 = 4 * 1024;

/// What a companion states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Companion {
    /// Data rows.
    pub count: Option<u64>,
    /// SHA-256 of the file.
    pub sha256: Option<[u8; 32]>,
    /// What it states of every record: `month=202511`.
    pub constants: Vec<String>,
}

impl Companion {
    /// Reads a companion.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path) -> Result<Self, &'static str> {
        let metadata = std::fs::metadata(path).map_err(|_| "it cannot be read")?;
        if metadata.len() > BYTES_MAX {
            return Err("it is longer than 4 KiB");
        }
        let bytes = std::fs::read(path).map_err(|_| "it cannot be read")?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut companion = Self::default();
        for line in text.trim_start_matches('\u{feff}').lines().map(str::trim) {
            match line.split_once(['=', ':', '：']) {
                Some((key, value)) => companion.named(&key.trim().to_lowercase(), value.trim())?,
                None => companion.bare(line)?,
            }
        }
        Ok(companion)
    }

    fn named(&mut self, key: &str, value: &str) -> Result<(), &'static str> {
        match key {
            "count" | "rows" | "records" | "条数" | "行数" | "记录数" => self.count(value),
            "constant" | "常量" if value.contains('=') => self.constant(value),
            "sha256" | "sha-256" | "digest" | "摘要" => self.digest(value),
            "file" | "name" | "date" | "time" | "文件" | "文件名" | "日期" => Ok(()),
            "md5" | "sha1" | "crc32" => Err("MD5, SHA-1 and CRC are not checked: state sha256"),
            _ => Err(
                "it has a key that is not known, or a constant without its field: state count, sha256 and constant=FIELD=CODE",
            ),
        }
    }

    /// Words by themselves: a number is the count, 64 hexadecimal digits the digest; after a digest a file name, as `sha256sum` writes.
    fn bare(&mut self, line: &str) -> Result<(), &'static str> {
        for word in line.split([' ', '\t', ',', '|']).filter(|word| !word.is_empty()) {
            if word.len() == 64 {
                self.digest(word)?;
                if line.contains("  ") {
                    break;
                }
            } else {
                self.count(word)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, word: &str) -> Result<(), &'static str> {
        let count = word.parse().map_err(|_| "its count is no number of rows")?;
        match self.count.replace(count) {
            None => Ok(()),
            Some(_) => Err("it states the count twice"),
        }
    }

    /// One field and its code: no code holds what may stand between two of them.
    fn constant(&mut self, member: &str) -> Result<(), &'static str> {
        if member.matches('=').count() > 1 || member.contains([',', '，', ';', '；', '、']) {
            return Err("a line of it states several constants: write a line of constant=FIELD=CODE for each");
        }
        self.constants.push(member.to_owned());
        Ok(())
    }

    fn digest(&mut self, word: &str) -> Result<(), &'static str> {
        let digest = unhex(word).ok_or("its sha256 is not 64 hexadecimal digits")?;
        match self.sha256.replace(digest) {
            None => Ok(()),
            Some(_) => Err("it states the digest twice"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Companion;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn what_a_companion_states_is_read_in_its_usual_forms() {
        let count = Some(812);
        for text in ["812", "count=812\n", "行数：812", "\u{feff}rows: 812\r\nfile=june.csv"] {
            assert_eq!(
                Companion::parse(text).map(|companion| companion.count),
                Ok(count),
                "{text}"
            );
        }
        for text in [
            format!("{HEX}  june.csv\n"),
            format!("count=812\nsha256={}", HEX.to_uppercase()),
            format!("812 {HEX}"),
        ] {
            let companion = Companion::parse(&text).unwrap_or_default();
            assert_eq!(companion.sha256.map(|digest| digest[0]), Some(0xe3), "{text}");
        }
        let stated = Companion::parse("count=3\nconstant=month=202511\n常量：district=320706\n").unwrap_or_default();
        assert_eq!(
            (stated.count, stated.constants),
            (Some(3), vec!["month=202511".into(), "district=320706".into()])
        );
        assert_eq!(Companion::parse(""), Ok(Companion::default()));
    }

    #[test]
    fn what_would_not_be_checked_is_refused() {
        for text in [
            "md5=d41d8cd98f00b204e9800998ecf8427e",
            "sum=3",
            "count=many",
            "812 813",
            "sha256=00",
            "ok",
            "constant=202511",
            "constant=month=202511, district=320706",
            "constant=month=202511 district=320706",
            "constant=month=202511，",
            "-1",
        ] {
            assert!(Companion::parse(text).is_err(), "{text}");
        }
    }
}
