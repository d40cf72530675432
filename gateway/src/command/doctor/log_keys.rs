//! What `doctor` finds about the log and the keys that sign it: whether `serve` would go on with it, orders that wait, two that sign, files of keys that have ended, a trust file that lags behind.

use std::path::Path;

use shuguan_ledger::keys::{KeySpan, LogKeys};
use shuguan_ledger::note::VerifyingKey;

use super::{Findings, Verdict};
use crate::chain::Chain;
use crate::client::deliver::load_trust;
use crate::clock::Clock;
use crate::config::Config;
use crate::journal::{JournalFault, Reader, Volume, check_head, is_over, log_keys_of, proposal};
use crate::pki::log_keys::{self, LogKeyFiles};
use crate::pki::period;
use crate::serve::journal_settings;

const CHECK: &str = "log key";

/// Compares key files, log and trust file; what cannot be read has findings of its own.
pub(super) fn look(config: &Config, findings: &mut Findings) {
    let Ok(files) = log_keys::read(&config.keys.log) else {
        return;
    };
    let Ok(settings) = journal_settings(config) else {
        return;
    };
    let keys = log_keys_of(&settings).and_then(|keys| check_head(&settings).map(|()| keys));
    let keys = match keys {
        Ok(keys) => keys,
        // It has a finding of its own.
        Err(JournalFault::Absent(_)) => return,
        Err(fault) => {
            let next = "keep the files as they are; gateway/OPERATING.md, `The journal is older than what was signed`";
            return findings.add(Verdict::Fail, CHECK, Chain(&fault).to_string(), next);
        }
    };
    let reader = Reader::open(&config.journal.place);
    let Some((volumes, past)) = reader.ok().as_ref().and_then(volumes_and_before) else {
        return;
    };
    let Some(volume) = volumes.last() else { return };
    let before = findings.0.len();
    year(&volumes, Clock::system().now_us(), findings);
    let origin = volume.origin.as_str();
    let made = Made {
        first: &config.keys.log,
        past: &past,
    };
    seeds(origin, &files, &keys, &made, findings);
    let signing: Vec<_> = keys.open_ended().collect();
    for span in &signing {
        let id = span.key().id();
        if files.ends.iter().any(|(end, _, _)| *end == id) {
            let what = format!("{id} is ordered to end");
            findings.add(Verdict::Warn, CHECK, what, "reload the gateway (SIGHUP)");
        }
    }
    if let [_, newest] = signing.as_slice() {
        let what = format!("two keys sign the log since {} entries", newest.from());
        let next = "when witnesses and partners know the new one: shuguan key retire";
        findings.add(Verdict::Warn, CHECK, what, next);
    }
    trust_file(config, origin, &keys, findings);
    if let ([one], true) = (signing.as_slice(), findings.0.len() == before) {
        findings.ok(CHECK, format!("{} signs the log", one.key().id()));
    }
}

/// The logs that a journal had before the volume that is written.
#[derive(Default)]
struct Past {
    /// Their names.
    had: Vec<String>,
    /// Keys that signed the volumes which were closed by plan.
    keys: Vec<KeySpan>,
}

fn volumes_and_before(reader: &Reader) -> Option<(Vec<Volume>, Past)> {
    let volumes = reader.volumes().ok()?;
    let opened = reader.logs_opened().ok()?;
    let had = opened.into_iter().flat_map(|one| [Some(one.of), one.had]);
    let had = had.flatten().collect();
    let keys = reader.past_keys().ok()?;
    Some((volumes, Past { had, keys }))
}

/// What tells for which log a seed was made.
struct Made<'a> {
    /// The first key's file, which no key id names.
    first: &'a Path,
    past: &'a Past,
}

impl Made<'_> {
    /// The log that is over of which the seed was made a key: the file of any but the first is named by the key that it is under the name of its log.
    fn key_of(&self, path: &Path, files: &LogKeyFiles) -> Option<VerifyingKey> {
        self.past.had.iter().find_map(|name| {
            let waiting = files.waiting(name, &LogKeys::default()).ok()?;
            let (_, key) = waiting.into_iter().find(|(file, _)| *file == path)?;
            Some(key.verifying_key())
        })
    }

    /// What became of a seed that is none of the log's; none: its log does not exist yet.
    fn fate(&self, path: &Path, files: &LogKeyFiles) -> Option<String> {
        let shown = path.display();
        let over =
            format!("`{shown}` signs nothing: it is the seed of another log, such as one that this one succeeds");
        if path == self.first {
            return Some(over);
        }
        let key = self.key_of(path, files)?;
        let signed = self.past.keys.iter().any(|span| *span.key() == key);
        let is_closed = self.past.keys.iter().any(|span| span.key().name() == key.name());
        Some(if is_closed && !signed {
            format!(
                "`{shown}` never signed anything: it was ordered for `{}`, which was closed before a reload took it; the volume that is written has a key of its own",
                key.name()
            )
        } else {
            over
        })
    }
}

