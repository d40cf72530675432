//! What became of each push: it is relayed, set aside, fed again, given up, recalled or erased, each as often as that can be.
//!
//! Takes the leaves that say so, in the order of the log; says which pushes and recalls wait at the end. Refuses counts that do not add up, a leaf about a push that is not there or by another
//! hash, exchange or partner, a `relayed` leaf whose counts are not those of the rows that were accepted, and a second one where there can be one only. Of an entry that is
//! known by its hash alone it is believed that it is a push, and its partner's.
//!
//! Memory: five bits a leaf, 40 bytes for each push, and about 200 for each that waits.

use std::collections::{HashMap, HashSet};

use super::At;
use super::known::Known;
use crate::leaf::{
    ErasedEvent, Event, OperatorEvent, PushEvent, RecallEvent, RecalledEvent, Reference, RelayedEvent, SetAsideEvent,
};
use crate::tree::Hash;

/// The pushes taken so far, by index.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    waiting: HashMap<u64, Waiting>,
    /// Exchanges of pushes that an operator gave up and that are not erased yet.
    given_up: HashSet<String>,
    /// Where a push stands.
    places: Marks,
    relayed: Marks,
    erased: Marks,
    recalled: Marks,
    /// Recalls of earlier volumes that were answered.
    answered: Marks,
    /// Recalls that wait for their `recalled` leaf, by index.
    recalling: HashMap<u64, Waiting>,
    known: Known,
    /// Of each partner and record type the place of its newest snapshot.
    snapshots: HashMap<Sender, u64>,
}

/// Partner and record type.
type Sender = (String, String);

/// Where a push stands, as the leaves so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No leaf says that the registry has it.
    Waiting,
    /// The registry has it.
    Relayed,
    /// An operator gave it up, or its partner took it back.
    GivenUp,
    /// Its payload is gone, as its leaf says.
    Erased,
}

/// A push that waits for its `relayed` leaf, or a recall for its `recalled` one.
#[derive(Debug)]
struct Waiting {
    hash: Hash,
    exchange: String,
    /// What is known of its rows.
    rows: Option<Rows>,
}

/// The rows that a push brought.
#[derive(Debug)]
struct Rows {
    accepted: u64,
    /// What a snapshot closes are rows that it did not bring.
    snapshot: bool,
    sender: Sender,
}

