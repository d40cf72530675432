//! The trust file: which logs a verifier believes, and which witnesses must have seen a checkpoint (C2SP tlog-policy).
//!
//! | Line | Says |
//! |---|---|
//! | `log <vkey> [<url>]` | checkpoints of this log, signed by this key, are believed |
//! | `sizes <vkey> <from> <until>\|-` | this key, named above, signs every checkpoint from that size on and below that one (`-`: it has not ended); ours, not of the specification |
//! | `witness <name> <vkey> [<url>]` | a witness, known by this name in the lines below |
//! | `group <name> any\|all\|<k> <name> …` | is there when one, all or k of these witnesses or groups are there |
//! | `quorum <name>\|none` | the witness or group that must be there |
//! | `ca <base64>` | the certificate (X.509, DER) of an authority by which partners are known; kept for whoever judges their certificates, not read here; ours as well |
//!
//! Blank lines and lines that begin with `#` are skipped. A file with `log` lines only asks for no witness. Refuses any other line, a name
//! that is not defined above its use, two keys of one witness, and witnesses without a `quorum`, so that a misspelling never switches a control off.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::{Checkpoint, NotACheckpoint};
use crate::cosignature::{Cosignature, WitnessKey};
use crate::keys::{KeyFault, KeySpan, LogKeys, lasting, open_at};
use crate::leaf::{KeyEvent, LogCloseEvent};
use crate::note::{NoteError, VerifyingKey};
use crate::witness;

/// Most witnesses and groups of a trust file.
const PARTIES_MAX: usize = 256;

/// What a verifier believes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<KeySpan>,
    keys: Vec<WitnessKey>,
    parties: Vec<Party>,
    /// Place of the party that must be there.
    quorum: Option<usize>,
    /// Certificates of authorities, DER.
    authorities: Vec<Vec<u8>>,
    lines: Vec<String>,
}

/// A witness or a group, by its name in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Party {
    name: String,
    is: Is,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Is {
    /// Place among the keys.
    Witness(usize),
    /// So many of these parties, all of which stand before this one.
    Group(usize, Vec<usize>),
}

/// A line of the trust file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the trust file: {what}")]
pub struct BadTrustLine {
    /// From 1; one past the last when a line is missing.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Why a signed checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No trusted key of that log signed it, or a signature does not verify.
    #[error("the checkpoint is not signed by a trusted log")]
    Signature(#[from] NoteError),
    /// What was signed is not a checkpoint.
    #[error("what was signed is not a checkpoint")]
    Text(#[from] NotACheckpoint),
    /// Only a key signed it that does not sign this size: it ended before, or began later.
    #[error(
        "only the key `{key}` signed it, which signs no checkpoint of {size} entries: it was retired before, or began later"
    )]
    OutOfSpan {
        /// Name and id of the key.
        key: String,
        /// Size of the checkpoint.
        size: u64,
    },
    /// It is of another log than the one that stands here: of one that it succeeds, or that succeeds it.
    #[error("it is a checkpoint of the log `{0}`, and at this size another log stands here")]
    OtherLog(String),
    /// A key that signs every checkpoint of this size did not sign this one.
    #[error("the key `{key}` signs every checkpoint of this size, and did not sign this one")]
    Unsigned {
        /// Name and id of the key.
        key: String,
    },
}

/// Whether those witnesses have signed whom the trust file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// The trust file asks for none.
    NotAsked,
    /// They have.
    Met,
    /// They have not; the log's own signature alone does not rule out that it showed somebody else another history.
    Missing,
}

/// What witnesses say of a checkpoint that its log signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witnessed {
    /// Whether that is enough.
    pub quorum: Quorum,
    /// The known witnesses that signed, in the order of their lines.
    pub by: Vec<Cosignature>,
}

impl Witnessed {
    /// The verdict: `proven`, or `quorum-missing`.
    pub fn verdict(&self) -> &'static str {
        match self.quorum {
            Quorum::NotAsked | Quorum::Met => "proven",
            Quorum::Missing => "quorum-missing",
        }
    }

    /// Names of the witnesses that signed, with commas.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.by.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }
}