/// A volume whose year is over is a notice: it goes on until an operator turns it.
fn year(volumes: &[Volume], now_us: i64, findings: &mut Findings) {
    let newest = volumes.last().filter(|newest| is_over(newest, now_us));
    if let (Some(newest), Some(name)) = (newest, proposal(volumes, now_us)) {
        let what = format!(
            "the volume `{}` is that of {}, and it is {}",
            newest.origin,
            newest.year(),
            period::year(now_us)
        );
        let next = format!("shuguan log turn --open {name} --yes");
        findings.add(Verdict::Warn, "log volume", what, next);
    }
}

/// Which seeds wait, and which are of no use any more.
fn seeds(origin: &str, files: &LogKeyFiles, keys: &LogKeys, made: &Made<'_>, findings: &mut Findings) {
    let (Ok(seeds), Ok(waiting)) = (files.keys_of(origin), files.waiting(origin, keys)) else {
        return;
    };
    for (path, key) in seeds {
        let key = key.verifying_key();
        let (id, shown) = (key.id(), path.display());
        let destroy = format!("destroy it, in backups too, once `shuguan key publish` has run: shred -u {shown}");
        let span = keys.spans().iter().find(|span| *span.key() == key);
        let waits = waiting.iter().any(|(waits, _)| *waits == path);
        let (what, next) = match (span, made.fate(path, files)) {
            (Some(span), _) => {
                let Some(until) = span.until() else { continue };
                let what = format!("{id} signs nothing from {until} entries on, and `{shown}` is still there");
                (what, destroy)
            }
            (None, _) if waits => {
                let what = format!("{id} waits to sign beside the old key");
                (what, "reload the gateway (SIGHUP)".to_owned())
            }
            (None, Some(what)) => (what, destroy),
            (None, None) => {
                let what = format!("`{shown}` was made for a log that does not exist yet, and signs nothing");
                let next = "keep it: `shuguan log turn --open NAME` of its name begins with it".to_owned();
                (what, next)
            }
        };
        findings.add(Verdict::Warn, CHECK, what, next);
    }
}

/// Whether the trust file beside the gateway knows of every change.
fn trust_file(config: &Config, origin: &str, keys: &LogKeys, findings: &mut Findings) {
    let folder = config.journal.beside();
    let there = folder.and_then(|folder| load_trust(&folder.join("trust/trust.txt")).ok());
    let Some(there) = there else { return };
    let known = there.keys_of(origin);
    let same = keys.spans().iter().all(|span| {
        let known = known.spans().iter().find(|known| known.key() == span.key());
        known.is_some_and(|known| (known.from(), known.until()) == (span.from(), span.until()))
    });
    if !same {
        let what = "the trust file does not know every change of the log's key";
        findings.add(Verdict::Warn, CHECK, what, "shuguan key publish");
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::{Findings, LogKeys, Made, Past, Volume, log_keys, seeds, year};

    #[test]
    fn a_log_without_entries_is_of_no_year_and_one_of_a_year_before_is_told() {
        let mut volume = Volume {
            origin: "log.example".into(),
            log: "log.example".into(),
            from: 0,
            since_us: 0,
            size: None,
            is_whole: true,
        };
        let mut findings = Findings::default();
        // 2026-11-28.
        let now_us = 1_795_824_000_000_000;
        year(std::slice::from_ref(&volume), now_us, &mut findings);
        assert_eq!(findings.0.len(), 0);
        volume.since_us = 1;
        year(&[volume], now_us, &mut findings);
        let next = findings.0.first().map(|finding| finding.next.as_str());
        assert_eq!(next, Some("shuguan log turn --open log.example/2026 --yes"));
    }

    #[test]
    fn a_seed_that_was_prepared_for_the_next_volume_is_not_to_be_destroyed_and_that_of_one_before_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = folder.path().join("log.seed");
        let made = [
            "log.example",
            "log.example/2026",
            "log.example/2026",
            "log.example/2028",
        ];
        let [signs, before, ordered, prepared] =
            made.map(|name| log_keys::begin(&first, name).unwrap().verifying_key());
        let keys = LogKeys::of([signs.into()]);
        let files = log_keys::read_any(&first).unwrap();
        let made = Made {
            first: &first,
            past: &Past {
                had: vec!["log.example/2026".to_owned()],
                keys: vec![before.clone().into()],
            },
        };
        let mut findings = Findings::default();
        seeds("log.example", &files, &keys, &made, &mut findings);
        let said = |id: String| findings.0.iter().find(|finding| finding.what.contains(&id)).unwrap();
        assert_eq!(findings.0.len(), 3);
        for (id, words) in [(before.id(), "signs nothing"), (ordered.id(), "never signed anything")] {
            let said = said(id);
            assert!(said.what.contains(words) && said.next.contains("shred"), "{said:?}");
        }
        let said = said(prepared.id());
        assert!(
            said.what.contains("does not exist yet") && !said.next.contains("shred"),
            "{said:?}"
        );
    }
}
