//! Correction tickets: a source is asked to check one field of one row that it sent (design 10.10).
//!
//! Takes an operator's choice of exchange, row and field; gives a sealed `ticket` leaf that only the source of that exchange sees, and that says nothing about any other
//! source, nor why it is asked. Takes the source's answer; gives its sealed `ticket-answer` leaf. The log is where tickets stand: nothing else keeps them. Refuses a row
//! or field that the exchange has not, more than so many tickets a day and source, and an answer to what is another's, which looks like what does not exist.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Digest, Event, Leaf, PushEvent, Reference, TicketAnswerEvent, TicketEvent};
use shuguan_ledger::time;
use shuguan_ledger::tree::leaf_hash;
use uuid::Uuid;

use super::admit::idempotency_key;
use super::inflight::InFlight;
use super::seal::unavailable;
use super::signing::{commit_request, nonce};
use super::{Fault, Refused, Stations, Stop};
use crate::clock;
use crate::edge::Peer;
use crate::journal::{Entry, Evidence, ExchangeView, Idempotency, Outcome, Query, Sealed};
use crate::refusal::Refusal;
use crate::signature::{Message, digest, profile};

/// Tickets to one source within 24 hours.
pub const A_DAY_MAX: usize = 100;
const DAY_US: i64 = 86_400_000_000;

/// What an operator wants checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    exchange: Uuid,
    /// Among the accepted rows of the exchange, from 1.
    row: u64,
    field: String,
}

/// Seals a ticket; gives its leaf.
///
/// # Errors
/// A refusal, or a journal that cannot commit.
pub async fn open(stations: &Stations, operator: &Peer, order: &Order) -> Result<Sealed, Stop> {
    let view = exchange(stations, order.exchange).await?;
    let Event::Push(push) = &view.leaf.event else {
        return Err(Refusal::NotFound.into());
    };
    fits(push, order)?;
    let newest = asked(
        stations,
        &push.p,
        None,
        Some(stations.clock.now_us().saturating_sub(DAY_US)),
    )
    .await?;
    if newest.len() >= A_DAY_MAX {
        return Err(Refusal::TooManyTickets.into());
    }
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let event = TicketEvent {
        x: exchange.to_string(),
        p: push.p.clone(),
        who: operator.partner().id.clone(),
        rec: push.rec.clone(),
        push: order.exchange.to_string(),
        of: reference(&view)?,
        row: order.row,
        fld: order.field.clone(),
    };
    let mut entry = Entry::new(exchange, Event::Ticket(event));
    entry.partner = Some(push.p.clone());
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused | Outcome::Replayed => Err(Fault::new("a ticket has no idempotency key").into()),
    }
}

/// Whether the exchange has such a row and the record type such a field.
fn fits(push: &PushEvent, order: &Order) -> Result<(), Stop> {
    let wrong = |detail: &str| Err(Refused::new(Refusal::BadRequest).detail(detail).into());
    // Of a snapshot the rejected rows are named in the registry's count as well.
    let named = push.rej * u64::from(push.mode.as_deref() == Some("snapshot"));
    if order.row == 0 || order.row > push.ok.saturating_add(named) {
        return wrong("`row` counts the accepted rows of the exchange, from 1");
    }
    match record_type(&push.rec).and_then(|record| record.field(&order.field)) {
        Some(_) => Ok(()),
        None => wrong("`field` is none of the record type"),
    }
}

/// The answer as it came.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// Id of the ticket, out of the path.
    pub ticket: &'a str,
    /// Method, target and headers.
    pub message: Message<'a>,
    /// The body.
    pub body: &'a [u8],
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    say: Say,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Say {
    /// It was wrong; the right row follows, or has been sent.
    Corrected,
    /// It is right as it was sent.
    Confirmed,
}

