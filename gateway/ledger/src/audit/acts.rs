//! What receivers, sources and officers say of earlier entries: each names the entry that it is about, and that is there and of the kind that it must be.
//!
//! Takes each leaf with its index and hash. Refuses an acknowledgement of no extract, an answer to no ticket, a result of no question, and a step to an opened evidence
//! record without the step before it: nobody approves his own question, and what is opened was approved by another officer under the same statement. Whether two officers are of different units the bundle in force says, which is not at hand here.
//!
//! Memory: about 150 bytes for each extract, question, ticket and step.

use std::collections::HashMap;

use super::At;
use super::pushes::Pushes;
use crate::leaf::{Digest, Event, OfficerUnsealEvent, Reference};
use crate::tree::Hash;

/// What was said before and may be referred to, by index.
#[derive(Debug, Default)]
pub(super) struct Acts {
    extracts: HashMap<u64, Named>,
    /// By the officer's id.
    questions: HashMap<u64, Named>,
    tickets: HashMap<u64, Named>,
    asked: HashMap<u64, Step>,
    approved: HashMap<u64, Step>,
}

/// An entry by its hash and a name that whoever refers to it repeats.
#[derive(Debug)]
struct Named {
    hash: Hash,
    name: String,
}

#[derive(Debug)]
struct Step {
    hash: Hash,
    exchange: String,
    statement: Digest,
    /// Who asked; none: only the hash of that entry is there.
    asker: Option<String>,
}

impl Acts {
    /// Takes the next leaf; a ticket's push is among those.
    pub(super) fn take(&mut self, at: &At<'_>, pushes: &Pushes) -> Result<(), String> {
        let named = |name: &str| Named {
            hash: at.hash,
            name: name.to_owned(),
        };
        match at.event {
            Event::Pull(event) => {
                self.extracts.insert(at.index, named(&event.x));
            }
            Event::OfficerQuery(event) => {
                self.questions.insert(at.index, named(&event.who));
            }
            Event::Ticket(event) => {
                if !pushes.is_push(event.of.i, at.hashed) {
                    return Err(format!("it asks about leaf {}, which is no push", event.of.i));
                }
                pushes.means(event.of, &event.push, Some(&event.p))?;
                self.tickets.insert(at.index, named(&event.x));
            }
            Event::ReceiptAck(event) => at.refers(event.of, &self.extracts, &event.x, "an extract")?,
            Event::TicketAnswer(event) => at.refers(event.of, &self.tickets, &event.x, "a ticket")?,
            Event::OfficerResult(event) => at.refers(event.of, &self.questions, &event.who, "his question")?,
            Event::OfficerUnseal(event) => self.step(at, event)?,
            _ => {}
        }
        Ok(())
    }

    fn step(&mut self, at: &At<'_>, event: &OfficerUnsealEvent) -> Result<(), String> {
        let mut step = Step {
            hash: at.hash,
            exchange: event.x.clone(),
            statement: event.stmt,
            asker: None,
        };
        match (event.step.as_str(), event.of) {
            ("ask", None) => {
                step.asker = Some(event.who.clone());
                self.asked.insert(at.index, step);
            }
            ("approve", Some(of)) => {
                let asked = at.follows(of, &self.asked, event, "asked")?;
                step.asker = asked.and_then(|asked| asked.asker.clone());
                if step.asker.as_ref() == Some(&event.who) {
                    return Err(format!("`{}` approves what he asked for himself", event.who));
                }
                self.approved.insert(at.index, step);
            }
            ("open", Some(of)) => {
                let approved = at.follows(of, &self.approved, event, "approved")?;
                let asker = approved.and_then(|approved| approved.asker.as_ref());
                if asker.is_some_and(|asker| *asker != event.who) {
                    return Err(format!("`{}` opens what another officer asked for", event.who));
                }
            }
            (step, _) => {
                return Err(format!(
                    "a record is not opened by a step `{step}` without the one before"
                ));
            }
        }
        Ok(())
    }
}

impl At<'_> {
    fn refers(&self, of: Reference, known: &HashMap<u64, Named>, name: &str, what: &str) -> Result<(), String> {
        match known.get(&of.i) {
            Some(named) if named.hash == of.h.0 && named.name == name => Ok(()),
            Some(_) => Err(format!("it names leaf {} by another hash or name", of.i)),
            None if of.i < self.hashed => Ok(()),
            None => Err(format!("it is about leaf {}, which is not {what}", of.i)),
        }
    }

    /// The step before; none: only its hash is there.
    fn follows<'k>(
        &self,
        of: Reference,
        known: &'k HashMap<u64, Step>,
        event: &OfficerUnsealEvent,
        what: &str,
    ) -> Result<Option<&'k Step>, String> {
        match known.get(&of.i) {
            Some(step) if step.hash == of.h.0 && step.exchange == event.x && step.statement == event.stmt => {
                Ok(Some(step))
            }
            Some(_) => Err(format!("it names leaf {} by another hash, exchange or statement", of.i)),
            None if of.i < self.hashed => Ok(None),
            None => Err(format!("nothing was {what} by leaf {}", of.i)),
        }
    }
}