impl Trust {
    /// Trust in one log, without witnesses.
    pub fn in_log(key: VerifyingKey) -> Self {
        let lines = vec![format!("log {}", key.vkey())];
        Self {
            logs: vec![key.into()],
            lines,
            ..Self::default()
        }
    }

    /// Trust in these keys, without witnesses.
    pub fn in_keys(logs: impl IntoIterator<Item = KeySpan>) -> Self {
        let mut trust = Self::default();
        trust.logs.extend(logs);
        trust.lines = key_lines(&trust.logs, &[]);
        trust
    }

    /// Reads a trust file.
    ///
    /// # Errors
    /// [`BadTrustLine`] names the first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, BadTrustLine> {
        let mut trust = Self::default();
        let mut quorum_said = false;
        let mut number: usize = 0;
        for line in text.lines() {
            number = number.saturating_add(1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let read = trust.line(line, &mut quorum_said);
            read.map_err(|what| BadTrustLine { line: number, what })?;
            trust.lines.push(line.to_owned());
        }
        if !quorum_said && !trust.parties.is_empty() {
            return Err(BadTrustLine {
                line: number.saturating_add(1),
                what: "it names witnesses and no quorum: add `quorum <name>` or `quorum none`",
            });
        }
        Ok(trust)
    }

    fn line(&mut self, line: &str, said: &mut bool) -> Result<(), &'static str> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["log", vkey] | ["log", vkey, _] => {
                let key = VerifyingKey::parse(vkey).map_err(|_| "it is not `log <vkey>`: no key of a log")?;
                if self.logs.iter().any(|known| *known.key() == key) {
                    return Err("this log was named before");
                }
                self.logs.push(key.into());
            }
            ["sizes", vkey, from, until] => self.sizes(vkey, from, until)?,
            ["witness", name, vkey] | ["witness", name, vkey, _] => {
                let key =
                    WitnessKey::parse(vkey).map_err(|_| "it is not `witness <name> <vkey>`: no key of a witness")?;
                // Cosignatures are counted by the key's name, so one name is one witness.
                if self.keys.iter().any(|known| known.name() == key.name()) {
                    return Err("a key of this witness was named before");
                }
                self.keys.push(key);
                self.party(name, Is::Witness(self.keys.len().saturating_sub(1)))?;
            }
            ["group", name, threshold, members @ ..] => {
                let group = self.group(threshold, members)?;
                self.party(name, group)?;
            }
            ["ca", certificate] => {
                let der = BASE64.decode(certificate);
                self.authorities
                    .push(der.map_err(|_| "it is not `ca <base64>`: no certificate")?);
            }
            ["quorum", name] => {
                if std::mem::replace(said, true) {
                    return Err("there is more than one quorum");
                }
                if *name != "none" {
                    self.quorum = Some(self.place(name)?);
                }
            }
            _ => {
                return Err(
                    "it is not `log <vkey>`, `sizes <vkey> <from> <until>`, `witness <name> <vkey>`, `group <name> <k> <names>`, `quorum <name>` or `ca <base64>`",
                );
            }
        }
        Ok(())
    }

    fn sizes(&mut self, vkey: &str, from: &str, until: &str) -> Result<(), &'static str> {
        let from = witness::size(from).ok_or("a size is a number")?;
        let until = match until {
            "-" => None,
            until => Some(witness::size(until).ok_or("the end is a size, or `-`")?),
        };
        let span = self.logs.iter_mut().find(|known| known.key().vkey() == vkey);
        let span = span.ok_or("no `log` line above it names this key")?;
        if span.is_stated() {
            return Err("the sizes of this key were said before");
        }
        *span = KeySpan::between(span.key().clone(), from, until).ok_or("the end is not above the beginning")?;
        Ok(())
    }

    fn party(&mut self, name: &str, is: Is) -> Result<(), &'static str> {
        if name == "none" || self.place(name).is_ok() {
            return Err("this name is taken");
        }
        if self.parties.len() == PARTIES_MAX {
            return Err("it names too many witnesses and groups");
        }
        self.parties.push(Party {
            name: name.to_owned(),
            is,
        });
        Ok(())
    }

    fn place(&self, name: &str) -> Result<usize, &'static str> {
        let place = self.parties.iter().position(|party| party.name == name);
        place.ok_or("no line above it defines this name")
    }

    fn group(&self, threshold: &str, members: &[&str]) -> Result<Is, &'static str> {
        let mut places = Vec::new();
        for member in members {
            let place = self.place(member)?;
            if places.contains(&place) {
                return Err("a group names a member twice");
            }
            places.push(place);
        }
        let needed = match threshold {
            "any" => 1,
            "all" => places.len(),
            // One spelling only: `+1` and `01` are refused.
            number => number
                .parse()
                .ok()
                .filter(|needed: &usize| needed.to_string() == number)
                .ok_or("the number of a group is `any`, `all` or a count")?,
        };
        if needed == 0 || needed > places.len() {
            return Err("a group needs at least one and at most all of its members");
        }
        Ok(Is::Group(needed, places))
    }

    /// The file that [`Trust::parse`] reads, without comments.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }

    /// Opens a signed checkpoint. Only keys whose name is the checkpoint's origin count: one log cannot speak for another.
    ///
    /// # Errors
    /// See [`Untrusted`]. Whether witnesses signed it is not asked here: [`Trust::open_witnessed`].
    pub fn open(&self, checkpoint: &str) -> Result<Checkpoint, Untrusted> {
        self.open_witnessed(checkpoint).map(|(checkpoint, _)| checkpoint)
    }

    /// The same, and what the witnesses of this file say of it.
    ///
    /// # Errors
    /// See [`Untrusted`]. A line of a known witness that fails voids the note; a missing one is no error but [`Quorum::Missing`].
    pub fn open_witnessed(&self, checkpoint: &str) -> Result<(Checkpoint, Witnessed), Untrusted> {
        self.open_by(&lasting(&self.logs), checkpoint)
    }

    /// The same by other keys of the log, such as those that its own leaves name.
    pub(crate) fn open_by(&self, keys: &[KeySpan], checkpoint: &str) -> Result<(Checkpoint, Witnessed), Untrusted> {
        let (parsed, cosignatures) = open_at(checkpoint, keys, &self.keys)?;
        Ok((parsed, self.judge(cosignatures)))
    }

    /// The trust of who has been shown this `key` leaf of the log `origin`, proved by a receipt under this very trust: it knows the new key, or that the
    /// old one ended.
    ///
    /// # Errors
    /// [`KeyFault`] when the leaf is about the keys of another log than the one it stands in, or contradicts what is trusted.
    pub fn extended(&self, origin: &str, index: u64, event: &KeyEvent) -> Result<Self, KeyFault> {
        if event.log() != origin {
            return Err(KeyFault(
                "the key is that of another log, of which this one cannot speak",
            ));
        }
        let mut known = self.keys_of(origin);
        known.apply(index, event)?;
        let others = self.logs.iter().filter(|span| span.key().name() != origin);
        Ok(self.with_keys(known.spans().iter().chain(others)))
    }

    /// The trust of who has been shown this `log-close` leaf of the log `origin`, proved by a receipt under this very trust: it knows where the log
    /// ends, and the key of its successor.
    ///
    /// # Errors
    /// [`KeyFault`] when the leaf is about another log than the one it stands in, or contradicts what is trusted.
    pub fn succeeded(&self, origin: &str, index: u64, event: &LogCloseEvent) -> Result<Self, KeyFault> {
        if event.log != origin {
            return Err(KeyFault("the log that it ends is not the one that it stands in"));
        }
        let successor = event.successor(index);
        let successor = successor.ok_or(KeyFault("what it names is not a key of the successor"))?;
        let (mut ended, next) = (self.keys_of(origin), self.keys_of(&event.next));
        // A stolen key of a closed volume may sign another end of it; who knows the end knows the successor.
        if next.spans().is_empty() && ended.known_beyond(index) {
            return Err(KeyFault("the log is known to end elsewhere or for another successor"));
        }
        ended.close(index)?;
        let known = next.spans().iter().find(|span| span.key() == successor.key());
        let begins_there = known.is_none_or(|known| !known.is_stated() || known.from() == successor.from());
        if !begins_there || (known.is_none() && !next.spans().is_empty()) || event.next == origin {
            return Err(KeyFault(
                "the successor is known to begin with another key, or elsewhere",
            ));
        }
        let known = known.filter(|known| known.is_stated()).unwrap_or(&successor);
        let later = next.spans().iter().filter(|span| span.key() != successor.key());
        let others = self
            .logs
            .iter()
            .filter(|span| span.key().name() != origin && span.key().name() != event.next);
        Ok(self.with_keys(std::iter::once(known).chain(later).chain(ended.spans()).chain(others)))
    }

    /// The same witnesses, and these keys.
    fn with_keys<'k>(&self, keys: impl Iterator<Item = &'k KeySpan>) -> Self {
        let keys: Vec<KeySpan> = keys.cloned().collect();
        let others = self.lines.iter().filter(|line| !is_key_line(line));
        let lines = key_lines(&keys, &self.lines)
            .into_iter()
            .chain(others.cloned())
            .collect();
        Self {
            logs: keys,
            lines,
            ..self.clone()
        }
    }

    /// The trust of who believes one more log, which this is the key of. As it is when that key is trusted already.
    #[must_use]
    pub fn with_log(&self, key: &VerifyingKey) -> Self {
        let mut trust = self.clone();
        if !self.logs.iter().any(|span| span.key() == key) {
            trust.logs.insert(0, key.clone().into());
            trust.lines.insert(0, format!("log {}", key.vkey()));
        }
        trust
    }

    /// Whether these cosignatures are enough.
    fn judge(&self, by: Vec<Cosignature>) -> Witnessed {
        let quorum = match self.quorum {
            None => Quorum::NotAsked,
            Some(place) if self.there(&by).get(place) == Some(&true) => Quorum::Met,
            Some(_) => Quorum::Missing,
        };
        Witnessed { quorum, by }
    }

    /// Which parties are there. Members stand before their group, so one pass is enough and no file can make it loop.
    fn there(&self, by: &[Cosignature]) -> Vec<bool> {
        let mut there: Vec<bool> = Vec::new();
        for party in &self.parties {
            let is_there = match &party.is {
                Is::Witness(key) => self
                    .keys
                    .get(*key)
                    .is_some_and(|key| by.iter().any(|one| one.name == key.name())),
                Is::Group(needed, members) => {
                    let present = members.iter().filter(|member| there.get(**member) == Some(&true));
                    present.count() >= *needed
                }
            };
            there.push(is_there);
        }
        there
    }

    /// The keys of the logs.
    pub fn logs(&self) -> &[KeySpan] {
        &self.logs
    }

    /// What is known of the keys of one log, before any of it is read.
    pub fn keys_of(&self, origin: &str) -> LogKeys {
        let of_it = self.logs.iter().filter(|span| span.key().name() == origin);
        LogKeys::of(of_it.cloned())
    }

    /// The certificates of the authorities by which partners are known, DER, as the file has them.
    pub fn authorities(&self) -> &[Vec<u8>] {
        &self.authorities
    }

    /// The keys of the witnesses.
    pub fn witnesses(&self) -> &[WitnessKey] {
        &self.keys
    }

    /// Name of the witness or group that must be there, if one is asked for.
    pub fn quorum(&self) -> Option<&str> {
        let party = self.quorum.and_then(|place| self.parties.get(place));
        party.map(|party| party.name.as_str())
    }
}

fn is_key_line(line: &str) -> bool {
    matches!(line.split_ascii_whitespace().next(), Some("log" | "sizes"))
}

/// The lines of keys, as they stood before where they did: with the address of the log. That a key has always signed and has not ended goes without
/// saying: then one that is named later is enough.
fn key_lines(keys: &[KeySpan], before: &[String]) -> Vec<String> {
    let of = |vkey: &str| {
        let names = |line: &&String| {
            let mut words = line.split_ascii_whitespace();
            (words.next(), words.next()) == (Some("log"), Some(vkey))
        };
        before
            .iter()
            .find(names)
            .cloned()
            .unwrap_or_else(|| format!("log {vkey}"))
    };
    let mut lines: Vec<String> = keys.iter().map(|span| of(&span.key().vkey())).collect();
    for span in keys.iter().filter(|span| span.from() > 0 || span.until().is_some()) {
        let until = span.until().map_or("-".to_owned(), |until| until.to_string());
        lines.push(format!("sizes {} {} {until}", span.key().vkey(), span.from()));
    }
    lines
}

#[cfg(test)]
mod tests;