impl Pushes {
    /// Takes the next leaf.
    pub(super) fn take(&mut self, at: &At<'_>) -> Result<(), String> {
        match at.event {
            Event::Push(event) => self.pushed(at, event),
            Event::Relayed(event) => self.relayed(event, at.hashed),
            Event::SetAside(event) => self.set_aside(event, at.hashed),
            Event::Erased(event) => self.erased(event, at.hashed),
            Event::Recall(event) => self.recall(at, event),
            Event::Recalled(event) => self.recalled(event, at.hashed),
            Event::Operator(event) if event.of.is_some() => self.fed_again(event, at.hashed),
            Event::Operator(event) if event.act == "discarded" => {
                self.given_up.extend(event.x.clone());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Where the push at an index stands; none: no leaf of a push was taken there.
    pub(super) fn standing(&self, index: u64) -> Option<Standing> {
        let waiting = self.waiting.get(&index);
        let given_up = waiting.is_some_and(|push| self.given_up.contains(&push.exchange));
        self.places.has(index).then(|| match waiting {
            _ if self.erased.has(index) => Standing::Erased,
            _ if given_up || self.recalled.has(index) => Standing::GivenUp,
            Some(_) => Standing::Waiting,
            None => Standing::Relayed,
        })
    }

    /// Pushes that no leaf answers yet, and that no operator gave up.
    pub(super) fn waiting(&self) -> u64 {
        let waiting = self.waiting.values();
        let waiting = waiting.filter(|push| !self.given_up.contains(&push.exchange)).count();
        u64::try_from(waiting).unwrap_or(u64::MAX)
    }

    /// Recalls that no `recalled` leaf answers yet.
    pub(super) fn recalling(&self) -> u64 {
        u64::try_from(self.recalling.len()).unwrap_or(u64::MAX)
    }

    /// The first push whose exchange an earlier one has.
    pub(super) fn first_repeated(self) -> Option<u64> {
        self.known.first_repeated()
    }

    fn pushed(&mut self, at: &At<'_>, event: &PushEvent) -> Result<(), String> {
        // Each is below 2^53: the sum cannot overflow.
        if event.r#in != event.ok + event.rej + event.fil + event.rep {
            return Err("its counts do not add up: received is not accepted, rejected, filtered and repeated".into());
        }
        let (hash, exchange) = (at.hash, event.x.clone());
        self.known.push(at.index, &hash, &exchange, &event.p);
        let snapshot = event.mode.as_deref() == Some("snapshot");
        let sender = (event.p.clone(), event.rec.clone());
        if snapshot {
            self.snapshots.insert(sender.clone(), at.index);
        }
        let rows = Some(Rows {
            accepted: event.ok,
            snapshot,
            sender,
        });
        self.waiting.insert(at.index, Waiting { hash, exchange, rows });
        self.places.set(at.index);
        Ok(())
    }

    /// A `relayed` leaf answers exactly one push that came before it, and tells of each of its rows.
    fn relayed(&mut self, event: &RelayedEvent, hashed: u64) -> Result<(), String> {
        let of = event.of;
        if self.given_up.contains(&event.x) {
            return Err(format!("it relays leaf {}, which an operator gave up", of.i));
        }
        match self.waiting.remove(&of.i) {
            Some(push) if push.hash == of.h.0 && push.exchange == event.x => {
                if let Some(rows) = push.rows {
                    let newer = self.snapshots.get(&rows.sender).is_some_and(|newest| *newest > of.i);
                    rows.are_told(event, newer)?;
                }
                self.relayed.set(of.i);
                Ok(())
            }
            Some(_) => Err(misnamed(of)),
            None if of.i < hashed && !self.relayed.has(of.i) && !self.gone(of.i) => {
                self.relayed.set(of.i);
                Ok(())
            }
            None => Err(format!(
                "it relays leaf {}, which is no push, or was relayed or erased before",
                of.i
            )),
        }
    }

    /// Only what waits for the relay is set aside.
    fn set_aside(&self, event: &SetAsideEvent, hashed: u64) -> Result<(), String> {
        let of = event.of;
        match self.waiting.get(&of.i) {
            Some(push) if push.hash == of.h.0 && push.exchange == event.x => Ok(()),
            Some(_) => Err(misnamed(of)),
            None if of.i < hashed && !self.relayed.has(of.i) && !self.gone(of.i) => Ok(()),
            None => Err(format!(
                "it sets leaf {} aside, which is no push that waits for the relay",
                of.i
            )),
        }
    }

    /// A registry that was put back from a backup lacks what was relayed since: the push waits once more. What it is called here, its second
    /// `relayed` leaf must call it too; a bit for each leaf is all that is kept of the first.
    fn fed_again(&mut self, event: &OperatorEvent, hashed: u64) -> Result<(), String> {
        let (Some(of), Some(exchange)) = (event.of, event.x.clone()) else {
            return Err("it feeds a push again and names no exchange".into());
        };
        let was_relayed = self.relayed.has(of.i) || of.i < hashed;
        if !was_relayed || self.gone(of.i) || self.waiting.contains_key(&of.i) {
            return Err(format!(
                "it feeds leaf {} again, which was not relayed, or waits, or was erased before, or recalled",
                of.i
            ));
        }
        self.means(of, &exchange, None)?;
        let hash = of.h.0;
        let rows = None;
        self.waiting.insert(of.i, Waiting { hash, exchange, rows });
        Ok(())
    }

    fn gone(&self, index: u64) -> bool {
        self.erased.has(index) || self.recalled.has(index)
    }

    /// A leaf about a push calls it by its own hash, exchange and partner, whatever became of it.
    pub(super) fn means(&self, of: Reference, exchange: &str, partner: Option<&str>) -> Result<(), String> {
        let meant = self.known.is_meant(&of, exchange, partner);
        meant.then_some(()).ok_or_else(|| misnamed(of))
    }

    /// Whether a push stands there, as far as its leaf was seen.
    pub(super) fn is_push(&self, index: u64, hashed: u64) -> bool {
        index < hashed || self.places.has(index)
    }

    fn erased(&mut self, event: &ErasedEvent, hashed: u64) -> Result<(), String> {
        let of = event.of;
        if !self.is_push(of.i, hashed) || self.erased.has(of.i) {
            return Err(format!(
                "it erases leaf {}, which is no push or was erased before",
                of.i
            ));
        }
        self.means(of, &event.x, None)?;
        let given_up = self.given_up.remove(&event.x);
        match self.waiting.remove(&of.i) {
            Some(push) if push.hash != of.h.0 || push.exchange != event.x => return Err(misnamed(of)),
            // What was acknowledged would be nowhere.
            Some(_) if !given_up => return Err(format!("it erases leaf {}, which waits for the relay", of.i)),
            _ => {}
        }
        self.erased.set(of.i);
        Ok(())
    }

    /// Its own partner withdraws a push, once; it is not relayed any more.
    fn recall(&mut self, at: &At<'_>, event: &RecallEvent) -> Result<(), String> {
        let of = event.of;
        if !self.is_push(of.i, at.hashed) || self.recalled.has(of.i) {
            return Err(format!(
                "it recalls leaf {}, which is no push or was recalled before",
                of.i
            ));
        }
        // Relayed or not: nobody takes back what another sent.
        self.means(of, &event.push, Some(&event.p))?;
        if let Some(push) = self.waiting.remove(&of.i)
            && (push.hash != of.h.0 || push.exchange != event.push)
        {
            return Err(misnamed(of));
        }
        self.recalled.set(of.i);
        let (hash, exchange) = (at.hash, event.x.clone());
        let rows = None;
        self.recalling.insert(at.index, Waiting { hash, exchange, rows });
        Ok(())
    }

    /// A `recalled` leaf answers exactly one recall that came before it.
    fn recalled(&mut self, event: &RecalledEvent, hashed: u64) -> Result<(), String> {
        match self.recalling.remove(&event.of.i) {
            Some(recall) if recall.hash == event.of.h.0 && recall.exchange == event.x => Ok(()),
            Some(_) => Err(misnamed(event.of)),
            None if event.of.i < hashed && !self.answered.has(event.of.i) => {
                self.answered.set(event.of.i);
                Ok(())
            }
            None => Err(format!(
                "it answers leaf {}, which is no recall or was answered before",
                event.of.i
            )),
        }
    }
}

impl Rows {
    /// Each row that was accepted was inserted, updated, left as it was, refused, or closed. A snapshot closes rows that it did not bring as well. What came after a
    /// `newer` snapshot that lacks it is closed too, and versions before did not say so of an upsert.
    fn are_told(&self, event: &RelayedEvent, newer: bool) -> Result<(), String> {
        // Each is below 2^53: the sums cannot overflow.
        let kept = event.ins + event.upd + event.same + event.fail;
        let with_closed = kept + event.del.unwrap_or_default();
        let (i, accepted) = (event.of.i, self.accepted);
        let unsaid = newer && event.del.is_none();
        let is_whole = unsaid || accepted == with_closed || (self.snapshot && accepted < with_closed);
        if kept <= accepted && is_whole {
            return Ok(());
        }
        Err(format!(
            "its counts are not those of leaf {i}, which brought {accepted} rows"
        ))
    }
}

fn misnamed(of: Reference) -> String {
    format!("it names leaf {} by another hash, exchange or partner", of.i)
}

/// A bit for each leaf.
#[derive(Debug, Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn set(&mut self, index: u64) {
        let Ok(word) = usize::try_from(index / 64) else { return };
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(bits) = self.0.get_mut(word) {
            *bits |= 1 << (index % 64);
        }
    }

    fn has(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).ok().and_then(|word| self.0.get(word));
        word.is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }
}