impl Say {
    fn code(self) -> &'static str {
        match self {
            Self::Corrected => "corrected",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Seals an answer. A source may answer anew, and the newest answer counts.
///
/// # Errors
/// A refusal, or a journal that cannot commit.
pub async fn answer(stations: &Stations, peer: &Peer, head: &AnswerHead<'_>) -> Result<Sealed, Stop> {
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let id: Uuid = head.ticket.parse().map_err(|_| Refusal::NotFound)?;
    let view = exchange(stations, id).await?;
    let is_theirs = matches!(&view.leaf.event, Event::Ticket(ticket) if ticket.p == peer.partner().id);
    if !is_theirs {
        return Err(Refusal::NotFound.into());
    }
    let found = digest::sha256(head.body);
    if digest::stated(head.message.headers).is_some_and(|stated| stated != Some(found)) {
        return Err(Refusal::BadDigest.into());
    }
    let now_us = stations.clock.now_us();
    let signed = stations.signing.judge(&profile::TICKET, &head.message, peer, now_us)?;
    let say = read(head.body)?.say;
    let key = idempotency_key(head.message.headers).ok_or(Refusal::BadIdempotencyKey)?;
    let tag = stations.tags.idempotency(&peer.partner().id, key);
    let _in_flight =
        InFlight::begin(&stations.in_flight, tag).ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?;
    let mut evidence = Evidence::fresh().map_err(Fault::from_error("make an evidence record"))?;
    let event = TicketAnswerEvent {
        x: id.to_string(),
        p: peer.partner().id.clone(),
        of: reference(&view)?,
        say: say.code().into(),
        req: commit_request(&mut evidence, &found, signed.as_ref()),
    };
    let mut entry = Entry::new(id, Event::TicketAnswer(event));
    entry.partner = Some(peer.partner().id.clone());
    entry.idempotency = Some(Idempotency {
        tag,
        content: stations.tags.content(&found, head.ticket, "ticket", "", ""),
    });
    entry.nonce = signed.as_ref().map(|signed| nonce(&stations.tags, signed, &tag));
    entry.evidence = Some(evidence);
    match stations.journal.seal(entry).await.map_err(unavailable)? {
        Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed),
        Outcome::KeyReused => Err(Refusal::KeyReused.into()),
        Outcome::Replayed => Err(Refusal::Replayed.into()),
    }
}

fn read(body: &[u8]) -> Result<Document, Stop> {
    // serde's message would echo what was sent, so it stays here.
    serde_json::from_slice(body).map_err(|_| {
        let members = "the one member is say: corrected or confirmed";
        Refused::new(Refusal::BadRequest).detail(members).into()
    })
}

/// The tickets of a partner, the newest first, at most 1,000 and before that leaf, each with its newest answer. Of who asked and of what else is
/// known about the person or unit nothing is said.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(stations: &Stations, partner: &str, before: Option<u64>) -> Result<Value, Stop> {
    let tickets = asked(stations, partner, before, None).await?;
    let answers = said(stations, partner).await?;
    let next = tickets.last().map(|(index, ..)| *index);
    let lines: Vec<Value> = tickets
        .iter()
        .map(|(index, opened_us, ticket)| {
            let zh = record_type(&ticket.rec).and_then(|record| record.field(&ticket.fld));
            let answer = answers.get(&ticket.x);
            json!({
                "id": ticket.x, "record": ticket.rec, "exchange": ticket.push, "row": ticket.row, "field": ticket.fld,
                "zh": zh.map(|field| field.zh), "opened": time::format(*opened_us), "index": index,
                "answer": answer.map(|(say, _)| say), "answered": answer.map(|(_, at_us)| time::format(*at_us)),
            })
        })
        .collect();
    Ok(json!({ "schema": "shuguan.tickets.v1", "tickets": lines, "before": next }))
}

/// Tickets of a partner, the newest first: index, moment, what it says.
async fn asked(
    stations: &Stations,
    partner: &str,
    before_index: Option<u64>,
    from_us: Option<i64>,
) -> Result<Vec<(u64, i64, TicketEvent)>, Stop> {
    let query = Query {
        partner: Some(partner.to_owned()),
        kind: Some("ticket".into()),
        before_index,
        from_us,
        ..Query::default()
    };
    let leaves = leaves(stations, query).await?;
    let tickets = leaves.into_iter().filter_map(|(index, leaf)| match leaf.event {
        Event::Ticket(ticket) => Some((index, leaf.t, ticket)),
        _ => None,
    });
    Ok(tickets.collect())
}

/// The newest answer to each ticket of a partner, with its moment.
async fn said(stations: &Stations, partner: &str) -> Result<HashMap<String, (String, i64)>, Stop> {
    let mut newest = HashMap::new();
    let mut before_index = None;
    loop {
        let query = Query {
            partner: Some(partner.to_owned()),
            kind: Some("ticket-answer".into()),
            before_index,
            ..Query::default()
        };
        let leaves = leaves(stations, query).await?;
        let Some((last, _)) = leaves.last() else {
            return Ok(newest);
        };
        before_index = Some(*last);
        for (_, leaf) in leaves {
            if let Event::TicketAnswer(answer) = leaf.event {
                newest.entry(answer.x).or_insert((answer.say, leaf.t));
            }
        }
    }
}

async fn leaves(stations: &Stations, query: Query) -> Result<Vec<(u64, Leaf)>, Stop> {
    let rows = stations.journal.search(query).await;
    let rows = rows.map_err(Fault::from_error("search the log"))?;
    let decoded = rows.iter().map(|row| Ok((row.index, Leaf::decode(&row.bytes)?)));
    let decoded: Result<Vec<_>, shuguan_ledger::leaf::LeafError> = decoded.collect();
    Ok(decoded.map_err(Fault::from_error("read a leaf"))?)
}

async fn exchange(stations: &Stations, id: Uuid) -> Result<ExchangeView, Stop> {
    let view = stations.journal.exchange(id).await;
    let view = view.map_err(Fault::from_error("read an exchange"))?;
    Ok(view.ok_or(Refusal::NotFound)?)
}

fn reference(view: &ExchangeView) -> Result<Reference, Stop> {
    let bytes = view.leaf.encode().map_err(Fault::from_error("write a leaf"))?;
    Ok(Reference {
        i: view.index,
        h: Digest(leaf_hash(&bytes)),
    })
}
