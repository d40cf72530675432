//! Canonical bytes: what is hashed when a bundle or a plan is named, and read again when a plan of long ago is asked about.
//!
//! Text and lists carry a u32 little-endian length or count, integers are u64 LE, instants i64 seconds LE, options one byte 0 or 1,
//! enums their text. Sets are sorted by bytes by this writer; sequences stand as they are. So comments, file names and the order of
//! tables change nothing.

use ring::digest::{SHA256, digest};

/// Writes canonical bytes and hashes them.
#[derive(Debug)]
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins with a domain line, e.g. `shuguan.plan.v1`.
    pub(crate) fn new(domain: &str) -> Self {
        let mut bytes = domain.as_bytes().to_vec();
        bytes.push(b'\n');
        Self(bytes)
    }

    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        // No list of a bundle comes near 2^32: files are bounded in `set::load`.
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&count.to_le_bytes());
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(crate) fn integer(&mut self, value: u64) -> &mut Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn instant(&mut self, seconds: i64) -> &mut Self {
        self.0.extend_from_slice(&seconds.to_le_bytes());
        self
    }

    pub(crate) fn flag(&mut self, set: bool) -> &mut Self {
        self.0.push(u8::from(set));
        self
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
        self
    }

    pub(crate) fn set<T: AsRef<str>>(&mut self, items: &[T]) -> &mut Self {
        let mut sorted: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        sorted.dedup();
        self.count(sorted.len());
        for item in sorted {
            self.text(item);
        }
        self
    }

    /// SHA-256 of what was written.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash_of(&self.0)
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// SHA-256.
pub(crate) fn hash_of(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    hash
}

/// Reads canonical bytes in the order in which they were written; `None` where they end or are of another form.
#[derive(Debug)]
pub(crate) struct Reading<'b>(&'b [u8]);

impl<'b> Reading<'b> {
    /// What stands behind the domain line.
    pub(crate) fn of(domain: &str, bytes: &'b [u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(domain.as_bytes())?.strip_prefix(b"\n")?;
        Some(Self(rest))
    }

    fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (next, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*next)
    }

    pub(crate) fn count(&mut self) -> Option<u32> {
        self.next().map(u32::from_le_bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'b str> {
        let length = usize::try_from(self.count()?).ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    pub(crate) fn owned(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn integer(&mut self) -> Option<u64> {
        self.next().map(u64::from_le_bytes)
    }

    pub(crate) fn instant(&mut self) -> Option<i64> {
        self.next().map(i64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.next()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    #[expect(
        clippy::option_option,
        reason = "none: it cannot be read; some none: nothing was written"
    )]
    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Some(None) }
    }

    pub(crate) fn set(&mut self) -> Option<Vec<String>> {
        (0..self.count()?).map(|_| self.owned()).collect()
    }
}
