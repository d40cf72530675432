//! `POST /console/api/tickets`: an operator asks a source to check a field of a row (design 10.10).
//!
//! Takes JSON, `{"exchange", "row", "field"}`; gives the ticket's id and leaf, and of a question that is asked already and not answered that ticket, `already`.
//! Refuses every role but the operator's. Shows no record.

use std::sync::Arc;

use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;
use axum::{Extension, Json};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use shuguan_ledger::leaf::{Event, Leaf, TicketEvent};
use uuid::Uuid;

use super::{Desk, guard, json};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::ticket::{self, Order};
use crate::exchange::{Fault, Stop};
use crate::journal::{Journal, Query, Sealed};

/// The handler.
pub(super) async fn open(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Json<Order>, JsonRejection>,
) -> Response {
    let (acting, officer) = (Arc::clone(&desk), Arc::clone(&peer));
    // A turn that ends before its leaf is in the log would let the same question in twice.
    let act = async move {
        guard::operators_only(&officer)?;
        let order: Order = json::asked(&headers, &uri, body, "exchange, row, field")?;
        opened(&acting, &officer, &order).await
    };
    json::carried_out(&desk, context, peer, "tickets", act).await
}

/// One at a time: between the look and the leaf nobody asks the same.
async fn opened(desk: &Desk, peer: &Peer, order: &Order) -> Result<Value, Stop> {
    let _turn = desk.tickets.lock().await;
    let stations = &desk.console.api.stations;
    if let Some(there) = still_open(&stations.journal, order).await? {
        return Ok(told(&there, true));
    }
    Ok(told(&ticket::open(stations, peer, order).await?, false))
}

fn told(sealed: &Sealed, already: bool) -> Value {
    json!({
        "schema": "shuguan.ticket.v1", "id": sealed.exchange, "index": sealed.index, "receipt": sealed.receipt, "already": already,
    })
}

/// The ticket that asks the same and has no answer. It is younger than what it is about.
async fn still_open(journal: &Journal, order: &Order) -> Result<Option<Sealed>, Stop> {
    let unread = "look for a ticket";
    let view = journal
        .exchange(order.exchange)
        .await
        .map_err(Fault::from_error(unread))?;
    let Some(Event::Push(push)) = view.as_ref().map(|view| &view.leaf.event) else {
        return Ok(None);
    };
    let mut query = Query {
        partner: Some(push.p.clone()),
        kind: Some("ticket".into()),
        from_us: view
            .as_ref()
            .and_then(|view| view.leaves.first())
            .map(|first| first.t_us),
        ..Query::default()
    };
    let push = order.exchange.to_string();
    let same = |ticket: &TicketEvent| ticket.push == push && ticket.row == order.row && ticket.fld == order.field;
    loop {
        let rows = journal.search(query.clone()).await.map_err(Fault::from_error(unread))?;
        let Some(oldest) = rows.last() else { return Ok(None) };
        query.before_index = Some(oldest.index);
        let equal = rows
            .iter()
            .filter_map(|row| match Leaf::decode(&row.bytes).ok()?.event {
                Event::Ticket(ticket) if same(&ticket) => ticket.x.parse().ok(),
                _ => None,
            });
        let equal: Vec<Uuid> = equal.collect();
        let answers = journal.newest_of("ticket-answer", equal.clone()).await;
        let answers = answers.map_err(Fault::from_error(unread))?;
        if let Some(open) = equal.into_iter().find(|ticket| !answers.contains_key(ticket)) {
            return Ok(journal.sealed_entry(open).await.map_err(Fault::from_error(unread))?);
        }
    }
}
