//! Correction tickets: a source is asked to check one field of one row that it sent (design 10.10).
//!
//! Takes an operator's choice of exchange, row and field; gives a sealed `ticket` leaf that only the source of that exchange sees, and that says nothing about any other
//! source, nor why it is asked. Takes the source's answer; gives its sealed `ticket-answer` leaf. The log is where tickets stand: nothing else keeps them. Refuses a row
//! or field that the exchange has not, a field that its plan withheld among them, more than so many tickets a day and source, and an answer to what is another's, which looks like what does not exist.

use serde::Deserialize;
use serde_json::{Value, json};
use shuguan_adapters::catalogue::record_type;
use shuguan_ledger::leaf::{Event, Leaf, PushEvent, TicketAnswerEvent, TicketEvent};
use shuguan_ledger::time;
use uuid::Uuid;

use super::seal::unavailable;
use super::statement::{self, Statement, StatementHead};
use super::{Fault, Refused, Stations, Stop};
use crate::bundle::past;
use crate::clock::{self, DAY_US};
use crate::edge::Peer;
use crate::journal::{Entry, Query, Sealed};
use crate::refusal::Refusal;
use crate::signature::profile;

/// Tickets to one source within 24 hours.
pub const A_DAY_MAX: usize = 100;

/// What is said of a field when neither the exchange's record nor its plan is there.
const UNKNOWN: &str = "what the exchange released is not known any more";

/// What an operator wants checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Of which push.
    pub exchange: Uuid,
    /// Among the accepted rows of the exchange, from 1.
    pub row: u64,
    /// Which field.
    pub field: String,
}

/// Seals a ticket; gives its leaf.
///
/// # Errors
/// A refusal, or a journal that cannot commit.
pub async fn open(stations: &Stations, operator: &Peer, order: &Order) -> Result<Sealed, Stop> {
    let view = statement::exchange(stations, order.exchange).await?;
    let Event::Push(push) = &view.leaf.event else {
        return Err(Refusal::NotFound.into());
    };
    fits(push, order)?;
    is_released(stations, push, order).await?;
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
        of: statement::reference(&view)?,
        row: order.row,
        fld: order.field.clone(),
    };
    let mut entry = Entry::new(exchange, Event::Ticket(event));
    entry.partner = Some(push.p.clone());
    statement::sealed(stations.journal.seal(entry).await.map_err(unavailable)?)
}

/// Whether the exchange has such a row.
fn fits(push: &PushEvent, order: &Order) -> Result<(), Stop> {
    // Of a snapshot the rejected rows are named in the registry's count as well.
    let named = push.rej * u64::from(push.mode.as_deref() == Some("snapshot"));
    if order.row == 0 || order.row > push.ok.saturating_add(named) {
        return Err(bad("`row` counts the accepted rows of the exchange, from 1"));
    }
    Ok(())
}

/// Whether the field was released: what the plan withheld nobody here has seen, and to ask after it would ask for what no grant gives. The exchange's own record
/// says which columns there were; of one that is destroyed the plan does under which it was sealed. What today's catalogue or bundle says decides nothing.
async fn is_released(stations: &Stations, push: &PushEvent, order: &Order) -> Result<(), Stop> {
    let opening = stations.journal.opening(order.exchange).await;
    let opening = opening.map_err(Fault::from_error("read which columns there were"))?;
    let released = if let Some(opening) = opening {
        opening.columns.iter().any(|column| column.name == order.field)
    } else {
        let kept = past::reported(stations, push.plan.0).await;
        let kept = kept.map_err(Fault::from_error("read a past plan"))?;
        // Of a plan that nobody knows any more nothing says that it withheld the field either.
        let known = kept.known().ok_or_else(|| bad(UNKNOWN))?;
        known.plan.columns.iter().any(|column| column.name == order.field)
    };
    if released {
        return Ok(());
    }
    Err(bad("`field` is none that the exchange released"))
}

fn bad(detail: &'static str) -> Stop {
    Refused::new(Refusal::BadRequest).detail(detail).into()
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
pub async fn answer(stations: &Stations, peer: &Peer, head: &StatementHead<'_>) -> Result<Sealed, Stop> {
    // Before anything is read: what is asked too often costs no look-up.
    let _permit = stations.admission.admit(&peer.partner().id)?;
    let view = statement::about(stations, head).await?;
    let is_theirs = matches!(&view.leaf.event, Event::Ticket(ticket) if ticket.p == peer.partner().id);
    if !is_theirs {
        return Err(Refusal::NotFound.into());
    }
    let statement = Statement::judged(stations, peer, head, &profile::TICKET)?;
    let document: Document = statement.document("the one member is say: corrected or confirmed")?;
    let keyed = statement.keyed("ticket")?;
    let event = TicketAnswerEvent {
        x: view.exchange.to_string(),
        p: peer.partner().id.clone(),
        of: statement::reference(&view)?,
        say: document.say.code().into(),
        req: keyed.req,
    };
    let (entry, _in_flight) = keyed.entry(view.exchange, Event::TicketAnswer(event));
    statement::sealed(stations.journal.seal(entry).await.map_err(unavailable)?)
}

/// The tickets of a partner, the newest first, at most 1,000 and before that leaf, each with its newest answer. Of who asked and of what else is
/// known about the person or unit nothing is said.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(stations: &Stations, partner: &str, before: Option<u64>) -> Result<Value, Stop> {
    let _permit = stations.admission.admit(partner)?;
    let tickets = asked(stations, partner, before, None).await?;
    let ids = tickets.iter().filter_map(|(.., ticket)| ticket.x.parse::<Uuid>().ok());
    let answers = stations.journal.newest_of("ticket-answer", ids.collect()).await;
    let answers = answers.map_err(Fault::from_error("read the answers to tickets"))?;
    let next = tickets.last().map(|(index, ..)| *index);
    let lines: Vec<Value> = tickets
        .iter()
        .map(|(index, opened_us, ticket)| {
            let zh = record_type(&ticket.rec).and_then(|record| record.field(&ticket.fld));
            let answer = ticket.x.parse().ok().and_then(|id: Uuid| answers.get(&id));
            let said = answer.and_then(|leaf| match &leaf.event {
                Event::TicketAnswer(answer) => Some((&answer.say, time::format(leaf.when()))),
                _ => None,
            });
            json!({
                "id": ticket.x, "record": ticket.rec, "exchange": ticket.push, "row": ticket.row, "field": ticket.fld,
                "zh": zh.map(|field| field.zh), "opened": time::format(*opened_us), "index": index,
                "answer": said.as_ref().map(|(say, _)| say), "answered": said.as_ref().map(|(_, at)| at),
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
    let rows = stations.journal.search(query).await;
    let rows = rows.map_err(Fault::from_error("search the log"))?;
    let mut tickets = Vec::with_capacity(rows.len());
    for row in rows {
        let leaf = Leaf::decode(&row.bytes).map_err(Fault::from_error("read a leaf"))?;
        let when_us = leaf.when();
        if let Event::Ticket(ticket) = leaf.event {
            tickets.push((row.index, when_us, ticket));
        }
    }
    Ok(tickets)
}
